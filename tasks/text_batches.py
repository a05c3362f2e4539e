"""How text is handed out: windows to train on, blocks to score."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.base import Batch, Split
from tasks.draws import Draws
from tasks.feeds import MAX_TOKENS, SPLITS, Feed
from tasks.tokenizers import Ids

if TYPE_CHECKING:
    from tasks.language import Language

HALVINGS = 3  # training windows come in lengths 1, 1/2, 1/4 and 1/8
EMPTY = -100  # a target that is not scored


class ResetBatches:
    """Batches of equal numbers of bytes or tokens: batch i holds B windows of full length, or 2B of half of it, …

    Each further halving is half as likely; what is left goes to the shortest windows.
    """

    def __init__(self, task: "Language", feed: Feed) -> None:
        self.task, self.feed = task, feed

    def __iter__(self) -> Iterator[Batch]:
        """This rank's slice of every global batch, from the one on that the training has come to.

        A batch is drawn whole, so that all ranks pad to the same length.
        """
        trainer, context = self.task.trainer, self.feed.train_lags[1]
        index = trainer.global_step if trainer else 0
        full = self.task.window(context)
        while True:
            halvings = self.halvings(index)
            rank, world = self.task.rank()
            size = self.feed.batch_size << halvings
            key = (self.feed.seed, SPLITS.index("train"), context, halvings)
            whole = self.task.pieces(Draws(key, index * size, size), max(1, full >> halvings), "train")
            yield whole if world == 1 else part(whole, size * rank // world, size * (rank + 1) // world)
            index += 1

    def halvings(self, index: int) -> int:
        """How often the windows of batch `index` are halved: 0 with probability 1/2, 1 with 1/4, …"""
        share = float(Draws((self.feed.seed, len(SPLITS)), index, 1).uniform(1)[0, 0])
        return next((n for n in range(HALVINGS) if share < 1 - 0.5 ** (n + 1)), HALVINGS)


def part(whole: Batch, low: int, high: int) -> Batch:
    """Rows low … high − 1 of a training batch that several ranks share."""
    rows = [None if each is None else each[low:high] for each in whole[:4]]
    return Batch(*rows, n_whole=torch.tensor(len(whole.inputs)))  # pyright: ignore[reportArgumentType]


class BlockBatches:
    """The target blocks of a split after `context` bytes or tokens, in batches that fit in memory."""

    def __init__(self, task: "Language", feed: Feed, split: Split, context: int, n: int) -> None:
        self.task, self.context = task, context
        self.split: Split = split
        self.blocks = task.blocks(split, n, max(feed.train_lags[1], *feed.val_lags, *feed.test_lags))

    def __iter__(self) -> Iterator[Batch]:
        """This rank's share: every block belongs to exactly one rank, in order."""
        rank, world = self.task.rank()
        low, high = (len(self.blocks) * r // world for r in (rank, rank + 1))
        size = int(np.clip(MAX_TOKENS // self.task.window(self.context), 1, 256))
        for first in range(low, high, size):
            yield self.task.scored(self.blocks.part(first, min(first + size, high)), self.split, self.context)


def windows(ids: NDArray[np.unsignedinteger], first: Ids, last: Ids) -> Batch:
    """Tokens first … last − 1 of each row (n,) as inputs, first + 1 … last as targets, padded on the right."""
    lengths = last - first
    places = np.arange(lengths.max(initial=1))
    inside = places < lengths[:, None]  # (n, L)
    at = np.where(inside, first[:, None] + places, 0)
    inputs = np.where(inside, ids[at].astype(np.int64), 0)
    targets = np.where(inside, ids[at + inside].astype(np.int64), EMPTY)
    positions = np.broadcast_to(places, targets.shape)
    return Batch(
        torch.from_numpy(inputs), torch.tensor(positions), torch.from_numpy(targets), torch.from_numpy(lengths)
    )


def scored(rows: Sequence[tuple[Ids, int]], n_bytes: Sequence[int]) -> Batch:
    """Rows of a context and a block, whose last so many tokens are the block's and to be predicted (0: none of them).

    Every block kept has at least one token before it.
    """
    length = max(1, *(len(row) - 1 for row, _ in rows))
    asked = max(1, *(own for _, own in rows))
    inputs = np.zeros((len(rows), length), np.int64)
    positions = np.zeros((len(rows), asked), np.int64)
    targets = np.full((len(rows), asked), EMPTY, np.int64)
    before = np.zeros(len(rows), np.int64)
    for i, (row, own) in enumerate(rows):
        inputs[i, : len(row) - 1] = row[:-1]
        before[i] = len(row) - own
        if own:
            positions[i, :own] = np.arange(before[i] - 1, len(row) - 1)
            targets[i, :own] = row[-own:]
    kept = [size if own else 0 for size, (_, own) in zip(n_bytes, rows, strict=True)]
    return Batch(
        torch.from_numpy(inputs),
        torch.from_numpy(positions),
        torch.from_numpy(targets),
        torch.from_numpy(before),
        torch.tensor(kept),
    )
