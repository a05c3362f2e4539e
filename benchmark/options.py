"""The options of one cell: what `spanbench run` and every row of a table are made of."""

import re
from argparse import SUPPRESS
from collections.abc import Sequence
from typing import Any, Literal

from jsonargparse import ArgumentError, ArgumentParser
from pydantic import ValidationError

from benchmark.budget import fit_width, parse_count
from benchmark.cells import build, corpus_named, needs_text
from benchmark.parsing import PlainHelp, condense
from benchmark.registry import UsageError, names, source_digest
from benchmark.resolver import FROM_TEXT, SELECTORS, resolve
from benchmark.training import TrainerOptions
from leaderboard.record import Budget, Cell, Corpus, Part

DEFAULT_LAGS = {"learn": [16, 32, 64, 128], "retain": [2, 64]}
DEFAULT_TEXT_LAGS = {"learn": [16, 32, 64, 128], "retain": [16, 128]}
PRECISIONS = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"]


def cell_parser() -> ArgumentParser:
    """The parser of one cell; selectors are already rewritten to class_path and init_args."""
    parser = ArgumentParser(
        exit_on_error=False,
        formatter_class=PlainHelp,
        usage="spanbench run --model M --task T [--model.KEY VALUE …] [options]",
        description="Train and measure one model on one task. A name stands for a YAML in configs/; a path to a YAML, "
        "or path/to/file.py:Class, works wherever a name does. `spanbench models NAME` shows a model's keys.",
    )
    what = {
        "model": f"{', '.join(names('models'))}; --model.KEY VALUE changes a key",
        "task": f"{', '.join(names('tasks'))}; --task.KEY VALUE changes a key",
        "tokenizer": "byte, char or bpe-N, for a task on text",
    }
    for name, base in SELECTORS.items():
        needed = name != "tokenizer"
        parser.add_subclass_arguments(
            base, name, as_group=False, skip=FROM_TEXT, required=needed, help=what[name], metavar="NAME"
        )
    parser.add_argument("--corpus", type=str | None, help="sympy, files:PATH, … (text tasks; default sympy)")
    parser.add_argument("--regime", type=Literal["learn", "retain"], default="learn", help="the question asked")
    parser.add_argument(
        "--lags",
        type=list[int] | None,
        help="learn: the lags to climb (default 16,32,64,128); retain: the shortest and the longest, T (default 2,64; "
        "on text 16,128; what the task's YAML says, or longer where a task needs it)",
    )
    parser.add_argument("--bisect", type=bool, default=False, help="learn: refine the edge to a quarter octave")
    parser.add_argument("--seed", type=int, default=0, help="of weights and data")
    parser.add_argument(
        "--n-params",
        type=str | None,
        help="the widest model with at most so many parameters, e.g. 100k; widths are those that its heads divide",
    )
    parser.add_argument("--precision", type=PRECISIONS, default="32-true", help="as in Lightning")
    parser.add_class_arguments(Budget, "budget")
    parser.add_argument(
        "--compile",
        type=bool,
        default=False,
        help="run the model through torch.compile: seconds to minutes at the start, most where a recurrence is a loop",
    )
    parser.add_class_arguments(TrainerOptions, "trainer", skip={"compile"})
    for action in parser._actions:
        if action.dest in ("budget", "trainer") or any(option.endswith(".help") for option in action.option_strings):
            action.help = SUPPRESS  # what goes through `resolve` is asked of the listings
    return parser


def make_cell(argv: Sequence[str], parser: ArgumentParser) -> tuple[Cell, TrainerOptions, dict[str, Any]]:
    """The cell that command-line words describe, how to train it, and all options. Raises UsageError."""
    visible = (action for action in parser._actions if action.help != SUPPRESS)
    known = {option for action in visible for option in action.option_strings if not option.endswith("+")}
    words, places = resolve(argv, known)
    try:
        options = parser.parse_args(words).as_dict()
    except (ArgumentError, TypeError) as error:
        raise UsageError(condense(str(error))) from None
    if options["n_params"] is not None and any(re.match(r"--model\.(init_args\.)?dim\b", word) for word in argv):
        raise UsageError("--n-params chooses the width: leave --model.dim out")
    return _cell(options, places), TrainerOptions(**options["trainer"], compile=options["compile"]), options


def _part(name: str, options: dict[str, Any], places: dict[str, str]) -> Part:
    place = places[options["class_path"]]
    shown = places[name]
    if ".py:" in shown:
        shown = shown.rpartition(":")[2]
    elif shown.endswith((".yaml", ".yml")):
        shown = re.split(r"[/\\]", shown)[-1].rpartition(".")[0]
    return Part(name=shown, class_path=place, init_args=options.get("init_args", {}), source=source_digest(place))


def _default_lags(task: Part, regime: str) -> list[int]:
    """As DEFAULT_LAGS has them, or longer where the task cannot be so short. Raises UsageError."""
    try:
        least = build(task).spec.min_lag
    except (ValueError, TypeError) as error:
        raise UsageError(f"--task {task.name}: {error}") from None
    if regime == "retain":
        low, high = DEFAULT_LAGS["retain"]
        return [max(low, least), max(high, 4 * least)]
    return [lag for lag in DEFAULT_LAGS["learn"] if lag >= least] or [least]


def _cell(options: dict[str, Any], places: dict[str, str]) -> Cell:
    model, task = (_part(name, options[name], places) for name in ("model", "task"))
    tokenizer = corpus = None
    try:
        if needs_text(task):
            if options["tokenizer"] is None:
                raise UsageError(f"--task {task.name} is made of text: choose a --tokenizer (byte, char, bpe-512, …)")
            tokenizer = _part("tokenizer", options["tokenizer"], places)
            corpus_name = options["corpus"] or "sympy"
            corpus = Corpus(name=corpus_name, digest=corpus_named(corpus_name).digest)
        elif options["tokenizer"] is not None or options["corpus"] is not None:
            raise UsageError(f"--task {task.name} is not made of text: it takes no --tokenizer or --corpus")
        if options["n_params"] is not None:
            model = fit_width(model, parse_count(options["n_params"]))
        lags = options["lags"]
        if lags is None:
            lags = _default_lags(task, options["regime"]) if corpus is None else DEFAULT_TEXT_LAGS[options["regime"]]
        shared = {key: options[key] for key in ("regime", "bisect", "seed", "precision")}
        return Cell(
            model=model, task=task, tokenizer=tokenizer, corpus=corpus, lags=lags, budget=options["budget"], **shared
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise UsageError(f"--{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix("--: ")) from None
