"""Two processes that share every batch: the same examples, the same sums."""

import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

from leaderboard.record import Record, read_records
from tests.benchmark.cells import TOP

MODEL = ("run", "--model", "rnn", "--model.dim", "8")
BUDGET = ("--budget.sequences", "480", "--budget.batch_size", "16", "--budget.val_every", "10", "--budget.n_test", "33")
LINE = "the sea was old and cold; nobody knew why it (mostly) sang to them"


def run(folder: Path, *words: str) -> Record:
    command = [sys.executable, "-m", "benchmark", *MODEL, *BUDGET, *words, "--output", str(folder)]
    subprocess.run(command, check=True, cwd=TOP, env={**os.environ, "WANDB_MODE": "disabled"}, timeout=300)
    (record,) = read_records(folder / "run" / "records")
    assert record.status == "ok"
    return record


def by_one_and_by_two(folder: Path, *words: str) -> tuple[Record, Record]:
    two = "--trainer.accelerator", "cpu", "--trainer.devices", "2"
    return run(folder / "one", *words), run(folder / "two", *words, *two)


def test_two_ranks_give_the_curve_of_one(tmp_path: Path) -> None:
    """Every example counts once, an odd number of them included; rounding may turn an answer in a hundred."""
    one, two = by_one_and_by_two(tmp_path, "--task", "mqar", "--regime", "retain", "--lags", "2,8")
    assert [point.lag for point in one.curve] == [point.lag for point in two.curve]
    for a, b in zip(one.curve, two.curve, strict=True):
        assert a.n == b.n == 33
        assert abs(a.total - b.total) <= 1


def test_two_ranks_score_the_blocks_of_one_in_their_order(tmp_path: Path) -> None:
    words, rng = (
        ["the", "sea", "was", "old", "and", "cold;", "nobody", "knew", "why", "it", "(mostly)", "sang", "to", "them"],
        random.Random(0),
    )
    (tmp_path / "text.txt").write_text("\n".join(" ".join(rng.choices(words, k=12)) for _ in range(2000)))
    text = "--task", "language", "--task.block", "32", "--corpus", f"files:{tmp_path / 'text.txt'}", "--lags", "16,64"
    one, two = by_one_and_by_two(tmp_path, *text, "--tokenizer", "bpe-300")
    assert one.blocks == two.blocks
    assert [losses.context for losses in one.losses if not losses.foreign] == [
        4,
        6,
        8,
        12,
        16,
        24,
        32,
        48,
        64,
        128,
        256,
    ]
    for a, b in zip(one.losses, two.losses, strict=True):
        assert len(a.nats) == 33
        assert None not in a.nats
        assert (a.n_tokens, a.context_tokens) == (b.n_tokens, b.context_tokens)
        assert b.nats == pytest.approx(a.nats, rel=0.02)
    assert one.influence is not None
    assert two.influence is not None
    for a, b in zip(one.influence.curve, two.influence.curve, strict=True):
        assert b.lag_sum == a.lag_sum
        assert fmean(x for x in b.amplitudes if x is not None) == pytest.approx(
            fmean(x for x in a.amplitudes if x is not None), rel=0.05, abs=1e-5
        )
