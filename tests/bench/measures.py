"""The benches: each returns what it saw, as text."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmark.cells import build_model, build_task
from benchmark.extras import extras, scored_contexts
from benchmark.lit_sequence import LitSequence
from benchmark.measures.context import block_losses
from benchmark.measures.recall import feed_for
from benchmark.options import cell_parser, make_cell
from benchmark.run_options import TrainerOptions
from benchmark.training import Trained, fit
from leaderboard.cell import Cell
from tasks.base import Task
from tasks.delayed_recall import DelayedRecall
from tasks.feeds import TrainBatches

ROUNDS = 5


def alternate(*functions: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """Median seconds of each function, called in turn; the first round only warms up."""
    times = [[function() for function in functions] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def clock(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def cell(*words: str) -> Cell:
    return make_cell(words, cell_parser())[0]


def loop_overhead() -> str:
    """A step of our training against the same step written out in plain torch: model, batches, clipping, schedule."""
    torch.set_num_threads(1)
    given = cell("--model", "gru", "--task", "delayed_recall", "--lags", "24", "--budget.val_every", "10")
    task = DelayedRecall()

    def steps(n: int) -> Cell:
        budget = given.budget.model_copy(update={"sequences": n * 32, "val_every": n, "n_val": 1, "n_test": 1})
        return given.model_copy(update={"budget": budget})

    def ours(n: int) -> float:
        feed = feed_for(steps(n), (24, 24), (24,))
        model = build_model(given)
        return clock(
            lambda: fit(
                steps(n), model, task, feed, stop_when_solved=False, suffix="", loggers=[], options=TrainerOptions(),
                progress=lambda what, share: None,
            )
        )  # fmt: skip

    def bare(n: int) -> float:
        feed = feed_for(steps(n), (24, 24), (24,))
        lit = LitSequence(build_model(given), task.spec, given.budget)
        return clock(lambda: plain_loop(lit, task, feed, n))

    few, many = 20, 220  # the difference leaves set-up out
    a, b, c, d = alternate(lambda: ours(many), lambda: bare(many), lambda: ours(few), lambda: bare(few))
    own, plain = (a - c) / (many - few), (b - d) / (many - few)
    return f"{own * 1e3:.2f} ms against {plain * 1e3:.2f} ms: {own / plain:.3f}"


def plain_loop(lit: LitSequence, task: Task, feed: object, n: int) -> None:
    optimizer = torch.optim.AdamW(lit.parameters(), lr=3e-3, weight_decay=0.01, fused=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    for _, batch in zip(range(n), TrainBatches(task, feed), strict=False):  # pyright: ignore
        optimizer.zero_grad()
        lit.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(lit.parameters(), 1.0)
        optimizer.step()
        scheduler.step()


def measures_share() -> str:
    """Context with reliance, influence and gradient of an LSTM on text, T = 1024 bytes, against its training.

    The training is the default one, of which a twentieth is timed.
    """
    torch.set_num_threads(1)
    words = ("--model", "lstm", "--task", "language", "--tokenizer", "byte", "--lags", "1024")
    whole = cell(*words).budget.sequences
    given = cell(*words, "--budget.sequences", str(whole // 20), "--budget.val_every", "20")
    task, feed = build_task(given), feed_for(given, (1024, 1024), (1024,))
    found: list[Trained] = []

    def train() -> None:
        found.append(
            fit(
                given, build_model(given), task, feed, stop_when_solved=False, suffix="", loggers=[],
                options=TrainerOptions(), progress=lambda what, share: None,
            )
        )  # fmt: skip

    def measure() -> None:
        block_losses(found[-1], task, feed, scored_contexts(given, task))
        list(extras(given, task, found[-1]))

    training, measuring = alternate(lambda: clock(train), lambda: clock(measure), rounds=1)
    return f"{measuring:.0f} s against {20 * training:.0f} s: {measuring / (20 * training):.2f}"


def spanbench(*words: str, rounds: int = ROUNDS) -> str:
    """Seconds of a whole command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmark", *words]
        environment = {**os.environ, "WANDB_MODE": "offline"}

        def run() -> float:
            return clock(
                lambda: subprocess.run(command, cwd=TOP, env=environment, stdout=subprocess.DEVNULL, check=True)
            )

        if words[0] == "run":
            command += ["--output", folder]
            return f"{run():.0f} s"
        return f"{alternate(run, rounds=rounds)[0]:.2f} s"


TOP = Path(__file__).resolve().parent.parent.parent
BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "training step, ours / bare torch": (loop_overhead, "≤ 1.10 at 5 ms and more"),
    "all measures of a text cell / its training": (measures_share, "≤ 1.0"),
    "spanbench --help": (lambda: spanbench("--help"), "≤ 1 s"),
    **{
        f"default run, {model}": (
            lambda model=model: spanbench("run", "--model", model, "--task", "planted", "--tokenizer", "byte"),
            "≤ 100 s",
        )
        for model in ("linear", "rnn", "lstm", "gru", "transformer", "tcn")
    },
}
