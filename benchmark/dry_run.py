"""`spanbench table NAME --dry-run`: what is done, what is left, and what that will cost. It writes nothing."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmark.display import duration
from benchmark.plan import Plan
from benchmark.throughput import RULE, Kind, Timing, estimated, timings
from leaderboard.record import Record, read_record

T = TypeVar("T")
MOST = 1_500  # records of the table that are read; where there are more, some of them, evenly
ELSEWHERE = 500  # records of other tables beside it
LINES = 60  # of the list by model and measure; where it would be longer, by either


@dataclass(frozen=True)
class Found:
    """What lies in a table's folder. `read` are some of the records that are there, in the order of the plan."""

    done: list[bool]  # a cell each
    read: list[Record]
    damaged: list[Path]  # of those looked at

    @property
    def n_done(self) -> int:
        """How many cells have a record, as far as is known a whole one."""
        return sum(self.done)


def dry_run(plan: Plan, folder: Path, workers: int | None, console: Console, again: Collection[str] = ()) -> int:
    """Print what is done in `folder`, what is left, and its cost on every device that records come from.

    Cells that ended in a status of `again` are left: of many, those whose records were read.
    """
    wide = console if console.is_terminal else Console(width=200)  # a file has no edge to wrap at
    found = _found(plan, folder, again)
    left = Counter(row[:3] for row, done in zip(plan.rows, found.done, strict=True) if not done)
    _say(wide, f"{plan.title}: {len(plan.ids)} cells, {found.n_done} done in {folder}, {sum(left.values())} left")
    for listed in _lists(plan, found):
        wide.print(listed, "")
    for line in (*_of_records(found), *_costs(plan, left, [*found.read, *_elsewhere(folder)], workers)):
        _say(wide, line)
    return 0


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _found(plan: Plan, folder: Path, again: Collection[str]) -> Found:
    names = _names(folder / "records")
    done = [f"{id_}.json" in names for id_ in plan.ids]
    there = _spread([id_ for id_, is_done in zip(plan.ids, done, strict=True) if is_done], MOST)
    records, damaged = _read([folder / "records" / f"{id_}.json" for id_ in there])
    if "ok" in again:  # all of them
        return Found([False] * len(done), records, damaged)
    left = {path.stem for path in damaged} | {record.id for record in records if record.status in again}
    return Found([was and id_ not in left for id_, was in zip(plan.ids, done, strict=True)], records, damaged)


def _names(folder: Path) -> set[str]:
    """The files of a folder; none where there is no such folder."""
    return {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()


def _spread(things: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly."""
    n = min(most, len(things))
    return [things[place * len(things) // n] for place in range(n)]


def _read(paths: Sequence[Path]) -> tuple[list[Record], list[Path]]:
    """The records at these places, and the places of those that are damaged."""
    records, damaged = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except ValueError:
            damaged.append(path)
    return records, damaged


def _elsewhere(folder: Path) -> list[Record]:
    """Some records of the other tables beside this one."""
    others = [other / "records" for other in sorted(folder.parent.glob("*")) if other.name != folder.name]
    found = [(other, name) for other in others for name in sorted(_names(other)) if name.endswith(".json")]
    return _read([other / name for other, name in _spread(found, ELSEWHERE)])[0]


def _lists(plan: Plan, found: Found) -> Iterator[Table]:
    """Cells by model and measure, or where these are many by model, then by measure."""
    several = len({question.corpus.name for question in plan.questions if question.corpus}) > 1
    models = [part.name for part in plan.models]
    measures = [_measure(plan, number, several) for number in range(len(plan.questions))]
    cells = [(models[model], measures[question]) for model, question, _, _ in plan.rows]
    places = {id_: number for number, id_ in enumerate(plan.ids)}
    ended = [(places[record.id], record.status) for record in found.read if record.status != "ok"]
    columns = [("model", "measure")] if len(set(cells)) <= LINES else [("model",), ("measure",)]
    for heads in columns:
        keys = [
            tuple(what for head, what in zip(("model", "measure"), cell, strict=True) if head in heads)
            for cell in cells
        ]
        total, done = Counter(keys), Counter(key for key, there in zip(keys, found.done, strict=True) if there)
        bad = Counter((keys[place], status) for place, status in ended)
        table = Table(*heads, box=None, pad_edge=False)
        for head in ("cells", "done", "failed", "diverged", "left"):
            table.add_column(head, justify="right")
        for key, n in total.items():
            counts = n, done[key], bad[key, "failed"], bad[key, "diverged"], n - done[key]
            table.add_row(*key, *(str(count) for count in counts))
        yield table


def _measure(plan: Plan, number: int, several: bool) -> str:
    """learn planted@bpe-512, and where there are several corpora which."""
    question = plan.questions[number]
    at = f"@{question.tokenizer.name}" if question.tokenizer else ""
    on = f" on {question.corpus.name}" if question.corpus and several else ""
    return f"{question.regime} {question.task.name}{at}{on}"


def _of_records(found: Found) -> Iterator[str]:
    """What is known only of records that were read."""
    looked = len(found.read)
    if looked + len(found.damaged) == MOST and looked < found.n_done:
        yield f"failed and diverged are counted among {looked} records of {found.n_done}, read evenly"
    for path in found.damaged:
        yield f"{path}: not a record: its cell will run again"


def _costs(plan: Plan, left: Counter[Kind], records: Sequence[Record], workers: int | None) -> Iterator[str]:
    """A line a device, and how it was reckoned."""
    n = sum(left.values())
    if not n:
        yield "nothing is left to run"
        return
    devices = timings(plan, records)
    if not devices:
        said = duration(plan.core_seconds * n / len(plan.ids))
        by_table = (
            f"the table itself expects {said} of one core" if plan.core_seconds else "the table says nothing of it"
        )
        yield f"cost of {n} cells: no record of any cell to reckon it from; {by_table}"
        return
    for device, measured in devices.items():
        yield _cost(plan, left, device, measured, min(n, workers or os.cpu_count() or 1))
    yield RULE


def _cost(plan: Plan, left: Counter[Kind], device: str, measured: Sequence[Timing], workers: int) -> str:
    """cpu: 54 cells, about 9 min one after another, 5 min on 2 workers; from 40 records …"""
    estimate = estimated(plan, left, measured)
    by = ", ".join(
        f"{n} by {rule}"
        for n, rule in zip(estimate.cells.values(), ("their own kind", "their model", "all records"), strict=True)
        if n
    )
    middle = (
        ""
        if estimate.middle is None
        else ("; half of the records took {:.2f} to {:.2f} times the median of their kind".format(*estimate.middle))
    )
    return (
        f"{device}: about {duration(estimate.seconds)} one after another, "
        f"{duration(estimate.seconds / workers)} with --workers {workers}; "
        f"from {len(measured)} records, {by}{middle}"
    )
