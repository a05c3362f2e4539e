"""One training: the same Lightning Trainer for every model and task."""

import copy
import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any, TypeVar

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor

from benchmark.checkpoint import AtomicIO, Checkpoints
from benchmark.lit_sequence import LOG_EVERY, LitSequence
from benchmark.run_options import TrainerOptions
from benchmark.sharding import Sharded, strategy_for
from leaderboard.cell import Cell
from leaderboard.protocol import SOLVED
from models.base import SequenceModel
from tasks.base import Task
from tasks.feeds import Feed

T = TypeVar("T")
Progress = Callable[[str, float], None]  # what is being done, and the share of it that is done


def _strengths(module: lightning.LightningModule) -> list[float]:
    assert isinstance(module, LitSequence)
    return module.strengths


class KeepBest(Callback):
    """Keep the weights of the best validation in memory."""

    def __init__(self) -> None:
        self.best, self.weights = float("-inf"), {}

    def on_validation_end(self, trainer: Trainer, pl_module: lightning.LightningModule) -> None:
        """A later validation wins a tie: it has seen more."""
        strength = mean(_strengths(pl_module))
        if strength >= self.best:
            self.best = strength
            whole = trainer.strategy.lightning_module_state_dict()
            self.weights = {name: tensor.detach().clone() for name, tensor in whole.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.best, self.weights = state_dict["best"], state_dict["weights"]


class StopWhenSolved(Callback):
    """Stop once every validation lag has s ≥ .99 twice in a row."""

    def __init__(self) -> None:
        self.streak = 0

    @property
    def solved(self) -> bool:
        """Whether it stopped the training."""
        return self.streak >= 2

    def on_validation_end(self, trainer: Trainer, pl_module: lightning.LightningModule) -> None:
        """Count."""
        self.streak = self.streak + 1 if min(_strengths(pl_module)) >= SOLVED else 0
        trainer.should_stop = trainer.should_stop or self.solved

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"streak": self.streak}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.streak = state_dict["streak"]


class Report(Callback):
    """Tell the caller how far training is, at every validation."""

    def __init__(self, progress: Progress, what: str) -> None:
        self.progress, self.what = progress, what

    def on_validation_end(self, trainer: Trainer, pl_module: lightning.LightningModule) -> None:
        """Share of the steps done, and the mean s so far, or the bits per byte."""
        assert isinstance(pl_module, LitSequence)
        s, spec = mean(pl_module.strengths), pl_module.spec
        said = f"{(1 - s) * spec.chance:.2f} bits/byte" if spec.metric == "bits_per_byte" else f"{self.what} s={s:.2f}"
        self.progress(said, trainer.global_step / trainer.max_steps)


@dataclass(frozen=True)
class Trained:
    """A trained module with its trainer, and what it took."""

    lit: LitSequence
    trainer: Trainer
    sequences: int
    solved: bool
    strength: float  # of the best validation: the mean of s over its lags
    initial: dict[str, Tensor]  # the weights before training

    def test(self, task: Task, feed: Feed) -> list[dict[str, Any]]:
        """The sums over batches and ranks of each of the feed's test lags, as its metric has them."""
        task.serve(feed)
        self.lit.serve(feed)
        quietly(self.trainer.test, self.lit, datamodule=task, verbose=False)
        return [sums.reduced() for sums in self.lit.test_sums]  # pyright: ignore[reportCallIssue]


def fit(
    cell: Cell,
    model: SequenceModel,
    task: Task,
    feed: Feed,
    *,
    stop_when_solved: bool,
    suffix: str,
    loggers: list[Logger],
    options: TrainerOptions,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train `model` on what `feed` hands out, within the cell's budget, and keep the best validated weights.

    It goes on from the last of `checkpoints`, where there is one. Raises Stopped where they say so.
    """
    budget = cell.budget
    if options.compile:
        model.compile()
    lit = LitSequence(model, task.spec, budget, suffix)
    task.serve(feed)
    lit.serve(feed)
    stop, best = StopWhenSolved(), KeepBest()
    initial = {name: tensor.detach().clone() for name, tensor in lit.state_dict().items()}
    strategy = strategy_for(options.strategy, options.several, model)
    whole = copy.deepcopy(lit) if isinstance(strategy, Sharded) else lit  # what was cut into parts stays so
    steps = -(-budget.sequences // budget.batch_size)
    trainer = quietly(
        Trainer,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        strategy=strategy,
        precision=cell.precision,
        max_steps=steps,
        gradient_clip_val=budget.clip,
        val_check_interval=min(budget.val_every, steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=LOG_EVERY,
        logger=loggers,
        callbacks=[
            best,
            Report(progress, f"lag {suffix[1:]}" if suffix else "mixed lags"),
            *([stop] if stop_when_solved else []),
            *([checkpoints] if checkpoints else []),
        ],
        plugins=[AtomicIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    _refuse_another_precision(trainer, cell)
    start = checkpoints.usable() if checkpoints else None
    quietly(trainer.fit, lit, datamodule=task, ckpt_path=start, weights_only=True)
    whole.load_state_dict(best.weights)
    return Trained(whole, trainer, trainer.global_step * budget.batch_size, stop.solved, best.best, initial)


def check(options: TrainerOptions, cell: Cell) -> None:
    """Raise ValueError, mostly in Lightning's words, where this machine cannot train the cell as `options` say."""
    hardware: Any = {**asdict(options), "precision": cell.precision}
    hardware["strategy"] = strategy_for(options.strategy, options.several)
    del hardware["compile"]  # ours, not the Trainer's
    silent: Any = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    try:
        trainer = quietly(Trainer, **hardware, **silent)
    except (MisconfigurationException, ModuleNotFoundError, TypeError, ValueError) as error:
        raise ValueError(str(error)) from None
    _refuse_another_precision(trainer, cell)
    world, size = trainer.world_size, cell.budget.batch_size
    if world > size:
        raise ValueError(f"{world} devices cannot share batches of {size}: take fewer, or change --budget.batch_size")


def _refuse_another_precision(trainer: Trainer, cell: Cell) -> None:
    """Raise ValueError where Lightning would train in another precision than it is asked for, as it does on a CPU."""
    if trainer.precision != cell.precision:
        device = trainer.strategy.root_device.type
        raise ValueError(f"precision {cell.precision} is not to be had on a {device}; {trainer.precision} is")


def quietly(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call into Lightning without its notices on worker counts, unknown lengths and unused devices."""
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        return function(*args, **kwargs)
