"""The contract every architecture keeps."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class SequenceModel(nn.Module, ABC):
    """A map from sequences to sequences of the same shape, without embedding, output head or loss.

    `causal` says that output t depends on inputs 0 … t alone.
    """

    causal: bool = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self.dim = dim

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""

    def receptive_field(self, length: int) -> int | None:
        """How many of `length` inputs an output can depend on, its own included; None: all of them."""
        return None

    def flops(self, length: int) -> int:
        """Floating-point operations of the forward pass of one sequence, a multiply-add counted as two.

        The default uses every parameter once a position: right for recurrences and convolutions, too low
        wherever positions are compared with each other.
        """
        return 2 * length * sum(p.numel() for p in self.parameters())


class StreamingModel(SequenceModel):
    """A model that can also run one input at a time, in memory that does not grow with the length."""

    @abstractmethod
    def init_state(self, batch: int) -> Any:
        """The state before the first input."""

    @abstractmethod
    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One input (B, D) and the state -> one output (B, D) and the next state."""
