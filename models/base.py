"""The contract every architecture keeps."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.flops import count


class SequenceModel(nn.Module, ABC):
    """A map from sequences to sequences of the same shape, without embedding, output head or loss.

    `causal` says that output t depends on inputs 0 … t alone; `sharded`, that the model is so large that several
    devices had better hold a part of its weights each, in training, than all of them all.
    """

    causal: bool = True
    sharded: bool = False

    def __init__(self, dim: int) -> None:
        super().__init__()
        at_least(1, dim=dim)
        self.dim = dim

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""

    def receptive_field(self, length: int) -> int | None:
        """How many of `length` inputs an output can depend on, its own included; None: all of them."""
        return None

    def units(self) -> Sequence[nn.Module]:
        """Parts that are called as modules, one after the other: sharded, they are put together one at a time."""
        return ()

    def flops(self, length: int) -> int:
        """Floating-point operations of the forward pass of one sequence, as torch's own counter sees them.

        It counts matrix products and convolutions, a multiply-add as two, and attention's whole square of scores;
        what works element by element it leaves out. A Fourier transform of n points is 5 n log2 n, half of it if real.
        """
        return count(copy.deepcopy(self).to("meta"), torch.empty(1, length, self.dim, device="meta"))


class StreamingModel(SequenceModel):
    """A model that can also run one input at a time, in memory that does not grow with the length."""

    @abstractmethod
    def init_state(self, batch: int) -> Any:
        """The state before the first input: tensors with the batch first, in lists, tuples or dicts."""

    @abstractmethod
    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One input (B, D) and the state -> one output (B, D) and the next state."""

    def zeros(self, *shape: int) -> Tensor:
        """Zeros on the parameters' device and of their precision."""
        like = next(self.parameters(), torch.empty(0))
        return like.new_zeros(shape)


class GatedModel(StreamingModel):
    """A model every layer of which forgets by gates: numbers, drawn from its input, that multiply its state."""

    @abstractmethod
    def forget_gates(self, x: Tensor) -> Tensor:
        """What multiplies each layer's previous state, (B, L, D) -> (layers, B, L, U), for its U units; in (0, 1].

        A unit is a number of the state, or a row or a matrix of it that shares one gate. A gate too close to 0 for the
        precision is 0.
        """


def at_least(minimum: int, **values: int) -> None:
    """Raise ValueError naming the first of `values` below `minimum`."""
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value}")


def one_of(choices: tuple[str, ...], **values: str) -> None:
    """Raise ValueError naming the first of `values` that is not among `choices`."""
    for name, value in values.items():
        if value not in choices:
            raise ValueError(f'{name} must be one of {", ".join(choices)}, got "{value}"')


def divisible(dim: int, **parts: int) -> None:
    """Raise ValueError naming the first of `parts` that does not divide `dim`."""
    at_least(1, **parts)
    for name, part in parts.items():
        if dim % part:
            raise ValueError(f"dim must be a multiple of {name}, got dim={dim}, {name}={part}")
