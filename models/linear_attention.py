"""Linear attention: softmax's exponential replaced by a product of features."""

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, pad

from models.base import StreamingModel, at_least, divisible
from models.matrix_state import scalar_decay, state_step
from models.residual import StreamingStack


class LinearAttentionMixer(StreamingModel):
    """y_t = Σ_s φ(q_t)·φ(k_s) v_s / Σ_s φ(q_t)·φ(k_s) over s ≤ t, with φ = elu + 1. State (B, H, d, d + 1).

    The denominator is one more value, always 1: numerator and denominator come out of one matrix, which never decays.
    """

    def __init__(self, dim: int, head_dim: int, chunk: int) -> None:
        super().__init__(dim)
        at_least(1, head_dim=head_dim, chunk=chunk)
        self.head_dim, self.chunk = min(head_dim, dim), chunk
        divisible(dim, head_dim=self.head_dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(…, D) -> φ(q) and φ(k) (…, H, d), (v, 1) (…, H, d + 1)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, -1, self.head_dim)).unbind(-3)
        return elu(q) + 1, elu(k) + 1, pad(v, (0, 1), value=1.0)

    def divide(self, y: Tensor) -> Tensor:
        """Numerators and denominator (…, H, d + 1) -> (…, D)."""
        return self.out((y[..., :-1] / (y[..., -1:] + 1e-6)).flatten(-2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return self.divide(scalar_decay(*self.features(x), self.zeros(1, x.shape[1], 1), self.chunk))

    def init_state(self, batch: int) -> Tensor:
        """Zeros."""
        return self.zeros(batch, self.dim // self.head_dim, self.head_dim, self.head_dim + 1)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) and the state -> (B, D) and the next state."""
        y, state = state_step(state, *self.features(x_t), torch.zeros_like(state[:, :, :1, 0]))
        return self.divide(y), state


class LinearAttention(StreamingStack):
    """Linear attention in heads of `head_dim` (one head where dim is smaller), `layers` times (arXiv:2006.16236).

    It forgets nothing, and a layer gives the same output whatever the order of the past.
    """

    def __init__(self, dim: int = 64, layers: int = 2, head_dim: int = 32, mlp: int = 0, chunk: int = 32) -> None:
        super().__init__(dim, (LinearAttentionMixer(dim, head_dim, chunk) for _ in range(layers)), mlp)
