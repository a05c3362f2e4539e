"""Two time scales."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.spelling import letters, spell


class TwoTimescales(Task):
    """Hold one symbol throughout while tracking another that changes every two steps.

    The first input is the symbol to hold. Then a new symbol comes every other step and is to be named one step later
    (and forgotten: the next one takes its place). After the last of these the held symbol is asked for, `lag` steps
    after it was seen. The two kinds come from alphabets of their own. The two last answers are scored, one of each
    kind: a memory that is never overwritten fails the one, one that always is fails the other. Without the first input
    the tracked symbol is still known and the held one is a guess, so chance is (1 + 1/held) / 2; knowing nothing,
    (1/held + 1/tracked) / 2.

    >>> from tasks.spelling import example
    >>> print(example(TwoTimescales(held=4, tracked=3), lag=9))
    input   A c - b - a - a - ?
    target  . . c . b . a . a A
    lag     ^                 |
    """

    def __init__(self, held: int = 8, tracked: int = 8) -> None:
        super().__init__()
        at_least(2, held=held, tracked=tracked)
        self.held, self.tracked = held, tracked
        self.blank, self.question = held + tracked, held + tracked + 1
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=held + tracked + 2,
            n_outputs=held + tracked,
            metric="accuracy",
            chance=(1 + 1 / held) / 2,
            baseline=(1 / held + 1 / tracked) / 2,
            lag_unit="steps",
            min_lag=3,
            probes=2,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + 1). Where the lag is even, a blank stands between the held symbol and the first tracked."""
        first = 1 + (lag + 1) % 2
        inputs = np.full((draws.n, lag + 1), self.blank)
        inputs[:, :1] = draws.below(self.held, 1)
        inputs[:, first:-1:2] = self.held + draws.below(self.tracked, (lag - 1) // 2)
        inputs[:, -1] = self.question
        tokens = torch.from_numpy(inputs)
        where = torch.cat([torch.arange(first + 1, lag, 2), torch.tensor([lag])]).expand(draws.n, -1)
        return Batch(tokens, where, self.solve(tokens, where), torch.full((draws.n,), lag))

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Symbols to track, every other one a blank, as ever."""
        inputs = np.full((draws.n, length), self.blank)
        inputs[:, length % 2 :: 2] = self.held + draws.below(self.tracked, length // 2)
        return torch.from_numpy(inputs)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The first symbol where the question stands, elsewhere the symbol before."""
        asked = inputs.gather(1, positions) == self.question
        found = inputs.gather(1, positions.masked_fill(asked, 1) - 1)  # the first, or the one before
        return found.clamp(max=self.spec.n_outputs - 1)

    def written(self, row: Tensor) -> list[str]:
        """A B … to hold, a b … to track, - a blank, ? the question."""
        return spell(row, [*letters(self.held), *letters(self.tracked, "a"), "-", "?"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, [*letters(self.held), *letters(self.tracked, "a")])
