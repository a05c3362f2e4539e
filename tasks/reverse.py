"""Reversing a string."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.copy_memory import modal_share
from tasks.draws import Draws
from tasks.protocols import Protocol, is_published
from tasks.spelling import letters, spell


class Reverse(Task):
    """Give back a string from its end to its beginning (reverse string of Delétang 2023).

    The answers are due one at each `?`, the first names the last symbol, and their lags grow by two. Blanks between the
    string and the questions stretch all of them: the probe is one of the answers, drawn at random among those with a
    lag of at most `lag`, and the blanks are as many as bring it to exactly that. The load is `tokens` symbols at any
    lag. Chance is knowing the symbols but not their order, and naming the commonest.
    protocol="published": no blanks, and the string's length takes the lag's place. All answers are trained on; the one
    that is scored is drawn at random, which on average scores them all. Chance is then the missing symbol's,
    1/symbols (on a short string the commonest symbol would be right more often).

    >>> from tasks.spelling import example
    >>> print(example(Reverse(tokens=3, symbols=4), lag=6))
    input   A D D _ _ _ ? ? ?
    target  . . . . . . D D A
    lag       ^           |
    """

    def __init__(self, tokens: int = 8, symbols: int = 8, protocol: Protocol = "lag") -> None:
        super().__init__()
        at_least(2, tokens=tokens, symbols=symbols)
        self.tokens, self.symbols, self.published = tokens, symbols, is_published(protocol)
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=symbols + 2,  # answers, the blank, the question
            n_outputs=symbols,
            metric="accuracy",
            chance=1 / symbols if self.published else modal_share(tokens, symbols),
            baseline=1 / symbols,
            lag_unit="none" if self.published else "steps",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag − 1 + 2·tokens), published (n, 2·lag): string, blanks, questions, padding."""
        n = draws.n
        tokens, slack = (lag, 0) if self.published else (self.tokens, lag - 1)
        probe = draws.below(tokens if self.published else min(tokens, slack // 2 + 1), 1)
        first = tokens + (0 * probe if self.published else slack - 2 * probe)  # the first question
        inputs = np.full((n, slack + 2 * tokens), self.symbols)
        inputs[:, :tokens] = draws.below(self.symbols, tokens)
        np.put_along_axis(inputs, first + np.arange(tokens), self.symbols + 1, 1)
        order = (probe + 1 + np.arange(tokens)) % tokens  # the probe comes last
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(first + order),
            torch.from_numpy(np.take_along_axis(inputs, tokens - 1 - order, 1)),
            torch.full((n,), lag),
        )

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Blanks."""
        return torch.full((draws.n, length), self.symbols)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The i-th symbol from the end at the i-th question."""
        first = (inputs > self.symbols).int().argmax(1, keepdim=True)
        tokens = first if self.published else self.tokens
        sources = tokens - 1 - (positions - first)
        return inputs.gather(1, sources.clamp(min=0)).clamp(max=self.symbols - 1)

    def written(self, row: Tensor) -> list[str]:
        """A B … answers, _ a blank, ? a question."""
        return spell(row, [*letters(self.symbols), "_", "?"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, letters(self.symbols))
