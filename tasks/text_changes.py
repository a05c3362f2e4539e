"""Contexts of target blocks in which some text is another: for influence, leaks and reliance."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from tasks.base import Batch, Disturbed
from tasks.blocks import Blocks
from tasks.donors import Donors
from tasks.feeds import MAX_TOKENS
from tasks.text_batches import EMPTY
from tasks.tokenizers import Ids

if TYPE_CHECKING:
    from tasks.language import Language


class TextChanges:
    """Test blocks with their contexts, in batches, and what to put in place of parts of them.

    `width` bytes are replaced at a time, or the least whole number of tokens that has as many; of a block, what begins
    in its first `window` bytes is asked for.
    """

    def __init__(self, task: "Language", width: int, window: int) -> None:
        self.task, self.width, self.window = task, width, window
        self.lengths = task.tokenizer.lengths

    @cached_property
    def donors(self) -> Donors:
        """Where what is put in comes from."""
        return Donors(self.task.corpus, self.task.tokens("test"))

    def batches(self, blocks: Blocks, context: int, room: int | None = None) -> Iterator[tuple[int, Batch]]:
        """The blocks after `context` bytes or tokens, and the first one's place.

        So many at a time that there were memory for a context of `room` (default: `context`).
        """
        size = int(np.clip(MAX_TOKENS // self.task.window(room or context), 1, 64))
        for first in range(0, len(blocks), size):
            yield first, self.task.scored(blocks.part(first, min(first + size, len(blocks))), "test", context)

    def watched(self, batch: Batch) -> Batch:
        """The same with nothing asked for but what begins in the first `window` bytes."""
        n_bytes = np.where(batch.targets >= 0, self.lengths[batch.targets.clamp(min=0)], 0)
        within = torch.from_numpy((n_bytes.cumsum(1) - n_bytes < self.window) & (batch.targets.numpy() >= 0))
        most = max(1, int(within.sum(1).max()))
        targets = torch.where(within, batch.targets, EMPTY)[:, :most]
        return batch._replace(positions=batch.positions[:, :most], targets=targets)

    def replaced(self, batch: Batch, lag: int, first: int) -> Disturbed:
        """A part of each context, whose nearest byte or token lies `lag` before the block, or a little more."""
        inputs, lags, lag_tokens = batch.inputs.clone(), [], []
        for row in range(len(inputs)):
            before = int(batch.lag_tokens[row])
            start, stop = self._part(inputs[row, :before].numpy(), lag)
            ids = inputs[row, start:stop].numpy()
            other = self.donors.like(ids, (first + row, lag)) if stop > start and batch.targets[row, 0] >= 0 else None
            after = inputs[row, stop:before].numpy()
            if other is not None:
                inputs[row, start:stop] = torch.from_numpy(other)
            found = other is not None
            n_between = int(self.lengths[after].sum()) if self.task.arm == "bytes" else len(after)
            lags.append((n_between + 1) * found)
            lag_tokens.append((len(after) + 1) * found)
        return Disturbed(batch, inputs, torch.tensor(lags), torch.tensor(lag_tokens))

    def _part(self, context: Ids, lag: int) -> tuple[int, int]:
        """First token and the one after the last of what is replaced; nothing where the context has no room for it."""
        units = self.lengths[context] if self.task.arm == "bytes" else np.ones(len(context), np.int64)
        between = units[::-1].cumsum()  # of the last token, of the last two, …
        stop = len(context) - int(np.searchsorted(between, lag - 1)) - (lag > 1)
        upto = self.lengths[context[: max(0, stop)]][::-1].cumsum()
        if stop <= 0 or upto[-1] < self.width:
            return 0, 0
        return stop - int(np.searchsorted(upto, self.width)) - 1, stop

    def future(self, batch: Batch, first: int) -> Disturbed:
        """The same with something behind all that is asked for, and with something else there."""
        n, length = batch.inputs.shape
        last = batch.positions.masked_fill(batch.targets < 0, -1).amax(1, keepdim=True)  # −1: nothing is asked for
        behind = torch.arange(length + self.width) > last  # (B, L + width)
        own = torch.nn.functional.pad(batch.inputs, (0, self.width))
        one, other = (self.donors.some(behind.numel(), (first, which)).reshape(behind.shape) for which in range(2))
        inputs = [torch.where(behind, torch.from_numpy(run), own) for run in (one, other)]
        none = torch.zeros(n, dtype=torch.int64)
        return Disturbed(batch._replace(inputs=inputs[0]), inputs[1], none, none)

    def foreign(self, blocks: Blocks, first: int, whole: Batch, near: Batch) -> Batch:
        """`near` with as many tokens and bytes of another document before it as `whole` has of its own.

        A block for which there are none is not kept: its targets are empty and it has 0 bytes.
        """
        n = len(whole.inputs)
        inputs = whole.inputs.clone()
        kept = (whole.targets[:, 0] >= 0) & (near.targets[:, 0] >= 0)
        for row in range(n):
            far = int(whole.lag_tokens[row] - near.lag_tokens[row])
            document = int(blocks.documents[first + row])
            ids = inputs[row, :far].numpy()
            other = self.donors.like(ids, (first + row, far), document) if kept[row] and far > 0 else None
            if other is None:
                kept[row] = False
                continue
            size = near.inputs.shape[1]
            inputs[row, :far] = torch.from_numpy(other)
            own = near.inputs[row, : max(0, min(size, inputs.shape[1] - far))]
            inputs[row, far : far + len(own)] = own
        assert whole.n_bytes is not None
        targets = torch.where(kept[:, None], whole.targets, EMPTY)
        return whole._replace(inputs=inputs, targets=targets, n_bytes=whole.n_bytes * kept)
