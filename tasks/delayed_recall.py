"""Delayed recall."""

import torch

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws


class DelayedRecall(Task):
    """Name the first symbol, `lag` steps later (after Hochreiter & Schmidhuber 1997, task 2c).

    The distractors are drawn at random from symbols that are never answers. lag=5; `.` is not scored

        input   c x y y x ?
        target  . . . . . c
    """

    def __init__(self, symbols: int = 8, distractors: int = 8) -> None:
        super().__init__()
        if symbols < 2:
            raise ValueError(f"symbols must be at least 2, got {symbols}")
        if distractors < 1:
            raise ValueError(f"distractors must be at least 1, got {distractors}")
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
