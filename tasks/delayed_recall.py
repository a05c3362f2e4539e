"""Delayed recall."""

import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.spelling import letters, spell


class DelayedRecall(Task):
    """Name the first symbol, `lag` steps later (after Hochreiter & Schmidhuber 1997, task 2c).

    The distractors are drawn at random from symbols that are never answers.

    >>> from tasks.spelling import example
    >>> print(example(DelayedRecall(symbols=4, distractors=3), lag=5))
    input   D c a a a ?
    target  . . . . . D
    lag     ^         |
    """

    def __init__(self, symbols: int = 8, distractors: int = 8) -> None:
        super().__init__()
        at_least(2, symbols=symbols)
        at_least(1, distractors=distractors)
        self.symbols, self.distractors = symbols, distractors
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=symbols + distractors + 1,  # answers, distractors, the question
            n_outputs=symbols,
            metric="accuracy",
            chance=1 / symbols,
            baseline=1 / symbols,
            lag_unit="steps",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + 1), the answer first and the question last."""
        inputs = draws.below(self.distractors, lag + 1)
        inputs += self.symbols
        inputs[:, :1] = draws.below(self.symbols, 1)
        inputs[:, -1] = self.symbols + self.distractors
        tokens = torch.from_numpy(inputs)
        where = torch.full((draws.n, 1), lag)
        return Batch(tokens, where, tokens[:, :1].clone(), where[:, 0])

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Distractors."""
        return torch.from_numpy(self.symbols + draws.below(self.distractors, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The first symbol."""
        return inputs[:, :1].clamp(max=self.symbols - 1)

    def written(self, row: Tensor) -> list[str]:
        """A B … answers, a b … distractors, ? the question."""
        return spell(row, letters(self.symbols) + letters(self.distractors, "a") + ["?"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, letters(self.symbols))
