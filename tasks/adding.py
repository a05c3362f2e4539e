"""The adding problem."""

import numpy as np
import torch

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws


class Adding(Task):
    """Add the two marked numbers (Hochreiter & Schmidhuber 1997, task 4; numbers from U[0, 1] as in Arjovsky 2016).

    The second addend is the last input and the lag is counted to the first, so exactly one number has to be held.
    A random prefix, up to a quarter of the lag, keeps the first addend from always being the first input.
    Knowing one addend alone leaves the variance of the other, 1/12. lag=4; `.` is not scored

        number  .3 .5 .9 .2 .7 .4
        marker   0  1  0  0  0  1
        target   .  .  .  .  . .9
    """

    def __init__(self) -> None:
        super().__init__()
        self.spec = TaskSpec(
            inputs="channels",
            n_inputs=2,
            n_outputs=1,
            metric="mse",
            chance=1 / 12,
            baseline=1 / 6,
            lag_unit="steps",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + lag//4 + 1, 2): number and marker; what follows the last marker is padding."""
        length = lag + lag // 4 + 1
        inputs = np.zeros((draws.n, length, 2), np.float32)
        inputs[:, :, 0] = draws.uniform(length)
        first = draws.below(lag // 4 + 1, 1)
        last = first + lag
        inputs[:, :, 0] *= np.arange(length) <= last
        rows = np.arange(draws.n)[:, None]
        inputs[rows, first, 1] = inputs[rows, last, 1] = 1
        targets = inputs[rows, first, 0] + inputs[rows, last, 0]
        where = torch.from_numpy(last)
        return Batch(torch.from_numpy(inputs), where, torch.from_numpy(targets), torch.full((draws.n,), lag))
