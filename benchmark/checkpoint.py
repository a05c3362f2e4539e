"""Checkpoints inside a training: it goes on from the last of them, to the same weights, bit for bit."""

import csv
import io
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from benchmark import host
from benchmark.cli import complain
from leaderboard.record import write_atomically

EVERY = 30.0  # seconds between two checkpoints
LOOK = 10  # steps after which several ranks ask each other whether one of them is to stop

Stop = Callable[[], bool]  # whether training should end as soon as it can, to go on another time


class Stopped(Exception):  # noqa: N818
    """Training ended because it was asked to; its checkpoint is on disk."""


class AtomicIO(CheckpointIO):
    """A checkpoint is there whole or not at all, and is read as tensors and plain values: nothing in it is run."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write it beside, then in place."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read it."""
        return torch.load(io.BytesIO(Path(path).read_bytes()), map_location=map_location, weights_only=True)

    def remove_checkpoint(self, path: Any) -> None:
        """Nobody else removes one."""
        Path(path).unlink(missing_ok=True)


class Checkpoints(Callback):
    """Saves the training at `path` now and then, and when asked to stop, which it then does.

    `stop` is asked after every step. Raises Stopped.
    """

    def __init__(self, path: Path, stop: Stop) -> None:
        self.path, self.stop = path, stop
        self.saved = time.monotonic()
        self.logged: list[list[dict[str, Any]]] = []
        self.state: dict[str, Any] = {}

    def usable(self) -> Path | None:
        """The checkpoint to go on from; one that is damaged, or of other code, is named and removed."""
        if not self.path.exists():
            return None
        try:
            found = AtomicIO().load_checkpoint(self.path, "cpu")
            origin = found["callbacks"][self.state_key]["origin"]
        except Exception as error:
            fault = f"not a whole checkpoint ({type(error).__name__})"
        else:
            if origin == _origin():
                return self.path
            fault = f"a checkpoint of other code ({origin})"
        complain(f"{self.path}: {fault}: its training starts over")
        self.path.unlink(missing_ok=True)
        return None

    def on_train_start(self, trainer: Trainer, pl_module: lightning.LightningModule) -> None:
        """Random numbers go on where they were, and so does the CSV of what was logged."""
        if self.state:
            for logger, rows in zip(_csv_loggers(trainer), self.state["logged"], strict=True):
                logger.experiment.metrics = [dict(row) for row in rows]
            torch.set_rng_state(self.state["random"])
            if self.state["random_cuda"]:
                torch.cuda.set_rng_state_all(self.state["random_cuda"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where that is due, but before no validation: Lightning would leave that one out when it goes on."""
        every = trainer.val_check_batch
        assert isinstance(every, int)
        before_validation = trainer.global_step % every == 0
        if before_validation and every > 1:
            return
        stop = self._asked(trainer, self.stop())
        if not before_validation and (stop or self._asked(trainer, time.monotonic() - self.saved > EVERY)):
            self.logged = [_rows(logger) for logger in _csv_loggers(trainer)]
            trainer.save_checkpoint(self.path)
            self.saved = time.monotonic()
        if stop:
            raise Stopped

    def _asked(self, trainer: Trainer, here: bool) -> bool:
        """Whether any rank says so."""
        if trainer.world_size == 1:
            return here
        return trainer.global_step % LOOK == 1 and trainer.strategy.reduce_boolean_decision(here, all=False)

    def state_dict(self) -> dict[str, Any]:
        """Where random numbers are, what was logged, and which code it was that did it."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"random": torch.get_rng_state(), "random_cuda": cuda, "logged": self.logged, "origin": _origin()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Kept until training starts."""
        self.state = state_dict


def _csv_loggers(trainer: Trainer) -> list[CSVLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, CSVLogger)]


def _rows(logger: CSVLogger) -> list[dict[str, Any]]:
    """What has been logged so far."""
    logger.save()
    path = Path(logger.log_dir) / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


@cache
def _origin() -> str:
    """Code and library that a checkpoint belongs to: what others made does not go on here."""
    return f"{host.commit()} torch {torch.__version__}"
