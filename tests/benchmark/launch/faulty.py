"""Models that go wrong in training, each in its own way."""

import time

import torch
from torch import Tensor, nn

from models.base import SequenceModel


class Faulty(SequenceModel):
    """Like a linear layer until it has been trained for some steps."""

    def __init__(self, dim: int = 8, steps: int = 3) -> None:
        super().__init__(dim)
        self.layer, self.left = nn.Linear(dim, dim), steps

    def forward(self, x: Tensor) -> Tensor:  # (B, L, D) -> (B, L, D)
        if self.training and torch.is_grad_enabled():
            self.left -= 1
            if self.left < 0:
                return self.fault(self.layer(x))
        return self.layer(x)

    def fault(self, y: Tensor) -> Tensor:
        raise NotImplementedError


class Raises(Faulty):
    def fault(self, y: Tensor) -> Tensor:
        raise ZeroDivisionError("on purpose")


class Hangs(Faulty):
    def fault(self, y: Tensor) -> Tensor:
        time.sleep(3600)
        return y


class Greedy(Faulty):
    def fault(self, y: Tensor) -> Tensor:
        return y + torch.zeros(2**48, device=y.device).sum()


class NotANumber(Faulty):
    def fault(self, y: Tensor) -> Tensor:
        return y * float("nan")


class Explodes(Faulty):
    """Not by its output, which a norm would tame, but by a leap of the whole network's weights."""

    def fault(self, y: Tensor) -> Tensor:
        for weight in self.parameters():
            weight.grad = None
        return y
