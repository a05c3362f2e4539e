"""The contract every task keeps, and the loaders that serve it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor

from tasks.draws import Draws
from tasks.feeds import MAX_TOKENS, SPLITS, EvalBatches, Feed, TrainBatches

Split = Literal["train", "val", "test"]
BEFORE = 1  # names the stream of what is put before examples


class Batch(NamedTuple):
    """Examples padded on the right, with the positions that are scored, Q an example.

    The last of their answers are the probes, whose source lies exactly `lag` back; the others are trained on alone.
    """

    inputs: Tensor  # (B, L) int64 symbols, or (B, L, C) float32 channels
    positions: Tensor  # (B, Q) int64, where the model answers
    targets: Tensor  # (B, Q · slots) int64 classes, −100 where there is no question; or float32
    lag_tokens: Tensor  # (B,) int64, the probes' lag in input positions
    n_bytes: Tensor | None = None  # (B,) int64, where text is scored: the bytes that the targets spell
    n_whole: Tensor | None = None  # () int64, where several ranks share a training batch: its rows, theirs included


class Disturbed(NamedTuple):
    """Examples, and inputs in which something that lies so far before the answer is another."""

    batch: Batch
    inputs: Tensor  # as the batch's, but for what was replaced by as many inputs (and, of text, bytes)
    lags: Tensor  # (B,) int64, of the nearest input that was replaced, in the task's unit; 0: nothing could be
    lag_tokens: Tensor  # (B,) int64, the same in input positions


@dataclass(frozen=True)
class Asked:
    """What is to be changed in test examples: something at each of `lags`, in `n` targets.

    Text has contexts of `horizon`; in it `width` bytes are replaced, and what begins in the first `window` bytes of a
    target is watched.
    """

    seed: int
    lags: Sequence[int]
    n: int
    horizon: int
    width: int
    window: int


@dataclass(frozen=True)
class TaskSpec:
    """What is known of a task before any data is made.

    `chance` is the best score without the source or its binding: an accuracy, or a mean squared error. `baseline` is
    the literature's own, knowing nothing at all. `n_inputs` counts symbols or channels. Of an example's answers the
    last `probes` (None: all) are scored by lag; each scored position gives `slots` answers. A task without a single
    source has `lag_unit` "none": what stands for the lag is then the length, and it has scores but no span.
    `teacher_forced` says that the inputs hold targets of earlier positions, as in language modelling: a model that is
    not causal would read them.
    """

    inputs: Literal["symbols", "channels"]
    n_inputs: int
    n_outputs: int
    metric: Literal["accuracy", "mse", "bits_per_byte"]
    chance: float
    baseline: float
    lag_unit: Literal["steps", "bytes", "tokens", "none"]
    min_lag: int
    teacher_forced: bool = False
    probes: int | None = 1
    slots: int = 1

    def strength(self, score: float) -> float:
        """s = (score − chance) / (1 − chance), 1 for a perfect memory and 0 for none; for an error 1 − error/chance."""
        if self.metric == "accuracy":
            return (score - self.chance) / (1 - self.chance)
        return 1 - score / self.chance


def at_least(minimum: int, **values: int) -> None:
    """Raise ValueError naming the first of `values` below `minimum`."""
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value}")


def one_of(choices: tuple[str, ...], **values: str) -> None:
    """Raise ValueError naming the first of `values` that is not among `choices`."""
    for name, value in values.items():
        if value not in choices:
            raise ValueError(f'{name} must be one of {", ".join(choices)}, got "{value}"')


class Task(LightningDataModule, ABC):
    """Examples whose answer depends on one source, exactly `lag` back. `spec` follows from the init arguments alone."""

    spec: TaskSpec
    regimes: ClassVar[tuple[str, ...]] = ("learn", "retain")  # the questions that can be asked of it

    def __init__(self) -> None:
        super().__init__()
        self.feed: Feed | None = None

    @abstractmethod
    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """`draws.n` examples at exactly `lag`, made in one go."""

    @abstractmethod
    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The oracle: the exact answers, shaped as the targets, from the inputs alone.

        Where the inputs hold no answer (they were tampered with) it answers something all the same.
        """

    @abstractmethod
    def written(self, row: Tensor) -> list[str]:
        """The inputs of one example, (L,) or (L, C), a short text each, to be shown to a reader."""

    def answered(self, targets: Tensor) -> list[str]:
        """Targets (n,), a short text each."""
        return [f"{value:.2f}" if self.spec.metric == "mse" else str(value) for value in targets.tolist()]

    def examples(self, seed: int, split: Split, lag: int, first: int, n: int) -> Batch:
        """Examples `first` … `first + n − 1` at `lag`: the same for every batch size and number of ranks."""
        if lag < self.spec.min_lag:
            raise ValueError(f"{type(self).__name__} needs a lag of at least {self.spec.min_lag}, got {lag}")
        return self.draw(Draws((seed, SPLITS.index(split), lag), first, n), lag, split)

    def filler(self, draws: Draws, length: int) -> Tensor | None:
        """Inputs (n, length) or (n, length, C) that hold no answer, to be put before examples; None: there are none."""
        return None

    def shifted(self, seed: int, split: Split, lag: int, first: int, n: int, by: int) -> Batch | None:
        """The same examples at `lag` with `by` steps, or bytes of text, of filler before them; None: there is none."""
        batch = self.examples(seed, split, lag, first, n)
        filler = self.filler(Draws((seed, SPLITS.index(split), lag, BEFORE), first, n), by)
        if filler is None:
            return None
        return batch._replace(inputs=torch.cat([filler, batch.inputs], 1), positions=batch.positions + by)

    def source_at(self, batch: Batch) -> Tensor:
        """Where in the inputs the source of each example's last answer stands, (B,)."""
        return batch.positions[:, -1] - batch.lag_tokens

    def disturbed(self, seed: int, split: Split, lag: int, first: int, n: int) -> Disturbed:
        """Examples at `lag`, and their inputs with the source of another of them in place of their own.

        Sources that are the same, or of text do not have as many bytes, cannot stand for each other.
        """
        batch = self.examples(seed, split, lag, first, n)
        rows, at = torch.arange(n), self.source_at(batch)
        sources = batch.inputs[rows, at]  # (n,) or (n, C)
        fits = self.alike(sources) & (sources[:, None] != sources[None]).reshape(n, n, -1).any(-1)
        others = (rows[:, None] + rows[None] + 1) % n  # from the next one on, around
        donor = others[rows, fits[rows[:, None], others].int().argmax(1)]
        found = fits.any(1)
        inputs = batch.inputs.clone()
        inputs[rows, at] = torch.where(found.view(-1, *[1] * (sources.ndim - 1)), sources[donor], sources)
        return Disturbed(batch, inputs, found * lag, found * batch.lag_tokens)

    def disturbances(self, asked: Asked) -> Iterator[tuple[int, int, Disturbed]]:
        """(first target, lag, examples and what was changed), some targets at a time; lag 0 stands for the future."""
        for lag in [*asked.lags, 0]:
            size = int(np.clip(MAX_TOKENS // (lag or asked.horizon), 8, 64))
            for first in range(0, asked.n, size):
                which = asked.seed, "test", lag or asked.horizon, first, min(size, asked.n - first)
                yield first, lag, self.disturbed(*which) if lag else self.future(self.examples(*which))

    def documents(self, asked: Asked) -> list[int]:
        """The document that each target lies in; an example of a synthetic task is one by itself."""
        return list(range(asked.n))

    def alike(self, sources: Tensor) -> Tensor:
        """Which sources (n,) or (n, C) may stand for each other, (n, n)."""
        return torch.ones(len(sources), len(sources), dtype=torch.bool)

    def future(self, batch: Batch) -> Disturbed:
        """Examples with inputs behind them, and the same with others there: no causal model tells the difference."""
        n, length = batch.inputs.shape[:2]
        longer = torch.cat([batch.inputs, batch.inputs.roll(1, 0)], 1)
        behind = torch.arange(2 * length) > batch.positions[:, -1:]  # (n, 2 L)
        inputs = torch.where(behind.view(n, 2 * length, *[1] * (longer.ndim - 2)), longer.roll(1, 0), longer)
        none = torch.zeros(n, dtype=torch.int64)
        return Disturbed(batch._replace(inputs=longer), inputs, none, none)

    def serve(self, feed: Feed) -> None:
        """Say what the loaders below hand out."""
        self.feed = feed

    def train_dataloader(self) -> Iterable[Batch]:
        """Whole batches, without end: one lag a batch, log-uniform in the feed's training range."""
        return TrainBatches(self, self._fed())

    def val_dataloader(self) -> Sequence[Iterable[Batch]]:
        """A loader for each of the feed's validation lags."""
        feed = self._fed()
        return [EvalBatches(self, feed, "val", lag, feed.n_val) for lag in feed.val_lags]

    def test_dataloader(self) -> Sequence[Iterable[Batch]]:
        """A loader for each of the feed's test lags."""
        feed = self._fed()
        return [EvalBatches(self, feed, "test", lag, feed.n_test) for lag in feed.test_lags]

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning's own transfer searches any nesting, at every step; a batch is a few tensors."""
        moved = [None if tensor is None else tensor.to(device, non_blocking=True) for tensor in batch]
        return Batch(*moved)  # pyright: ignore[reportArgumentType]

    def longest_lag(self, split: Split) -> int | None:
        """The longest lag that a split has text for; None where there is no such bound."""
        return None

    def n_bytes(self, lag: int) -> int | None:
        """Bytes of text in a training example at `lag`; None where the task is not made of text."""
        return None

    @property
    def bytes_per_token(self) -> float | None:
        """κ: bytes per token on the test split; None where the task is not made of text."""
        return None

    @property
    def tokenizer_digest(self) -> str | None:
        """The sha256 of what defines the ids."""
        return None

    @property
    def splits(self) -> dict[str, tuple[str, int, int]] | None:
        """Of each split of the text: its sha256, its documents, its bytes."""
        return None

    def rank(self) -> tuple[int, int]:
        """This process's rank, and how many share the batch."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _fed(self) -> Feed:
        if self.feed is None:
            raise RuntimeError("call serve(feed) before asking a task for its loaders")
        return self.feed
