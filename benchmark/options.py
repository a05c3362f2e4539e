"""The options of one cell: what `spanbench run` and every row of a table are made of."""

import re
from argparse import SUPPRESS
from collections.abc import Sequence
from typing import Any, Literal

from jsonargparse import ArgumentError, ArgumentParser
from pydantic import ValidationError

from benchmark.budget import fit_width, parse_count
from benchmark.cells import corpus_named, needs_text, task_of
from benchmark.parsing import PlainHelp, condense
from benchmark.registry import UsageError, load_class, names, source_of, unknown
from benchmark.resolver import FROM_TEXT, SELECTORS, resolve
from benchmark.run_options import TrainerOptions
from leaderboard.cell import EXTRAS, Budget, Cell, Corpus, Part
from leaderboard.protocol import C_MAX, MANY
from tasks.base import Task
from tasks.language import Language

DEFAULT_LAGS = {"learn": [16, 32, 64, 128], "retain": [2, 64], "language": [256]}
DEFAULT_TEXT_LAGS = DEFAULT_LAGS | {"retain": [16, 128]}
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
        "tokenizer": "byte, char, bpe-N or file:tokenizer.json, for a task on text",
    }
    for name, base in SELECTORS.items():
        needed = name != "tokenizer"
        parser.add_subclass_arguments(
            base, name, as_group=False, skip=FROM_TEXT, required=needed, help=what[name], metavar="NAME"
        )
    parser.add_argument("--corpus", type=str | None, help="sympy, files:PATH, … (text tasks; default sympy)")
    _add_question(parser)
    parser.add_argument("--seed", type=int, default=0, help="of weights and data")
    parser.add_argument(
        "--n-params",
        type=str | None,
        help="the widest model with at most so many parameters, e.g. 100k; widths are those that its heads divide",
    )
    parser.add_argument("--precision", type=PRECISIONS, default="32-true", help="as in Lightning")
    parser.add_argument(
        "--lr",
        type=list[float] | None,
        help="peak learning rates, comma-separated: each is tried, and the best of the validation is kept and tested",
    )
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


def _add_question(parser: ArgumentParser) -> None:
    """What is asked of the model."""
    parser.add_argument(
        "--regime",
        type=Literal["learn", "retain", "language"] | None,
        help="the question asked (default: learn; of the task language: language)",
    )
    parser.add_argument(
        "--lags",
        type=list[int] | None,
        help="learn: the lags to climb (default 16,32,64,128); retain: the shortest and the longest, T (default 2,64; "
        "on text 16,128; what the task's YAML says, or longer where a task needs it), tested to 4 T, for which a text "
        "must have room, and on to 32 T while the memory holds; language: the contexts to score at, the longest (T) "
        "also to train at (default 256)",
    )
    parser.add_argument(
        "--measures",
        type=list[str] | None,
        help="what is measured besides the regime's own question, or none (default: all of retain: influence, "
        "gradient, audit; of language: context, influence, gradient; learn has none)",
    )
    parser.add_argument(
        "--c-max",
        type=int | None,
        help="language: the longest context scored, T or more (default: 4 T, less where documents are not that long)",
    )
    parser.add_argument("--bisect", type=bool, default=False, help="learn: refine the edge to a quarter octave")


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
    if options["lr"] is not None and any(re.match(r"--budget\.lr\b", word) for word in argv):
        raise UsageError("--lr sets the learning rate: leave --budget.lr out")
    return _cell(options, places), TrainerOptions(**options["trainer"], compile=options["compile"]), options


def _part(name: str, options: dict[str, Any], places: dict[str, str]) -> Part:
    place = places[options["class_path"]]
    shown = places[name]
    if ".py:" in shown:
        shown = shown.rpartition(":")[2]
    elif shown.endswith((".yaml", ".yml")):
        shown = re.split(r"[/\\]", shown)[-1].rpartition(".")[0]
    elif shown.startswith("file:"):
        shown = "file:" + "/".join(re.split(r"[/\\]", shown.removeprefix("file:"))[-2:])
    init_args = options.get("init_args", {})
    try:
        return Part(name=shown, class_path=place, init_args=init_args, source=source_of(place, init_args))
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"--{name} {places[name]}: {error}") from None


def _default_lags(task: Part, tokenizer: Part | None, corpus: Corpus | None, regime: str) -> list[int]:
    """As DEFAULT_LAGS has them, or longer where the task cannot be so short. Raises UsageError."""
    least = _built(task, tokenizer, corpus).spec.min_lag
    usual = (DEFAULT_LAGS if corpus is None else DEFAULT_TEXT_LAGS)[regime]
    if regime == "retain":
        low, high = usual
        return [max(low, least), max(high, 4 * least)]
    return [lag for lag in usual if lag >= least] or [least]


def _built(task: Part, tokenizer: Part | None, corpus: Corpus | None) -> Task:
    """The task that these make. Raises UsageError."""
    try:
        return task_of(task, tokenizer, corpus)
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"--task {task.name}: {error}") from None


def _regime(task: Part, asked: str | None) -> str:
    """The question asked, or the first of those that the task can be asked. Raises UsageError."""
    possible = load_class(task.class_path).regimes  # pyright: ignore[reportAttributeAccessIssue]
    if asked is not None and asked not in possible:
        raise UsageError(f"--task {task.name} cannot be asked in --regime {asked}: choose from {', '.join(possible)}")
    return asked or possible[0]


def _measures(asked: list[str] | None, regime: str) -> list[str]:
    """Those asked for, in their order of the protocol; by default all that the regime can take. Raises UsageError."""
    possible: tuple[str, ...] = EXTRAS[regime]
    if asked is None:
        return list(possible)
    every = sorted({name for names in EXTRAS.values() for name in names})
    if "none" in asked and len(asked) > 1:
        raise UsageError(f"--measures: none stands alone, got {','.join(asked)}")
    for name in asked if asked != ["none"] else ():
        if name not in every:
            raise unknown("measure", name, [*every, "none"])
        if name not in possible:
            choices = ", ".join(possible) or "none: a climb trains a model a lag"
            raise UsageError(f"--measures: {name} is not taken in --regime {regime}: choose from {choices}")
    return [name for name in possible if name in asked]


def _c_max(task: Task, horizon: int) -> int:
    """C_MAX · T or, where fewer than MANY test documents are that long, T doubled as often as leaves no fewer than T.

    A text too short for T itself is left to be refused with the rest.
    """
    assert isinstance(task, Language)
    enough = min(MANY, task.n_documents("test", horizon))
    longest = horizon
    while longest < C_MAX * horizon and task.n_documents("test", 2 * longest) >= max(1, enough):
        longest *= 2
    return longest


def _rates(asked: list[float] | None) -> list[float]:
    """The learning rates to choose from, ascending; none where there is no choice. Raises UsageError."""
    if asked is None:
        return []
    if not asked or len(set(asked)) < len(asked) or min(asked) <= 0:
        raise UsageError(f"--lr: expected distinct learning rates above 0, got {','.join(map(str, asked)) or 'none'}")
    return sorted(asked) if len(asked) > 1 else []


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
        shared = {key: options[key] for key in ("bisect", "seed", "precision", "budget")}
        shared["lrs"] = _rates(options["lr"])
        if options["lr"]:
            shared["budget"] = shared["budget"] | {"lr": min(options["lr"])}
        shared["regime"] = _regime(task, options["regime"])
        shared["lags"] = options["lags"] or _default_lags(task, tokenizer, corpus, shared["regime"])
        shared["measures"] = _measures(options["measures"], shared["regime"])
        shared["c_max"] = options["c_max"]
        if options["c_max"] is None and "context" in shared["measures"]:
            shared["c_max"] = _c_max(_built(task, tokenizer, corpus), max(shared["lags"]))
        return Cell(model=model, task=task, tokenizer=tokenizer, corpus=corpus, **shared)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise UsageError(f"--{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix("--: ")) from None
