"""What a task's loaders hand out: whole batches to train on, whole splits to be scored on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tasks.draws import Draws

if TYPE_CHECKING:
    from tasks.base import Batch, Split, Task

SPLITS = ("train", "val", "test")
MAX_TOKENS = 2**14  # inputs in one evaluation batch: long lags come in smaller batches


@dataclass(frozen=True)
class Feed:
    """What a task's loaders hand out. Sizes are global: each rank takes its slice."""

    seed: int
    batch_size: int
    train_lags: tuple[int, int]  # inclusive range; equal ends: a fixed lag
    val_lags: Sequence[int]
    test_lags: Sequence[int]
    n_val: int
    n_test: int


class TrainBatches:
    """Batch i holds the examples i·B … (i+1)·B − 1, all at the lag drawn for batch i."""

    def __init__(self, task: "Task", feed: Feed) -> None:
        self.task, self.feed = task, feed

    def __iter__(self) -> Iterator["Batch"]:
        """This rank's slice of every global batch, from the one on that the training has come to."""
        trainer, size = self.task.trainer, self.feed.batch_size
        index = trainer.global_step if trainer else 0
        while True:
            rank, world = self.task.rank()
            low, high = (size * r // world for r in (rank, rank + 1))
            batch = self.task.examples(self.feed.seed, "train", self.lag(index), index * size + low, high - low)
            yield batch if world == 1 else batch._replace(n_whole=torch.tensor(size))
            index += 1

    def lag(self, index: int) -> int:
        """The lag of batch `index`: log-uniform over the integers of the training range."""
        low, high = self.feed.train_lags
        if low == high:
            return low
        share = float(Draws((self.feed.seed, len(SPLITS)), index, 1).uniform(1)[0, 0])
        return int(low * ((high + 1) / low) ** share)


def lag_shares(low: int, high: int) -> dict[int, float]:
    """How often each lag of a training range is drawn."""
    whole = math.log((high + 1) / low)
    return {lag: math.log((lag + 1) / lag) / whole for lag in range(low, high + 1)}


class EvalBatches:
    """The first n examples of a split at one lag, in batches that fit in memory; no example is seen twice."""

    def __init__(self, task: "Task", feed: Feed, split: "Split", lag: int, n: int) -> None:
        self.task, self.feed, self.lag, self.n = task, feed, lag, n
        self.split: Split = split

    def __iter__(self) -> Iterator["Batch"]:
        """This rank's share: every example belongs to exactly one rank."""
        rank, world = self.task.rank()
        low, high = (self.n * r // world for r in (rank, rank + 1))
        size = int(np.clip(MAX_TOKENS // self.lag, 1, 256))
        for first in range(low, high, size):
            yield self.task.examples(self.feed.seed, self.split, self.lag, first, min(size, high - first))
