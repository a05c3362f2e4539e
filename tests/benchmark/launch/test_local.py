"""The pool of processes: faults are caused, not imagined."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.launch.local import ending
from benchmark.registry import source_of
from leaderboard.cell import Cell, Part
from leaderboard.groups import group
from leaderboard.record import Record, read_record, read_records
from leaderboard.reports.report import write_report
from tests.benchmark.cells import TINY, cell, pooled

FAULTY = Path(__file__).with_name("faulty.py")
LONG = TINY.model_copy(update={"sequences": 1600})  # two looks at the loss


def faulty(name: str, seed: int = 0, **changes: Any) -> Cell:
    place = f"{FAULTY}:{name}"
    part = Part(name=name, class_path=place, init_args={"dim": 8}, source=source_of(place, {}))
    return cell(model=part, seed=seed, **changes)


class Watching:
    """Notes what it is told; `act` may interfere."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.told: list[tuple[int, str, str]] = []
        self.others: list[Record] = []

    def begun(self, worker: int, cell: Cell) -> None:
        pass

    def progress(self, worker: int, cell: Cell, what: str, share: float) -> None:
        self.told.append((worker, cell.id, what))
        self.act(worker, cell)

    def act(self, worker: int, cell: Cell) -> None:
        pass

    def done(self, worker: int, record: Record) -> None:
        self.records.append(record)

    def elsewhere(self, record: Record) -> None:
        self.others.append(record)

    def stopping(self) -> None:
        pass


def workers() -> list[int]:
    """Process ids of this process's spawned children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"spawn_main" in path.with_name("cmdline").read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class Killer(Watching):
    """Kills the worker of one cell the first time it reports progress."""

    def __init__(self, victim: Cell) -> None:
        super().__init__()
        self.victim = victim

    def act(self, worker: int, cell: Cell) -> None:
        if cell.id == self.victim.id:
            for pid in workers():
                os.kill(pid, signal.SIGKILL)


needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="finds workers in /proc")


@needs_proc
def test_a_killed_worker_costs_its_cell_and_no_other(tmp_path: Path) -> None:
    slow = TINY.model_copy(update={"sequences": 3200})
    cells = [cell(seed=0), cell(seed=1, lags=[64], budget=slow), cell(seed=2)]
    watch = Killer(cells[1])
    pooled(cells, tmp_path, 1, watch)
    assert [record.status for record in watch.records] == ["ok", "failed", "ok"]
    reason = str(watch.records[1].reason)
    assert reason.startswith(
        "the worker process was killed by SIGKILL (the system does so when memory runs out) (last: "
    )
    assert "lag 64 s=" in reason
    assert [read_record(tmp_path / "records" / f"{each.id}.json").status for each in cells] == ["ok", "failed", "ok"]


def test_every_kind_of_failure_is_recorded_as_what_it_is_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Raising, out of memory, NaN and a hang, on two workers; none of them is in a mean."""
    names = ["Raises", "Greedy", "NotANumber", "Hangs"]
    cells = [faulty(name, budget=LONG) for name in names] + [cell(seed=seed) for seed in range(3)]
    watch = Watching()
    begin = time.monotonic()
    pooled(cells, tmp_path, 2, watch, time_limit=20.0)
    assert time.monotonic() - begin < 120
    found = {record.cell.model.name: record for record in watch.records}
    said = {name: (found[name].status, str(found[name].reason)) for name in names}
    assert said["Raises"][0] == said["Greedy"][0] == said["Hangs"][0] == "failed"
    assert said["Raises"][1] == "ZeroDivisionError: on purpose"
    assert said["Greedy"][1].startswith("out of memory: ")
    assert "\n" not in said["Greedy"][1]
    assert said["NotANumber"][0] == "diverged"
    assert said["NotANumber"][1] == "outputs are not finite at step 10"
    assert said["Hangs"][1] == "took longer than its time limit of 20 s"
    assert [r.status for r in watch.records if r.cell.model.name == "rnn"] == ["ok"] * 3
    assert len(read_records(tmp_path / "records")) == len(cells)
    write_report(read_records(tmp_path / "records"), tmp_path, "Faults")
    table = (tmp_path / "table.md").read_text()
    assert "3 failed" in table or table.count("failed") >= 3
    means = {g.model: [r.status for r in g.records] for g in group(watch.records)}
    assert means["Raises"] == ["failed"]


def test_what_was_last_known_is_part_of_the_reason(tmp_path: Path) -> None:
    """A hang after the first validation: the last figures are told."""
    place = f"{FAULTY}:Hangs"
    part = Part(name="Hangs", class_path=place, init_args={"dim": 8, "steps": 15}, source=source_of(place, {}))
    watch = Watching()
    pooled([cell(model=part)], tmp_path, 1, watch, time_limit=15.0)
    (record,) = watch.records
    assert str(record.reason).startswith("took longer than its time limit of 15 s (last: lag 2 s=")
    assert record.host.seconds >= 15


def test_workers_live_on_between_cells(tmp_path: Path) -> None:
    class Pids(Watching):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[int] = set()

        def act(self, worker: int, cell: Cell) -> None:
            self.seen.update(workers())

    watch = Pids()
    pooled([cell(seed=seed) for seed in range(4)], tmp_path, 2, watch)
    assert len(watch.records) == 4
    assert len(watch.seen) == 2
    assert workers() == []


class KillerBetween(Watching):
    """Kills the worker that has just handed its first record over."""

    def done(self, worker: int, record: Record) -> None:
        super().done(worker, record)
        for child in multiprocessing.active_children() if len(self.records) == 1 else ():
            child.kill()


def test_a_worker_that_dies_between_two_cells_costs_none(tmp_path: Path) -> None:
    watch = KillerBetween()
    pooled([cell(seed=seed) for seed in range(3)], tmp_path, 1, watch)
    assert [record.status for record in watch.records] == ["ok"] * 3


def test_what_is_said_of_an_exit_code() -> None:
    assert ending(3) == "exited with 3"
    assert ending(-signal.SIGSEGV) == "was killed by SIGSEGV"
    assert "memory" in ending(-signal.SIGKILL)
