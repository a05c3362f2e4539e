"""`spanbench compare`: the same models on the same text at several granularities."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentError, ArgumentParser
from rich.console import Console

from benchmark.budget import fit_alike, parse_count, part_named
from benchmark.cells import build_task, corpus_named, train_bytes
from benchmark.launch.finish import finish
from benchmark.options import cell_parser, make_cell
from benchmark.parsing import PlainHelp, add_manner, add_wandb, condense, manner_of
from benchmark.registry import UsageError
from benchmark.reporting import calibration_beside
from benchmark.run_options import RunOptions, default_mode
from leaderboard.cell import Budget, Cell
from leaderboard.comparison.comparison import comparison_terminal, write_comparison

Arm = Literal["bytes", "tokens"]
OWN = {  # of each regime: its task, and how its options differ from those of `spanbench run`
    "language": {
        "task": "language",
        "budget.sequences": "9600",
        "budget.batch_size": "16",
        "budget.n_test": "540",
    },
    "learn": {
        "task": "planted",
        "budget.sequences": "4800",
        "budget.val_every": "25",
        "budget.n_val": "64",
        "budget.n_test": "256",
    },
    "retain": {"task": "planted", "budget.sequences": "12800", "budget.n_test": "128"},
}
SHARED = ("model", "tokenizer", "corpus", "task", "regime", "seed", "n-params")  # the same for every regime
SHORTEST = 16  # bytes: where the mixed lags of retention begin
SLACK = 20  # steps more or fewer between validations, where training is fitted to a number of bytes


def compare(argv: Sequence[str]) -> int:
    """Train what is missing of models × tokenizers × seeds, three questions each, and report on all of it."""
    if "-h" in argv or "--help" in argv:
        _parser().print_help()
        return 0
    asked, options = what_is_asked(argv)
    manner, again = manner_of(options)
    cells = asked.cells()
    folder = Path(options["output"]) / "compare"
    console = Console()
    run = RunOptions(folder, options["wandb"] or default_mode(), "compare")
    caption = f"{asked.model.replace(',', ', ')} on {asked.corpus}"
    records, code = finish(console, cells, run, manner, caption, again)
    calibration = calibration_beside(folder)
    written = write_comparison(records, folder / asked.name, caption, asked.arm, calibration)
    wide = console if console.is_terminal else Console(width=200)  # a file has no edge to wrap at
    wide.print(comparison_terminal(records, asked.arm, calibration))
    names = ", ".join(path.name for path in written)
    console.print(f"written to {folder / asked.name}: {names}", highlight=False, soft_wrap=True)
    return code


def what_is_asked(argv: Sequence[str]) -> tuple["Asked", dict[str, Any]]:
    """What the command line compares, and all options. Raises UsageError."""
    words, own = _split(argv)
    try:
        options = _parser().parse_args(words).as_dict()
    except ArgumentError as error:
        raise UsageError(f"compare: {condense(str(error))}") from None
    return Asked(**{key: value for key, value in options.items() if key in Asked.__annotations__}, own=own), options


@dataclass(frozen=True)
class Asked:
    """What is compared. Lists are comma-separated; `own` holds options of `spanbench run` for one regime."""

    model: str
    tokenizer: str
    corpus: str
    arm: Arm
    seeds: int
    n_params: str
    lags: str
    horizon: int
    context: int
    own: dict[str, dict[str, str]]

    @property
    def name(self) -> str:
        """The folder of the report: corpus and arm."""
        place = self.corpus.removeprefix("files:")
        plain = re.sub(r"[^\w.-]+", "-", place.rstrip("/").rpartition("/")[2]).strip("-") or "text"
        if place != self.corpus:  # places may share a name
            plain += f"-{corpus_named(self.corpus).digest[:6]}"
        return f"{plain}-{self.arm}"

    def cells(self) -> list[Cell]:
        """Every cell, seed by seed, so that a comparison that is cut short has whole seeds. Raises UsageError."""
        for key, least in {"seeds": 1, "horizon": SHORTEST + 1, "context": 1}.items():
            if getattr(self, key) < least:
                raise UsageError(f"--{key} must be at least {least}, got {getattr(self, key)}")
        parts = [part_named(name) for name in self._list("model")]
        models = [(part.name, part.init_args["dim"]) for part in fit_alike(parts, parse_count(self.n_params))]
        parser = cell_parser()
        found = []
        for tokenizer, (model, dim), regime in product(self._list("tokenizer"), models, OWN):
            words = {"model": model, "model.dim": dim, "tokenizer": tokenizer, "corpus": self.corpus, "regime": regime}
            try:
                found.append(self._cell(regime, words | self._lags(regime) | OWN[regime] | self.own[regime], parser))
            except UsageError as error:
                raise UsageError(f"compare, {regime}: {error}" if self.own[regime] else str(error)) from None
        if len({cell.id for cell in found}) < len(found):
            raise UsageError("compare: two of the models, or of the tokenizers, are the same")
        return [cell.model_copy(update={"seed": seed}) for seed in range(self.seeds) for cell in found]

    def _list(self, key: str) -> list[str]:
        names = [name.strip() for name in getattr(self, key).split(",")]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not all(names) or twice:
            raise UsageError(f"--{key}: expected distinct names, comma-separated, got {getattr(self, key)}")
        return names

    def _lags(self, regime: str) -> dict[str, Any]:
        """Lags in bytes, the language context in the arm's unit."""
        if regime == "learn":
            return {"lags": self.lags}
        if regime == "retain":
            return {"lags": f"{SHORTEST},{self.horizon}"}
        return {"lags": self.context, "task.arm": self.arm}

    def _cell(self, regime: str, words: dict[str, Any], parser: ArgumentParser) -> Cell:
        cell, _, _ = make_cell([word for key, value in words.items() for word in (f"--{key}", str(value))], parser)
        if self.arm == "bytes" or regime == "learn":
            return cell
        if regime == "retain":
            return _in_tokens(cell)
        task = build_task(cell)
        return _fitted(cell, cell.budget.sequences * (cell.horizon + task.block))  # pyright: ignore


def _in_tokens(cell: Cell) -> Cell:
    """A retain cell whose T is so many tokens instead of bytes, on as many bytes of text."""
    task = build_task(cell)
    total = train_bytes(cell, task)
    longest = max(SHORTEST + 1, round(cell.horizon * (task.bytes_per_token or 1)))
    return _fitted(cell.model_copy(update={"lags": [cell.lags[0], longest]}), total or 0)


def _fitted(cell: Cell, total: int) -> Cell:
    """The cell with a batch size and a number of steps that come to `total` bytes of text, as nearly as they can."""
    task, budget = build_task(cell), cell.budget
    each = (train_bytes(cell, task) or 0) / budget.sequences
    usual = budget.batch_size * total / (each * budget.sequences)  # as many bytes in a batch
    checks = budget.sequences // (budget.batch_size * budget.val_every)

    def candidates() -> Iterator[Budget]:
        for size in {max(1, int(usual) + step) for step in (-1, 0, 1, 2)}:
            for every in range(max(1, budget.val_every - SLACK), budget.val_every + SLACK + 1):
                changed = {"batch_size": size, "val_every": every, "sequences": size * every * checks}
                yield budget.model_copy(update=changed)

    def unlike(tried: Budget) -> tuple[float, float]:
        return round(abs(tried.sequences * each / total - 1), 3), abs(tried.batch_size - usual)

    return cell.model_copy(update={"budget": min(candidates(), key=unlike)})


def _split(argv: Sequence[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The words without --REGIME.option VALUE, and those options by regime."""
    own: dict[str, dict[str, str]] = {regime: {} for regime in OWN}
    words, rest = [], [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while rest:
        word = rest.pop(0)
        regime, dot, key = word.removeprefix("--").partition(".")
        if not (word.startswith("--") and dot and regime in OWN):
            words.append(word)
        elif key.partition(".")[0] in SHARED:
            raise UsageError(f"{word}: what is compared is the same for every regime, so leave {key} out")
        elif not rest or rest[0].startswith("--"):
            raise UsageError(f"{word} needs a value")
        else:
            own[regime][key] = rest.pop(0)
    return words, own


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="spanbench compare",
        usage="spanbench compare --model M,… --tokenizer K,… [options] [--language.OPTION V --learn.OPTION V …]",
        description="How far models remember, and how well they predict, at each granularity of the same text: bits "
        "per byte (language), learning span and retention span (planted), elasticity and interaction.",
        epilog="--language.OPTION, --learn.OPTION and --retain.OPTION change an option of `spanbench run` for the "
        "cells of that regime, as in --learn.budget.sequences 32000. Records are kept: only what is missing is run.",
        formatter_class=PlainHelp,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument("--model", required=True, help="names, comma-separated")
    parser.add_argument("--tokenizer", required=True, help="names, comma-separated: byte,bpe-512,bpe-2048,bpe-8192")
    parser.add_argument("--corpus", default="sympy", help="sympy, files:PATH, …")
    parser.add_argument("--arm", type=Arm, default="bytes", help="what is fixed: the context in bytes, or in tokens")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 on")
    parser.add_argument(
        "--n-params",
        default="25k",
        help="about so many parameters, without embedding and head; widths are chosen so that all have as many",
    )
    parser.add_argument(
        "--lags", default="16,32,64,128,256", help="bytes in both arms: the lags to climb for the learning span"
    )
    parser.add_argument("--horizon", type=int, default=128, help="T of the retention span, in the arm's unit")
    parser.add_argument("--context", type=int, default=256, help="T of the text to predict, in the arm's unit")
    parser.add_argument("--output", default="runs", help="records go to OUTPUT/compare, the report to a folder in it")
    add_manner(parser)
    add_wandb(parser)
    return parser
