"""Temporal order."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.spelling import letters, spell


class TemporalOrder(Task):
    """Name the marks in their order (Hochreiter & Schmidhuber 1997, task 6a; with marks=3 task 6b).

    Each mark is X or Y, so that two make four classes: XX XY YX YY. They stand among random distractors, the answer is
    due at the trigger `?`, and the lag runs to it from the first mark; the others stand anywhere in between. A random
    prefix, up to a quarter of the lag, keeps the first mark from always being the first input. Chance is knowing every
    mark but the first, 1/2. Two marks held without their order tell XX and YY apart from the rest, which scores 3/4:
    only an s above .5 is a memory of their order.

    >>> from tasks.spelling import example
    >>> print(example(TemporalOrder(distractors=2), lag=8))
    input    Y  a  b  a  b  b  a  Y  ?
    target   .  .  .  .  .  .  .  . YY
    lag      ^                       |
    """

    def __init__(self, marks: int = 2, distractors: int = 4) -> None:
        super().__init__()
        if not 2 <= marks <= 8:
            raise ValueError(f"marks must be from 2 to 8, got {marks}")
        at_least(1, distractors=distractors)
        self.marks, self.distractors = marks, distractors
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=2 + distractors + 1,  # X and Y, distractors, the trigger
            n_outputs=2**marks,
            metric="accuracy",
            chance=1 / 2,
            baseline=1 / 2**marks,
            lag_unit="steps",
            min_lag=marks,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + lag//4 + 1), what follows the trigger is padding."""
        inputs = draws.below(self.distractors, lag + lag // 4 + 1)
        inputs += 2
        rows = np.arange(draws.n)[:, None]
        first = draws.below(lag // 4 + 1, 1)
        others = first + 1 + np.sort(draws.distinct(lag - 1, self.marks - 1), axis=1)
        marks = draws.below(2, self.marks)
        inputs[rows, np.concatenate([first, others], axis=1)] = marks
        inputs[rows, first + lag] = self.distractors + 2
        targets = marks @ (1 << np.arange(self.marks)[::-1, None])  # read as a binary number
        where = torch.from_numpy(first + lag)
        return Batch(torch.from_numpy(inputs), where, torch.from_numpy(targets), torch.full((draws.n,), lag))

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Distractors."""
        return torch.from_numpy(2 + draws.below(self.distractors, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The last marks as a binary number, an X in the place of each that is missing."""
        mark = (inputs < 2).long()
        behind = mark.flip(1).cumsum(1).flip(1) - mark  # marks that follow
        return ((inputs == 1) & (behind < self.marks)).long().mul(1 << behind.clamp(max=8)).sum(1, keepdim=True)

    def written(self, row: Tensor) -> list[str]:
        """X and Y the marks, a b … distractors, ? the trigger."""
        return spell(row, ["X", "Y", *letters(self.distractors, "a"), "?"])

    def answered(self, targets: Tensor) -> list[str]:
        """The marks in their order."""
        return spell(targets, ["".join(word) for word in product("XY", repeat=self.marks)])
