"""Whole tables: what a pool of workers gains, what a cell costs beside its training, what is done already costs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.environment import WORKER_ENVIRONMENT
from benchmark.plan import plan_for
from leaderboard.cell import Cell
from leaderboard.record import Record, write_record
from tests.bench.measures import TOP, alternate, cell, clock
from tests.benchmark.cells import pooled
from tests.leaderboard.synthetic_records import curve, facts, host, logistic

EVERY = 6  # of the cells of the quick table, one in so many: each architecture, task and tokenizer is among them
ROW = ("--task", "delayed_recall", "--model.dim", "32", "--lags", "2", "--budget.n_test", "32", "--budget.n_val", "32")


class Watching:
    """Notes when each cell was begun and done, by worker."""

    def __init__(self) -> None:
        self.done_at: dict[int, float] = {}
        self.gaps: list[float] = []

    def progress(self, worker: int, cell: Cell, what: str, share: float) -> None:
        pass

    def begun(self, worker: int, cell: Cell) -> None:
        if worker in self.done_at:
            self.gaps.append(time.perf_counter() - self.done_at.pop(worker))

    def done(self, worker: int, record: Record) -> None:
        assert record.status == "ok", record.reason
        self.done_at[worker] = time.perf_counter()

    def elsewhere(self, record: Record) -> None:
        pass

    def stopping(self) -> None:
        pass


def quick_cells() -> list[Cell]:
    """A sixth of the quick table's cells, the longest and the shortest of them mixed."""
    return list(plan_for("quick").cells())[:: EVERY - 1]


def pool_against_threads() -> str:
    """A part of the quick table on two one-thread workers, against one warm process of two threads, cell after cell."""
    cells = quick_cells()

    def pool() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return clock(lambda: pooled(cells, Path(folder), 2, Watching()))

    def threads() -> float:
        code = (
            "import sys, time, torch; torch.set_num_threads(2); from pathlib import Path; "
            "from leaderboard.cell import Cell; from benchmark.running import RunOptions, run_cell; "
            "cells = [Cell.model_validate_json(text) for text in sys.stdin.read().splitlines()]; begin = time.time(); "
            "[run_cell(each, RunOptions(Path(sys.argv[1])), lambda what, share: None) for each in cells]; "
            "print(time.time() - begin)"
        )
        text = "\n".join(each.model_dump_json() for each in cells)
        environment = {**os.environ, **WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "2"}
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", code, folder]
            done = subprocess.run(command, input=text, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout.split()[-1])  # it is warm: its start is left out

    one, two = alternate(threads, pool, rounds=1)
    return f"{one:.0f} s against {two:.0f} s, {len(cells)} cells: {one / two:.2f} times"


def overhead() -> str:
    """Seconds of a cell of one step, its start, data and record in them: more cells against fewer, on one worker."""
    few, many = 2, 12

    def run(n: int) -> float:
        budget = ("--budget.sequences", "32", "--budget.val_every", "1")
        cells = [cell("--model", "gru", *ROW, *budget, "--seed", str(seed)) for seed in range(n)]
        with tempfile.TemporaryDirectory() as folder:
            return clock(lambda: pooled(cells, Path(folder), 1, Watching()))

    less, more = alternate(lambda: run(few), lambda: run(many), rounds=3)
    each = (more - less) / (many - few)
    return f"{each:.2f} s a cell, {less - few * each:.1f} s the first start"


def idle() -> str:
    """How long a worker waits for its next cell while cells wait."""
    watch = Watching()
    budget = ("--budget.sequences", "640", "--budget.val_every", "20")
    cells = [cell("--model", "rnn", *ROW, *budget, "--seed", str(seed)) for seed in range(12)]
    with tempfile.TemporaryDirectory() as folder:
        pooled(cells, Path(folder), 2, watch)
    return f"{1e3 * max(watch.gaps):.0f} ms at most, {1e3 * sum(watch.gaps) / len(watch.gaps):.0f} ms on average"


def done_before() -> str:
    """`spanbench table quick` where every record is there, twice: the first draws the plots."""
    with tempfile.TemporaryDirectory() as folder:
        for each in plan_for("quick").cells():
            points = curve(logistic(each.lags if each.regime == "learn" else [2, 4, 8, 16, 32, 64], 30.0))
            made = Record(id=each.id, cell=each, status="ok", facts=facts(), curve=points, host=host())
            write_record(Path(folder) / "quick" / "records", made)
        command = [sys.executable, "-m", "benchmark", "table", "quick", "--output", folder, "--wandb", "disabled"]
        (seconds,) = alternate(
            lambda: clock(lambda: subprocess.run(command, cwd=TOP, stdout=subprocess.DEVNULL, check=True)), rounds=5
        )
    return f"{seconds:.2f} s"


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "two workers / two threads, of the quick table": (pool_against_threads, "≥ 1.4 times"),
    "overhead of a cell": (overhead, "≤ 2 s"),
    "a worker's wait between two cells": (idle, "0 s"),
    "table quick, done before": (done_before, "≤ 3 s"),
}
