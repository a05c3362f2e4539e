"""`spanbench submit`: run the official cells of one model, and pack what they left."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from benchmark import contract
from benchmark.board.pack import Author, Unfit, pack
from benchmark.cells import build_model
from benchmark.host import commit
from benchmark.launch.finish import finish
from benchmark.options import cell_parser, make_cell
from benchmark.parsing import check_output, manner_of
from benchmark.registry import UsageError, entry
from benchmark.run_options import Mode, RunOptions, default_mode
from leaderboard.cell import Cell
from leaderboard.ranking.entrants import SUBMISSIONS
from leaderboard.record import Record
from leaderboard.scores import normalised_score
from leaderboard.suite import DEFAULT, Suite, read_suite
from leaderboard.validation.submission import Contact, Family, Link, Name

CORE_SECONDS = 1200.0  # what a model of usual speed takes; a loop in Python more
FIELDS = {"name": Name, "contact": Contact, "link": Link, "family": Family}


def submit(
    model: str,
    name: str,
    contact: str,
    link: str | None = None,
    family: str | None = None,
    suite: str = DEFAULT,
    output: str = "runs",
    submissions: str | None = None,
    wandb: Mode | None = None,
    **how: Any,
) -> int:
    """Train what is missing of the official cells, then write the submission. `how`: as add_manner has it."""
    manner, again = manner_of(how)
    kind = family or entry("models", model).get("family", "other")
    for key, value in {"name": name, "contact": contact, "link": link, "family": kind}.items():
        _refuse_unlike(key, value)
    official = official_suite(suite)
    cells = official_cells(model, official)
    refuse_breaches(next(iter(cells.values()))[0])
    place = Path(submissions) if submissions else SUBMISSIONS
    check_output(place)
    console = Console(highlight=False, soft_wrap=True)
    if (commit() or "+").endswith("+"):
        console.print(
            "note: this checkout has changes that are not committed; cells run now cannot be run again as they are"
        )
    options = RunOptions(Path(output) / official.name, wandb or default_mode(), official.name)
    every = [cell for each in cells.values() for cell in each]
    records, code = finish(
        console, every, options, manner, f"{name}: official cells, {official.title}", again, CORE_SECONDS
    )
    by_id = {record.id: record for record in records}
    grouped = {key: [by_id[cell.id] for cell in each] for key, each in cells.items()}
    argv = _argv(model, name, contact, link, family)
    try:
        folder = pack(Author(name, contact, link, kind, argv), official, grouped, options.folder / "cells", place)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except Unfit as error:
        for finding in error.findings:
            console.print(finding.line(), markup=False)
        console.print("not packed: it would not pass `spanbench leaderboard validate`")
        return 1
    _summary(console, official, grouped, folder, options.folder / "cells")
    return code


def official_suite(name: str) -> Suite:
    """The latest revision. Raises UsageError where there is none yet."""
    try:
        return read_suite(name)
    except ValueError as error:
        raise UsageError(str(error)) from None


def official_cells(model: str, suite: Suite) -> dict[str, list[Cell]]:
    """Every official cell of a model, by key, a seed each, at the widest width within the budget. Raises UsageError."""
    words = ["--model", model, "--task", "delayed_recall", "--n-params", str(suite.n_params)]
    cell, _, _ = make_cell(words, cell_parser())
    return {
        official.key: [official.for_model(cell.model, seed, cell.budget.lr) for seed in suite.seeds]
        for official in suite.cells
    }


def refuse_breaches(cell: Cell) -> None:
    """Before an hour of training. Raises UsageError with the first clause of the contract that is broken."""
    for clause, check in contract.CHECKS.items():
        try:
            check(lambda: build_model(cell))
        except contract.Breach as breach:
            name = cell.model.name
            raise UsageError(f"{name} breaks its contract: {clause}: {breach}; see `spanbench check`") from None


def _refuse_unlike(key: str, value: str | None) -> None:
    """Raise UsageError with what the submission's own field expects."""
    if value is None:
        return
    try:
        TypeAdapter(FIELDS[key]).validate_python(value)  # pyright: ignore
    except ValidationError as error:
        expected = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f'--{key}: {expected}, got "{value}"') from None


def _argv(model: str, name: str, contact: str, link: str | None, family: str | None) -> list[str]:
    """The words of the command, without where things lie on this machine."""
    words = [Path(model).name if "/" in model else model, "--name", name, "--contact", contact]
    words += ["--link", link] if link else []
    return words + (["--family", family] if family else [])


def _summary(console: Console, suite: Suite, records: dict[str, list[Record]], folder: Path, weights: Path) -> None:
    for board in suite.boards:
        scores = [
            score
            for official in suite.on(board.name)
            for record in records[official.key]
            if (score := normalised_score(official, record, suite)) is not None
        ]
        n = len(suite.on(board.name)) * len(suite.seeds)
        mean = (
            f"{sum(scores) / len(scores):.3f}" if len(scores) == n else f"incomplete, {n - len(scores)} of {n} failed"
        )
        console.print(f"{board.title}: {mean} (0 is chance, 1 is {suite.reference})")
    everything = [record for each in records.values() for record in each]
    if any(record.host.commit is None or record.host.commit.endswith("+") for record in everything):
        console.print("some cells ran with changes that are not committed: nobody else can run them again as they were")
    console.print(f"written to {folder}; the weights stay in {weights}: keep them, a maintainer may ask for them")
    console.print(f"next: spanbench leaderboard validate {folder}, then a pull request that adds this folder alone")
