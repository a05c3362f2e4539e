"""The minimal gated recurrent unit."""

import torch
from torch import Tensor, nn

from models.base import GatedModel
from models.residual import GatedStack
from models.scans import diagonal_scan


class MinGru(GatedStack):
    """Gated recurrent units whose gate and candidate do not see the state, so that time is a scan (arXiv:2410.01201).

    `forget_bias` sets the gate at the start of training: a unit then keeps σ(forget_bias) of itself a step. State:
    (B, D) a layer.
    """

    def __init__(self, dim: int = 64, layers: int = 2, forget_bias: float = 0.0) -> None:
        super().__init__(dim, (MinGruMixer(dim, forget_bias) for _ in range(layers)))


class MinGruMixer(GatedModel):
    """h_t = (1 − z_t) ∘ h_{t−1} + z_t ∘ h̃_t, with z_t = σ(W x_t + b) and h̃_t = V x_t + c."""

    def __init__(self, dim: int, forget_bias: float) -> None:
        super().__init__(dim)
        self.gate, self.candidate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        nn.init.constant_(self.gate.bias, -forget_bias)

    def kept_and_added(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """1 − z and z ∘ h̃, of the shape of x."""
        gate = self.gate(x)
        return torch.sigmoid(-gate), torch.sigmoid(gate) * self.candidate(x)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return diagonal_scan(*self.kept_and_added(x))

    def forget_gates(self, x: Tensor) -> Tensor:
        """1 − z: (B, L, D) -> (1, B, L, D)."""
        return self.kept_and_added(x)[0][None]

    def init_state(self, batch: int) -> Tensor:
        """Zeros (B, D)."""
        return self.zeros(batch, self.dim)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, D) -> (B, D) twice: the state is the output."""
        kept, added = self.kept_and_added(x_t)
        h = kept * state + added
        return h, h
