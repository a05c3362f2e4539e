"""The adding problem."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws
from tasks.protocols import Protocol, is_published


class Adding(Task):
    """Add the two marked numbers (Hochreiter & Schmidhuber 1997, task 4; numbers from U[0, 1] as in Arjovsky 2016).

    The second addend is the last input and the lag is counted to the first, so exactly one number has to be held.
    A random prefix, up to a quarter of the lag, keeps the first addend from always being the first input.
    Knowing one addend alone leaves the variance of the other, 1/12.

    `protocol="published"` is Arjovsky's: what stands for the lag is the length T, one marker falls in each half, and
    the sum is asked at the last step. Both addends have to be held, neither is "the" source: chance is the literature's
    baseline, always answering 1, whose error is the variance of the sum, 1/6. `+` marks an addend:

    >>> from tasks.spelling import example
    >>> print(example(Adding(), lag=4))
    input    .46 +.05  .81  .45  .45 +.62
    target     .    .    .    .    . 0.67
    lag             ^                   |
    """

    def __init__(self, protocol: Protocol = "lag") -> None:
        super().__init__()
        self.published = is_published(protocol)
        self.spec = TaskSpec(
            inputs="channels",
            n_inputs=2,
            n_outputs=1,
            metric="mse",
            chance=1 / 6 if self.published else 1 / 12,
            baseline=1 / 6,
            lag_unit="none" if self.published else "steps",
            min_lag=2 if self.published else 1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, length, 2): number and marker; what follows the last step is padding."""
        length = lag if self.published else lag + lag // 4 + 1
        inputs = np.zeros((draws.n, length, 2), np.float32)
        inputs[:, :, 0] = draws.uniform(length)
        if self.published:
            first, second = draws.below(length // 2, 1), length // 2 + draws.below(length - length // 2, 1)
            last = np.full((draws.n, 1), length - 1)
        else:
            first = draws.below(lag // 4 + 1, 1)
            second = last = first + lag
            inputs[:, :, 0] *= np.arange(length) <= last
        rows = np.arange(draws.n)[:, None]
        inputs[rows, first, 1] = inputs[rows, second, 1] = 1
        targets = inputs[rows, first, 0] + inputs[rows, second, 0]
        where = torch.from_numpy(last)
        return Batch(torch.from_numpy(inputs), where, torch.from_numpy(targets), torch.full((draws.n,), lag))

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Numbers without a mark."""
        numbers = torch.from_numpy(draws.uniform(length))
        return torch.stack([numbers, torch.zeros_like(numbers)], 2)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The sum of the marked numbers."""
        return (inputs[..., 0] * inputs[..., 1]).sum(1, keepdim=True)

    def written(self, row: Tensor) -> list[str]:
        """Two decimals, + before a marked number."""
        return [f"{'+' * bool(mark)}{number:.2f}".replace("0.", ".") for number, mark in row.tolist()]
