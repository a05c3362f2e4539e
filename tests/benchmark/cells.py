"""Small cells for tests, and what is done with them."""

from pathlib import Path
from typing import Any

from benchmark.launch.local import Pool
from benchmark.launch.manner import Manner
from benchmark.launch.queue import queue_of
from benchmark.launch.watch import Watch
from benchmark.run_options import RunOptions
from benchmark.running import run_cell
from leaderboard.cell import Budget, Cell, Part
from leaderboard.record import Record

TOP = Path(__file__).resolve().parent.parent.parent
TINY = Budget(sequences=480, batch_size=16, val_every=10, n_val=16, n_test=32, warmup=5)


def cell(**changes: Any) -> Cell:
    parts: dict[str, Any] = {
        "model": Part(name="rnn", class_path="models.rnn.Rnn", init_args={"dim": 8, "layers": 1}),
        "task": Part(
            name="delayed_recall",
            class_path="tasks.delayed_recall.DelayedRecall",
            init_args={"symbols": 2, "distractors": 2},
        ),
    }
    return Cell(**parts | {"regime": "learn", "lags": [2, 4], "seed": 0, "budget": TINY} | changes)


def run(given: Cell, folder: Path, **options: Any) -> Record:
    return run_cell(given, RunOptions(folder, **options), lambda what, share: None)


def pooled(cells: list[Cell], folder: Path, workers: int, watch: Watch, **how: Any) -> None:
    """Run cells on a local pool."""
    with queue_of(cells, RunOptions(folder), watch.elsewhere) as queue:
        Pool(queue, Manner(workers=workers, **how), watch).run()


def without_host(record: Record) -> dict[str, Any]:
    return record.model_dump(exclude={"host"})
