"""Two processes that share every batch: the same examples, the same sums."""

import os
import subprocess
import sys
from pathlib import Path

from leaderboard.record import read_records
from tests.benchmark.cells import TOP

WORDS = [
    *("run", "--model", "rnn", "--model.dim", "8", "--task", "mqar", "--regime", "retain", "--lags", "2,8"),
    *("--budget.sequences", "480", "--budget.batch_size", "16", "--budget.val_every", "10", "--budget.n_test", "33"),
]


def run(folder: Path, *more: str) -> dict[int, tuple[int, float]]:
    command = [sys.executable, "-m", "benchmark", *WORDS, "--output", str(folder), *more]
    subprocess.run(command, check=True, cwd=TOP, env={**os.environ, "WANDB_MODE": "disabled"}, timeout=300)
    (record,) = read_records(folder / "run" / "records")
    assert record.status == "ok"
    return {point.lag: (point.n, point.total) for point in record.curve}


def test_two_ranks_give_the_curve_of_one(tmp_path: Path) -> None:
    """Every example counts once, an odd number of them included; rounding may turn an answer in a hundred."""
    one = run(tmp_path / "one")
    two = run(tmp_path / "two", "--trainer.accelerator", "cpu", "--trainer.devices", "2")
    assert one.keys() == two.keys()
    for lag, (n, total) in one.items():
        assert two[lag][0] == n == 33
        assert abs(two[lag][1] - total) <= 1
