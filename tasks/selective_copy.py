"""Selective copying."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.copy_memory import modal_share
from tasks.draws import Draws
from tasks.protocols import Protocol, is_published
from tasks.spelling import letters, spell


class SelectiveCopy(Task):
    """Repeat, in order, the `tokens` symbols that stand scattered among blanks (Gu & Dao 2023, after Arjovsky 2016).

    Every `?` asks for the next symbol. The probe is one of them, drawn at random, whose symbol stands exactly `lag`
    inputs before it; the others stand where they fall, and up to a quarter of the lag in extra blanks comes before the
    probe's symbol, so that at mixed lags no offset or length gives the answer away. (At one fixed lag an offset gives
    the probe's, and no other.) Chance is knowing the symbols but not their order, and naming the commonest.
    protocol="published": the symbols stand anywhere among T inputs, all are scored, and T takes the lag's place.

    >>> from tasks.spelling import example
    >>> print(example(SelectiveCopy(tokens=3, symbols=4), lag=8))
    input   B C D _ _ _ _ _ ? ? ?
    target  . . . . . . . . B C D
    lag         ^               |
    """

    def __init__(self, tokens: int = 4, symbols: int = 8, protocol: Protocol = "lag") -> None:
        super().__init__()
        at_least(2, tokens=tokens, symbols=symbols)
        self.tokens, self.symbols, self.published = tokens, symbols, is_published(protocol)
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=symbols + 2,  # answers, the blank, the question
            n_outputs=symbols,
            metric="accuracy",
            chance=modal_share(tokens, symbols),
            baseline=1 / symbols,
            lag_unit="none" if self.published else "steps",
            min_lag=tokens,
            probes=tokens if self.published else 1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + lag//4 + tokens), published (n, lag + tokens); blanks follow the last question."""
        n, tokens = draws.n, self.tokens
        if self.published:
            width, probe, start = lag, np.full((n, 1), tokens - 1), np.full((n, 1), lag)
            places = np.sort(draws.distinct(lag, tokens), axis=1)
        else:
            width, probe, extra = lag + lag // 4, draws.below(tokens, 1), draws.below(lag // 4 + 1, 1)
            places, start = self._scatter(draws, lag, probe, extra), extra + lag
        inputs = np.full((n, width + tokens), self.symbols)
        answers = draws.below(self.symbols, tokens)
        np.put_along_axis(inputs, places, answers, 1)
        np.put_along_axis(inputs, start + np.arange(tokens), self.symbols + 1, 1)
        order = (probe + 1 + np.arange(tokens)) % tokens  # the probe comes last
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(start + order),
            torch.from_numpy(np.take_along_axis(answers, order, 1)),
            torch.full((n,), lag),
        )

    def _scatter(self, draws: Draws, lag: int, probe: np.ndarray, extra: np.ndarray) -> np.ndarray:
        """Places (n, tokens), ascending: the probe's at probe + extra, the others uniform to its left and right.

        Floyd's algorithm, on both sides in one go: the first `probe` columns are the left ones. Each draws below a
        bound one higher than the last, and takes the bound itself where its place is taken.
        """
        source, step = probe + extra, np.arange(self.tokens - 1)
        left = step < probe
        low = np.where(left, 0, source + 1)
        high = low + step + 1 + np.where(left, extra, lag - self.tokens - probe)
        places = low + draws.below(high - low, self.tokens - 1)
        for i in range(1, self.tokens - 1):
            taken = (places[:, :i] == places[:, i : i + 1]).any(1)
            places[taken, i] = high[taken, i] - 1
        return np.sort(np.concatenate([places, source], 1), axis=1)

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Blanks."""
        return torch.full((draws.n, length), self.symbols)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The i-th symbol at the i-th question."""
        start = (inputs > self.symbols).int().argmax(1, keepdim=True)
        which = (positions - start).clamp(0, self.tokens - 1)
        return in_order(inputs, self.symbols, self.tokens).gather(1, which)

    def written(self, row: Tensor) -> list[str]:
        """A B … answers, _ a blank, ? a question."""
        return spell(row, [*letters(self.symbols), "_", "?"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, letters(self.symbols))


def in_order(inputs: Tensor, symbols: int, tokens: int) -> Tensor:
    """The first `tokens` inputs below `symbols` of each row, (B, tokens); 0 where there are no more of them."""
    found = inputs < symbols
    rank = found.cumsum(1)  # of each symbol, from 1; everything else goes to column 0
    column = rank.where(found & (rank <= tokens), 0)
    return inputs.new_zeros(len(inputs), tokens + 1).scatter_(1, column, inputs)[:, 1:]
