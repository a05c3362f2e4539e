"""Lagged parity."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.spelling import numbers, spell


class LaggedParity(Task):
    """The parity of the current bit and of the one `lag` before it, y_t = x_t XOR x_{t−lag}.

    Where lags are mixed a model cannot know which one is meant, so the bit that counts carries a mark. A random prefix,
    up to a quarter of the lag, keeps it from always being the first input. With more than one mark the parity is that
    of the current bit and all the marked ones: the lag is counted to the first of them, the others fall at random
    between it and the end. All bits are fair coins, so without the first marked one the parity is one too: chance is
    1/2, and the current bit alone, or any other part of the bits that count, says nothing. `+` marks a bit:

    >>> from tasks.spelling import example
    >>> print(example(LaggedParity(), lag=8))
    input   +1  0  1  0  1  1  0  1  0
    target   .  .  .  .  .  .  .  .  1
    lag      ^                       |
    """

    def __init__(self, marks: int = 1) -> None:
        super().__init__()
        at_least(1, marks=marks)
        self.marks = marks
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=4,
            n_outputs=2,
            metric="accuracy",
            chance=1 / 2,
            baseline=1 / 2,
            lag_unit="steps",
            min_lag=marks,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + lag//4 + 1): a bit, plus 2 where it is marked; what follows the probe is padding."""
        bits = draws.below(2, lag + lag // 4 + 1)
        first = draws.below(lag // 4 + 1, 1)
        between = first + 1 + draws.distinct(lag - 1, self.marks - 1)
        marked = np.concatenate([first, between], axis=1)
        chosen = np.take_along_axis(bits, marked, 1)
        last = first + lag
        targets = (chosen.sum(1, keepdims=True) + np.take_along_axis(bits, last, 1)) % 2
        np.put_along_axis(bits, marked, chosen + 2, 1)
        lags = torch.full((draws.n,), lag)
        return Batch(torch.from_numpy(bits), torch.from_numpy(last), torch.from_numpy(targets), lags)

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Bits without a mark."""
        return torch.from_numpy(draws.below(2, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The parity of the marked bits and of the bit at each position."""
        marked = (inputs == 3).sum(1, keepdim=True)
        return (marked + inputs.gather(1, positions)) % 2

    def written(self, row: Tensor) -> list[str]:
        """0 and 1, + before a marked one."""
        return spell(row, [*numbers(2), "+0", "+1"])
