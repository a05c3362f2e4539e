"""One cell, from its configuration to its record."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from safetensors.torch import save_file

from benchmark import host
from benchmark.cells import blocks_of, build_model, build_task, facts
from benchmark.lit_sequence import Diverged
from benchmark.regimes import REGIMES
from benchmark.tracking import Mode, Tracker
from benchmark.training import Progress, Trained, TrainerOptions, fit
from leaderboard.cell import Cell
from leaderboard.measured import Audit, Blocks, Found, Gradient, Influence, Losses, Outcome, Skipped
from leaderboard.record import Facts, Record, write_atomically, write_record
from tasks.base import Task
from tasks.feeds import Feed
from tasks.language import Language

T = TypeVar("T")


@dataclass(frozen=True)
class RunOptions:
    """How cells run, without being part of them. `folder` is the table's: records/ and cells/ lie in it."""

    folder: Path
    wandb: Mode = "disabled"
    group: str = "run"
    trainer: TrainerOptions = field(default_factory=TrainerOptions)


def run_cell(cell: Cell, options: RunOptions, progress: Progress) -> Record:
    """Train and measure a cell, and write its record. What fails is recorded with its reason, not raised."""
    torch.use_deterministic_algorithms(torch.cuda.is_available(), warn_only=True)  # on a CPU they are already
    torch.backends.cudnn.allow_tf32 = False  # "32-true" means it: no ten-bit products in recurrences and convolutions
    folder = options.folder / "cells" / cell.id
    begin = time.monotonic()
    host.forget_peak()
    run = _Run(cell, folder, options.trainer, Tracker(cell, folder, options.wandb, options.group), progress)
    status, reason = "ok", None
    try:
        write_atomically(folder / "cell.json", cell.model_dump_json(indent=1).encode())
        run.tracker.start()
        run.measure()
    except Diverged as error:
        status, reason = "diverged", str(error)
    except Exception as error:
        status, reason = "failed", f"{type(error).__name__}: {error}"
        write_atomically(folder / "error.txt", traceback.format_exc().encode())
    record = Record(
        id=cell.id,
        cell=cell,
        status=status,
        reason=reason,
        facts=run.facts,
        curve=sorted(run.all(Outcome), key=lambda outcome: outcome.lag),
        blocks=run.blocks,
        losses=run.all(Losses),
        influence=next(iter(run.all(Influence)), None),
        gradient=next(iter(run.all(Gradient)), None),
        audit=next(iter(run.all(Audit)), None),
        skipped=run.all(Skipped),
        host=host.describe(time.monotonic() - begin, run.device),
    )
    run.tracker.finish(record)
    if getattr(rank_zero_only, "rank", 0) == 0:
        write_record(options.folder / "records", record)
    return record


def record_failure(cell: Cell, options: RunOptions, reason: str) -> Record:
    """The record of a cell whose process died before it could write one."""
    record = Record(id=cell.id, cell=cell, status="failed", reason=reason, host=host.describe(0.0, "unknown"))
    write_record(options.folder / "records", record)
    return record


@dataclass
class _Run:
    """The state of a cell while it runs: what is known of it when something fails."""

    cell: Cell
    folder: Path
    trainer: TrainerOptions
    tracker: Tracker
    progress: Progress
    facts: Facts | None = None
    blocks: Blocks | None = None
    found: list[Found] = field(default_factory=list)
    device: str = "cpu"

    def all(self, kind: type[T]) -> list[T]:
        """What was found of a kind."""
        return [one for one in self.found if isinstance(one, kind)]

    def measure(self) -> None:
        """Train and test as the cell's regime says, outcome by outcome."""
        task = build_task(self.cell)
        self.facts = facts(self.cell, task)
        if isinstance(task, Language):
            self.blocks = blocks_of(task, self.cell)
        for outcome in REGIMES[self.cell.regime](self.cell, task, partial(self.train, task), self.saved):
            self.found.append(outcome)

    def train(self, task: Task, feed: Feed, lag: int | None) -> Trained:
        """A fresh model, trained; its weights are left in the cell's folder."""
        stages = len(self.cell.lags) if lag is not None else 1

        def progress(what: str, share: float) -> None:
            self.progress(what, min(1.0, (len(self.found) + share) / stages))

        with torch.random.fork_rng():
            torch.manual_seed(self.cell.seed)  # for dropout, where a model has it
            trained = fit(
                self.cell,
                build_model(self.cell),
                task,
                feed,
                stop_when_solved=lag is not None,
                suffix="" if lag is None else f"@{lag}",
                loggers=self.tracker.loggers(lag),
                options=self.trainer,
                progress=progress,
            )
        self.device = trained.trainer.strategy.root_device.type
        if trained.trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = "weights.safetensors" if lag is None else f"weights-{lag}.safetensors"
            save_file({key: value.contiguous() for key, value in trained.lit.state_dict().items()}, self.folder / name)
        return trained

    def saved(self, lag: int, make: Callable[[], Outcome]) -> Outcome:
        """The outcome at `lag`: read where an interrupted run left it, else made and left there."""
        path = self.folder / f"outcome-{lag}.json"
        if path.exists():
            return Outcome.model_validate_json(path.read_bytes())
        outcome = make()
        if getattr(rank_zero_only, "rank", 0) == 0:
            write_atomically(path, outcome.model_dump_json().encode())
        return outcome
