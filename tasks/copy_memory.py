"""The copying memory problem."""

from functools import cache
from math import comb

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.spelling import letters, spell


class CopyMemory(Task):
    """Hold `tokens` symbols through blanks and repeat them in order (Arjovsky 2016, after Hochreiter & Schmidhuber).

    The layout is the published one: T − 1 blanks and a go symbol stand between the symbols and the steps that repeat
    them, whose inputs are blank again, T + 2·tokens inputs in all. All repeated symbols are probes and share one lag,
    T + tokens. (Lag 1010 is the published T = 1000.) Chance is knowing which symbols occurred but not in what order,
    and naming the commonest of them every time: the `modal_share`. `_` is a blank, `!` the go symbol:

    >>> from tasks.spelling import example
    >>> print(example(CopyMemory(tokens=3, symbols=4), lag=6))
    input   C C D _ _ ! _ _ _
    target  . . . . . . C C D
    lag         ^           |
    """

    def __init__(self, tokens: int = 10, symbols: int = 8) -> None:
        super().__init__()
        at_least(2, tokens=tokens, symbols=symbols)
        self.tokens, self.symbols = tokens, symbols
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=symbols + 2,  # answers, the blank, the go symbol
            n_outputs=symbols,
            metric="accuracy",
            chance=modal_share(tokens, symbols),
            baseline=1 / symbols,
            lag_unit="steps",
            min_lag=tokens + 1,  # the go symbol alone between the symbols and their repetition
            probes=tokens,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + tokens); the symbols first, the go symbol at lag − 1, then a blank for each answer."""
        inputs = np.full((draws.n, lag + self.tokens), self.symbols)
        inputs[:, : self.tokens] = draws.below(self.symbols, self.tokens)
        inputs[:, lag - 1] = self.symbols + 1
        tokens = torch.from_numpy(inputs)
        where = torch.arange(lag, lag + self.tokens).repeat(draws.n, 1)
        return Batch(tokens, where, tokens[:, : self.tokens].clone(), torch.full((draws.n,), lag))

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Blanks."""
        return torch.full((draws.n, length), self.symbols)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The first symbols in order; what is no symbol counts as the last one."""
        return inputs[:, : self.tokens].clamp(max=self.symbols - 1)

    def written(self, row: Tensor) -> list[str]:
        """A B … answers, _ a blank, ! the go symbol."""
        return spell(row, [*letters(self.symbols), "_", "!"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, letters(self.symbols))


@cache
def modal_share(tokens: int, symbols: int) -> float:
    """The commonest symbol's share of `tokens` random symbols, exact on average over all symbols^tokens words.

    It is the best accuracy of one who knows which symbols occur, and how often, but not where.

    >>> modal_share(2, 2)  # AA and BB share 1, AB and BA share 1/2
    0.75
    """
    words = symbols**tokens
    above = (words - _words(tokens, symbols, most)[tokens] for most in range(tokens))  # words with a commoner symbol
    return sum(above) / (words * tokens)


@cache
def _words(tokens: int, symbols: int, most: int) -> list[int]:
    """How many words of length 0 … `tokens` have none of the symbols more than `most` times."""
    if symbols == 1:
        return [int(n <= most) for n in range(tokens + 1)]
    one, other = (_words(tokens, part, most) for part in (symbols // 2, symbols - symbols // 2))
    return [sum(comb(n, k) * one[k] * other[n - k] for k in range(n + 1)) for n in range(tokens + 1)]
