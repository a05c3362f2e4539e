"""One cell, from its configuration to its record."""

import errno
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from safetensors.torch import save

from benchmark import host
from benchmark.cells import blocks_of, build_model, build_task, facts
from benchmark.checkpoint import Checkpoints, Stop, Stopped
from benchmark.lit_sequence import Diverged
from benchmark.regimes import REGIMES
from benchmark.run_options import RunOptions, TrainerOptions
from benchmark.tracking import Tracker
from benchmark.training import Progress, Trained, fit
from leaderboard.cell import Cell
from leaderboard.measured import Audit, Blocks, Climbed, Found, Gradient, Influence, Losses, Outcome, Skipped, Trial
from leaderboard.record import Facts, Record, sealed, unsealed, write_atomically, write_record
from tasks.base import Task
from tasks.feeds import Feed
from tasks.language import Language

T = TypeVar("T")
# What is wrong with the machine, not with a cell: a full or broken disk, one that may not be written to, no files left
OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE}


def never() -> bool:
    """Nobody asks a training to stop."""
    return False


def run_cell(cell: Cell, options: RunOptions, progress: Progress, stop: Stop = never) -> Record:
    """Train and measure a cell, and write its record. What fails is recorded with its reason, not raised.

    Raises Stopped where `stop` says so before the end, and OSError where the machine fails, not the cell: a full disk,
    say. Then there is no record, and the cell goes on from its last checkpoint another time.
    """
    torch.use_deterministic_algorithms(torch.cuda.is_available(), warn_only=True)  # on a CPU they are already
    torch.backends.cudnn.allow_tf32 = False  # "32-true" means it: no ten-bit products in recurrences and convolutions
    folder = options.folder / "cells" / cell.id
    begin = time.monotonic()
    host.forget_peak()
    run = _Run(cell, folder, options.trainer, Tracker(cell, folder, options.wandb, options.group), progress, stop)
    status: Literal["ok", "diverged", "failed"] = "ok"
    reason = None
    try:
        write_atomically(folder / "cell.json", cell.model_dump_json(indent=1).encode())
        run.tracker.start()
        run.measure()
    except Stopped:
        run.tracker.leave()
        raise
    except Diverged as error:
        status, reason = "diverged", str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            run.tracker.leave()
            raise
        status, reason = "failed", f"{said(error)}{run.last}"
        if is_first_rank():
            write_atomically(folder / "error.txt", traceback.format_exc().encode())
    record = run.record(status, reason, time.monotonic() - begin)
    run.tracker.finish(record)
    if is_first_rank():
        write_record(options.folder / "records", record)
        for path in folder.glob("training*.ckpt"):
            path.unlink()
    return record


def is_first_rank() -> bool:
    """Whether this process is the one that writes."""
    return getattr(rank_zero_only, "rank", 0) == 0


def said(error: Exception) -> str:
    """An exception in one line; a lack of memory by that name, whoever met it."""
    text = f"{type(error).__name__}: {error}"
    lacking = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text
    return f"out of memory: {text.splitlines()[0]}" if lacking else " ".join(text.split())


def record_failure(cell: Cell, options: RunOptions, reason: str, seconds: float = 0.0) -> Record:
    """The record of a cell whose process died before it could write one."""
    record = Record(id=cell.id, cell=cell, status="failed", reason=reason, host=host.describe(seconds, "unknown"))
    write_record(options.folder / "records", record)
    return record


def clear_up(cell: Cell, options: RunOptions) -> None:
    """Remove what writers of this cell left half-written when they were killed. Nobody else may be at work on it."""
    folder = options.folder / "cells" / cell.id
    for path in [*(options.folder / "records").glob(f".{cell.id}.json.*"), *folder.glob(".*.writing")]:
        path.unlink(missing_ok=True)


def forget(cell: Cell, options: RunOptions) -> None:
    """Remove a cell's record and whatever a new run would go on from."""
    folder = options.folder / "cells" / cell.id
    for path in [
        options.folder / "records" / f"{cell.id}.json",
        *folder.glob("outcome-*.json"),
        *folder.glob("training*.ckpt"),
    ]:
        path.unlink(missing_ok=True)


@dataclass
class _Run:
    """The state of a cell while it runs: what is known of it when something fails."""

    cell: Cell
    folder: Path
    trainer: TrainerOptions
    tracker: Tracker
    progress: Progress
    stop: Stop
    facts: Facts | None = None
    blocks: Blocks | None = None
    found: list[Found] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    device: str = "cpu"
    last: str = ""  # what was said of it last

    def all(self, kind: type[T]) -> list[T]:
        """What was found of a kind."""
        return [one for one in self.found if isinstance(one, kind)]

    def record(self, status: Literal["ok", "diverged", "failed"], reason: str | None, seconds: float) -> Record:
        """What is known of the cell, as its record."""
        return Record(
            id=self.cell.id,
            cell=self.cell,
            status=status,
            reason=reason,
            facts=self.facts,
            curve=sorted(self.all(Outcome), key=lambda outcome: outcome.lag),
            trials=self.trials,
            blocks=self.blocks,
            losses=self.all(Losses),
            influence=next(iter(self.all(Influence)), None),
            gradient=next(iter(self.all(Gradient)), None),
            audit=next(iter(self.all(Audit)), None),
            skipped=self.all(Skipped),
            host=host.describe(seconds, self.device),
        )

    def measure(self) -> None:
        """Train and test as the cell's regime says, outcome by outcome."""
        task = build_task(self.cell)
        self.facts = facts(self.cell, task)
        if isinstance(task, Language):
            self.blocks = blocks_of(task, self.cell)
        for outcome in REGIMES[self.cell.regime](self.cell, task, partial(self.train, task), self.saved):
            self.found.append(outcome)

    def train(self, task: Task, feed: Feed, lag: int | None) -> Trained:
        """A fresh model, trained; its weights are left in the cell's folder.

        Where the cell has several learning rates, each is tried, and the best of the validation is kept.
        """
        best, diverged = None, None
        for lr in self.cell.lrs or [self.cell.budget.lr]:
            try:
                trained = self.train_at(lr, task, feed, lag)
            except Diverged as error:
                trained, diverged = None, error
            if self.cell.lrs:
                strength, sequences = (trained.strength, trained.sequences) if trained else (None, None)
                self.trials.append(Trial(lag=lag, lr=lr, strength=strength, sequences=sequences))
            if trained and (best is None or trained.strength > best.strength):
                best = trained
        if best is None:
            raise diverged or Diverged("no learning rate was tried")
        self.device = best.trainer.strategy.root_device.type
        if best.trainer.is_global_zero:
            name = "weights.safetensors" if lag is None else f"weights-{lag}.safetensors"
            weights = {key: value.contiguous() for key, value in best.lit.state_dict().items()}
            write_atomically(self.folder / name, save(weights))
        return best

    def train_at(self, lr: float, task: Task, feed: Feed, lag: int | None) -> Trained:
        """A fresh model, trained at one learning rate."""
        stages = len(self.cell.lags) if lag is not None else 1
        stage = f"-{lag}" * (lag is not None) + f"-lr{lr:g}" * bool(self.cell.lrs)

        def progress(what: str, share: float) -> None:
            share = min(1.0, (len(self.found) + share) / stages)
            self.last = f" (last: {what}, {share:.0%} done)"
            self.progress(what, share)

        with torch.random.fork_rng():
            torch.manual_seed(self.cell.seed)  # for dropout, where a model has it
            return fit(
                self.cell.model_copy(update={"budget": self.cell.budget.model_copy(update={"lr": lr})}),
                build_model(self.cell),
                task,
                feed,
                stop_when_solved=lag is not None,
                suffix=("" if lag is None else f"@{lag}") + f" lr={lr:g}" * bool(self.cell.lrs),
                loggers=self.tracker.loggers(stage),
                options=self.trainer,
                progress=progress,
                checkpoints=Checkpoints(self.folder / f"training{stage}.ckpt", self.stop),
            )

    def saved(self, lag: int, make: Callable[[], Outcome]) -> Outcome:
        """The outcome at `lag`: read where an interrupted run left it, else made and left there."""
        path = self.folder / f"outcome-{lag}.json"
        data, is_whole = unsealed(path.read_bytes()) if path.exists() else (b"", False)
        if is_whole:
            climbed = Climbed.model_validate_json(data)
            self.trials += climbed.trials
            return climbed.outcome
        climbed = Climbed(outcome=make(), trials=[trial for trial in self.trials if trial.lag == lag])
        if is_first_rank():
            write_atomically(path, sealed(climbed))
        return climbed.outcome
