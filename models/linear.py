"""A leaky integrator: the model whose memory is known in closed form."""

import torch
from torch import Tensor

from models.base import StreamingModel, at_least


class Linear(StreamingModel):
    """h_t = ρ h_{t−1} + x_t with ρ fixed, so that ∂h_t/∂x_{t−ℓ} = ρ^ℓ I exactly. No parameters. State (B, D).

    Computed in chunks of C positions: within a chunk by the lower-triangular Toeplitz matrix of powers of ρ, between
    chunks by carrying the last state. Powers are at most 1, so nothing overflows.
    """

    def __init__(self, dim: int = 64, rho: float = 0.99, chunk: int = 64) -> None:
        super().__init__(dim)
        if not 0 <= rho <= 1:
            raise ValueError(f"rho must lie in [0, 1], got {rho}")
        at_least(1, chunk=chunk)
        self.rho, self.chunk = rho, chunk

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        state, outputs = self.init_state(x.shape[0]).to(x), []
        for part in x.split(self.chunk, dim=1):  # (B, C, D)
            t = torch.arange(part.shape[1], device=x.device)
            decay = torch.where(t[:, None] >= t, self.rho ** (t[:, None] - t).clamp(min=0).to(x.dtype), 0)  # (C, C)
            h = decay @ part + self.rho ** (t[:, None] + 1).to(x.dtype) * state[:, None]
            outputs.append(h)
            state = h[:, -1]
        return torch.cat(outputs, dim=1)

    def init_state(self, batch: int) -> Tensor:
        """Zeros (B, D)."""
        return self.zeros(batch, self.dim)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, D) -> (B, D), (B, D)."""
        h = self.rho * state + x_t
        return h, h
