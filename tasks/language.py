"""Next-token modelling of real text."""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Asked, Batch, Disturbed, Split, TaskSpec, at_least, one_of
from tasks.blocks import Blocks, target_blocks
from tasks.corpora import Corpus
from tasks.draws import Draws
from tasks.feeds import SPLITS
from tasks.text_batches import BlockBatches, ResetBatches, scored, windows
from tasks.text_changes import TextChanges
from tasks.text_task import TextTask
from tasks.tokenizers import Ids, Tokenizer

Arm = Literal["bytes", "tokens"]
UNIFORM = 8.0  # bits per byte of a model that knows nothing
WIDEST = 6  # bytes a token, where room is made for a context of so many tokens


class Language(TextTask):
    """Predict each token of real text from those before it; scored in bits per byte of the text.

    The lag is the context. It is fixed in bytes (`arm="bytes"`) or in tokens (`arm="tokens"`): every tokenizer then
    sees as much text, or takes as many steps. Training windows lie anywhere in the train split; half of the batches
    hold windows of the context and a block, T + `block`, the others twice as many of half the length, and so on down
    to an eighth: as many bytes in every batch, and short contexts are nothing new to a model. Scored are blocks of
    `block` bytes or a little more, between words, the same for every model, tokenizer, context and seed: each token of
    a block given exactly the context before the block, and the block so far. The shorter the block, the less of what it
    is given is the block itself. context=12, block=4

        context  to be or not
        block                 to be

    Raises ValueError where the corpus has no room for the context.
    """

    regimes = ("language",)
    encoded = SPLITS

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, arm: Arm = "bytes", block: int = 32) -> None:
        one_of(get_args(Arm), arm=arm)
        at_least(1, block=block)
        super().__init__(corpus, tokenizer)
        self.arm, self.block = arm, block
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=tokenizer.vocab_size,
            n_outputs=tokenizer.vocab_size,
            metric="bits_per_byte",
            chance=UNIFORM,
            baseline=UNIFORM,
            lag_unit=arm,
            min_lag=4 if arm == "bytes" else 1,  # a character is at most four bytes
            teacher_forced=True,
            probes=None,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Full training windows of a split, at context `lag`."""
        return self.pieces(draws, self.window(lag), split)

    def pieces(self, draws: Draws, length: int, split: Split) -> Batch:
        """`length` bytes or tokens from anywhere in a split, at each token the next one asked for.

        In bytes: the tokens that begin in them, so many bytes in the mean.
        """
        tokens = self.tokens(split)
        n_bytes = length if self.arm == "bytes" else length * WIDEST
        if n_bytes >= tokens.n_bytes:
            raise ValueError(
                f"the {split} split has {tokens.n_bytes} bytes, too few for windows of {length} {self.arm}"
            )
        at = draws.anywhere(tokens.n_bytes - n_bytes)
        first = tokens.first_at(at)
        last = tokens.first_at(at + length) if self.arm == "bytes" else first + length
        last = np.minimum(np.maximum(last, first + 1), len(tokens.ids) - 1)  # the token after the window is asked for
        return windows(tokens.ids, first, last)

    def train_dataloader(self) -> "ResetBatches":
        """Whole batches, without end, of equal numbers of bytes."""
        return ResetBatches(self, self._fed())

    def val_dataloader(self) -> list["BlockBatches"]:
        """A loader for each of the feed's validation contexts."""
        feed = self._fed()
        return [BlockBatches(self, feed, "val", lag, feed.n_val) for lag in feed.val_lags]

    def test_dataloader(self) -> list["BlockBatches"]:
        """A loader for each of the feed's test contexts."""
        feed = self._fed()
        return [BlockBatches(self, feed, "test", lag, feed.n_test) for lag in feed.test_lags]

    def blocks(self, split: Split, n: int, context: int) -> Blocks:
        """At most n target blocks that have `context` bytes or tokens of their document before them."""
        ends = self.corpus.ends(split)
        return target_blocks(self.corpus.split(split), ends, n, self.block, self._room(context))

    def disturbances(self, asked: Asked) -> Iterator[tuple[int, int, Disturbed]]:
        """Blocks with something else at each lag of their context; one batch serves all lags."""
        changes = TextChanges(self, asked.width, asked.window)
        for first, whole in changes.batches(self.targets(asked), asked.horizon):
            batch = changes.watched(whole)
            for lag in asked.lags:
                yield first, lag, changes.replaced(batch, lag, first)
            yield first, 0, changes.future(batch, first)

    def targets(self, asked: Asked) -> Blocks:
        """The blocks that are watched: of as many documents as have room for the context."""
        return self.blocks("test", asked.n, asked.horizon)

    def documents(self, asked: Asked) -> list[int]:
        """The document of each block."""
        return self.targets(asked).documents.tolist()

    def n_documents(self, split: Split, context: int) -> int:
        """How many documents have room for `context` bytes or tokens and a block."""
        return int((np.diff(self.corpus.ends(split), prepend=0) > self._room(context) + 3 * self.block).sum())

    def _room(self, context: int) -> int:
        """Bytes that a context needs at most."""
        return context * (1 if self.arm == "bytes" else WIDEST)

    def scored(self, blocks: Blocks, split: Split, context: int) -> Batch:
        """The blocks' tokens, each to be predicted given `context` bytes or tokens before its block, and the block.

        A row without targets is a block that this tokenizer does not keep: one of its edges is not a token's, or its
        tokens are others than it has by itself.
        """
        find = self._after_bytes if self.arm == "bytes" else self._after_tokens
        rows = find(blocks, split, context)
        n_bytes = [int(end - start) for start, end in zip(blocks.starts, blocks.ends, strict=True)]
        return scored(rows, n_bytes)

    def _after_bytes(self, blocks: Blocks, split: Split, context: int) -> list[tuple[Ids, int]]:
        """Ids of each block's context and block, encoded together, and how many are the block's (0: not kept)."""
        text = self.corpus.split(split)
        begins = [_character(text, int(start) - context) for start in blocks.starts]
        ends = blocks.ends.tolist()
        whole = self.tokenizer.encode([text[low:high].tobytes() for low, high in zip(begins, ends, strict=True)])
        alone = self.tokenizer.encode(
            [text[low:high].tobytes() for low, high in zip(blocks.starts.tolist(), ends, strict=True)]
        )
        return [
            (row, len(own) if len(row) > len(own) and np.array_equal(row[-len(own) :], own) else 0)
            for row, own in zip(whole, alone, strict=True)
        ]

    def _after_tokens(self, blocks: Blocks, split: Split, context: int) -> list[tuple[Ids, int]]:
        tokens = self.tokens(split)
        first, last = tokens.first_at(blocks.starts), tokens.first_at(blocks.ends)
        at_edges = (tokens.offsets(first) == blocks.starts) & (tokens.offsets(last) == blocks.ends)
        kept = at_edges & (first >= context)
        return [
            (tokens.ids[max(0, low - context) : high].astype(np.int64), int(high - low) * int(keep))
            for low, high, keep in zip(first, last, kept, strict=True)
        ]

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Reads ahead, as no causal model can: the answer is the input that follows (0 where none does)."""
        ahead = torch.cat([inputs, torch.zeros_like(inputs[:, :1])], 1)
        return ahead.gather(1, positions + 1)

    def answered(self, targets: Tensor) -> list[str]:
        """The tokens."""
        return self.written(targets)

    def n_bytes(self, lag: int) -> int:
        """Bytes of text in a full training window at context `lag`; where it counts tokens, at κ bytes each."""
        return round(self.window(lag) * (1 if self.arm == "bytes" else self.bytes_per_token))

    def window(self, context: int) -> int:
        """The length of a full training window, in the arm's unit: the context and a block."""
        return context + (self.block if self.arm == "bytes" else max(1, round(self.block / self.bytes_per_token)))


def _character(text: NDArray[np.uint8], offset: int) -> int:
    """The first character that begins at `offset` or after it."""
    return offset + next(n for n, byte in enumerate(text[offset : offset + 4].tolist()) if byte & 0xC0 != 0x80)
