"""The latch."""

import math

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws


class Latch(Task):
    """Hold a sign through Gaussian noise (Bengio 1994, the latch; Hochreiter & Schmidhuber 1997, task 3).

    The first input is +1 or −1, and noise may only enlarge it, so that its sign is never in doubt; every later input
    is noise of standard deviation `noise`, on the same channel. After the last one the sign is asked for, `lag` inputs
    after it was seen. Noise does not know the sign, so without the first input chance is 1/2. No sum of the inputs
    will do: over `lag` steps their noise grows to noise · √lag, and the sign has to be latched. (Published versions
    let noise turn some signs, or disturb the targets so that guessing the weights of a small network finds no
    solution; here the answers stay exact, and what a larger `noise` makes hard is the holding.)

    >>> from tasks.spelling import example
    >>> print(example(Latch(), lag=6))
    input   -1.05 +0.35 +0.36 +0.40 +0.66 -0.59 -0.80
    target      .     .     .     .     .     .     -
    lag         ^                                   |
    """

    def __init__(self, noise: float = 0.5) -> None:
        super().__init__()
        if not 0 <= noise < math.inf:
            raise ValueError(f"noise must be a standard deviation, 0 or more, got {noise}")
        self.noise = noise
        self.spec = TaskSpec(
            inputs="channels",
            n_inputs=1,
            n_outputs=2,
            metric="accuracy",
            chance=1 / 2,
            baseline=1 / 2,
            lag_unit="steps",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag + 1, 1), the sign first; class 1 is plus."""
        inputs = normal(draws, lag + 1)
        inputs *= np.float32(self.noise)
        plus = draws.below(2, 1)
        inputs[:, :1] = (2 * plus - 1) * (1 + np.abs(inputs[:, :1]))
        where = torch.full((draws.n, 1), lag)
        return Batch(torch.from_numpy(inputs[..., None]), where, torch.from_numpy(plus), where[:, 0])

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The sign of the first input."""
        return (inputs[:, :1, 0] > 0).long()

    def written(self, row: Tensor) -> list[str]:
        """Two decimals and the sign."""
        return [f"{number:+.2f}" for number in row[:, 0].tolist()]

    def answered(self, targets: Tensor) -> list[str]:
        """The sign."""
        return ["-+"[target] for target in targets.tolist()]


def normal(draws: Draws, width: int) -> np.ndarray:
    """(n, width) standard normal numbers, float32 (Box and Muller 1958)."""
    pairs = -(-width // 2)
    radius = np.sqrt(-2 * np.log(1 - draws.uniform(pairs)))  # 1 − u is never 0
    angle = np.float32(2 * math.pi) * draws.uniform(pairs)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :width]
