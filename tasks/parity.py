"""Cumulative parity."""

import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws


class Parity(Task):
    """Say after every bit whether the ones so far are odd in number (the parity check of Delétang 2023).

    With `every`, all prefixes are trained on and the last answer is scored; without it, nothing but the parity of the
    whole is asked for, as published. The answer hangs on every bit alike, so there is no source and no lag: what
    stands for the lag is the length. Without any one bit, whichever, the parity is a fair coin: chance is 1/2.

    >>> from tasks.spelling import example
    >>> print(example(Parity(), lag=8))
    input   1 0 1 0 1 1 0 1
    target  1 1 0 0 1 0 0 1
    """

    def __init__(self, every: bool = True) -> None:
        super().__init__()
        self.every = every
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=2,
            n_outputs=2,
            metric="accuracy",
            chance=1 / 2,
            baseline=1 / 2,
            lag_unit="none",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag), and a place for an answer under each of them or under the last."""
        inputs = torch.from_numpy(draws.below(2, lag))
        where = torch.arange(0 if self.every else lag - 1, lag).expand(draws.n, -1)
        return Batch(inputs, where, self.solve(inputs, where), torch.full((draws.n,), lag))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The parity of what was seen by each position."""
        return (inputs.cumsum(1) % 2).gather(1, positions)

    def written(self, row: Tensor) -> list[str]:
        """0 and 1."""
        return [str(bit) for bit in row.tolist()]
