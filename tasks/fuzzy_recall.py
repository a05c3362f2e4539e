"""Recall of n-grams by n-grams."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.mqar import ask, check_pairs, probe_last
from tasks.spelling import letters, numbers, spell


class FuzzyRecall(Task):
    """Key–value recall where keys and values are n-grams (MAD's fuzzy recall, Poli 2024), of 1 to `tokens` symbols.

    Lengths are uniform. The keys of an example differ as a whole but share symbols, so that one symbol of a key does
    not identify it. Values differ in their first symbol, and that one alone is scored, where a question ends: it lies
    exactly `lag` before, the others would lie nearer. Distractors of a vocabulary of their own fill the rest and part
    the questions. The pairs stand at the front, and all that find room are asked for; the probe's is drawn at random
    from them (at lags shorter than the pairs themselves, from the latest). Chance is naming any value, 1/pairs.

    >>> from tasks.spelling import example
    >>> print(example(FuzzyRecall(pairs=2, vocab=8, tokens=2, distractors=2), lag=8))
    input   c 2 d d 0 A A B A c A d d
    target  . . . . . . . . . 2 . . 0
    lag             ^               |
    """

    def __init__(self, pairs: int = 4, vocab: int = 16, tokens: int = 3, distractors: int = 8) -> None:
        super().__init__()
        check_pairs(pairs, vocab)
        if not 1 <= tokens <= 4:
            raise ValueError(f"tokens must be from 1 to 4, got {tokens}")
        at_least(1, distractors=distractors)
        if vocab > 256:
            raise ValueError(f"vocab must be at most 256, got {vocab}")
        self.pairs, self.half, self.tokens, self.distractors = pairs, vocab // 2, tokens, distractors
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=vocab + distractors,
            n_outputs=self.half,
            metric="accuracy",
            chance=1 / pairs,
            baseline=1 / self.half,
            lag_unit="steps",
            min_lag=2 * tokens - 1,  # the last value and its question stand side by side
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, 2·pairs·tokens + lag), what follows the probe is padding; a question for each pair with room."""
        n, pairs, width = draws.n, self.pairs, self.tokens
        head = 2 * pairs * width
        inputs = draws.below(self.distractors, head + lag)
        inputs += 2 * self.half
        grams, sizes = self.grams(draws)
        hole = np.arange(width) >= sizes[..., None]
        grams = np.where(hole, inputs[:, :head].reshape(grams.shape), grams)
        close_up = np.argsort(hole.reshape(n, head), axis=1, kind="stable")  # distractors in the holes move behind
        inputs[:, :head] = np.take_along_axis(grams.reshape(n, head), close_up, 1)

        ends = sizes.reshape(n, 2 * pairs).cumsum(1)
        first = ends[:, -1:] + width - 1  # behind the last pair and room for the longest key
        questions = probe_last(draws, ends[:, ::2], first, lag, pitch=width + 1)  # a value begins where its key ends
        right = (np.arange(width) + sizes[:, :, :1]) % width  # a key moved to the right end of its room
        keys = np.take_along_axis(grams[:, :, 0], right, 2)
        return ask(inputs, keys, grams[:, :, 1, 0] - self.half, questions, lag)

    def grams(self, draws: Draws) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Symbols (n, pairs, 2, tokens) of keys and values, as many of them good as their sizes (n, pairs, 2) say."""
        pairs, half, width = self.pairs, self.half, self.tokens
        sizes = 1 + draws.below(width, 2 * pairs).reshape(draws.n, pairs, 2)
        # of each size, numbers distinct within the example; their digits are a key's symbols
        codes = np.stack([draws.distinct(half**size, pairs) for size in range(1, width + 1)], axis=2)
        codes = np.take_along_axis(codes, sizes[:, :, :1] - 1, 2)
        symbols = draws.below(half, 2 * pairs * width).reshape(draws.n, pairs, 2, width)
        symbols[:, :, 0] = codes // half ** np.arange(width) % half
        symbols[:, :, 1, 0] = draws.distinct(half, pairs)
        symbols[:, :, 1] += half
        return symbols, sizes

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Distractors."""
        return torch.from_numpy(2 * self.half + draws.below(self.distractors, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The symbol behind the first return of the keys' symbols that end at each position; 0 where there is none."""
        run, codes = torch.ones_like(inputs, dtype=torch.bool), torch.zeros_like(inputs)
        for j in range(self.tokens):
            symbols = pad(inputs, (j, 0), value=self.half)[:, : inputs.shape[1]]  # j earlier
            run = run & (symbols < self.half)
            codes = (codes + (symbols + 1) * (self.half + 1) ** j).where(run, codes)
        values = inputs[:, 1:] - self.half
        ends = (codes[:, :-1] > 0) & (values >= 0) & (values < self.half)
        told = (codes.gather(1, positions)[:, :, None] == codes[:, None, :-1]) & ends[:, None]  # (B, Q, L − 1)
        return values.gather(1, told.long().argmax(2)) * told.any(2)

    def written(self, row: Tensor) -> list[str]:
        """Keys are letters, values numbers, distractors capitals."""
        return spell(row, letters(self.half, "a") + numbers(self.half) + letters(self.distractors))
