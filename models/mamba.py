"""Mamba: a diagonal state-space model whose step size, input and read-out depend on the input."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu, softplus

from models.base import GatedModel, at_least
from models.residual import GatedStack
from models.selective_scan import selective_scan
from models.short_conv import ShortConv

MambaState = tuple[Tensor, Tensor]  # the convolution's window (B, kernel − 1, E) and h (B, E, N)


class SelectiveSsm(GatedModel):
    """One layer: out(silu(z) ∘ ssm(silu(conv(x)))) with x and z projections to E = expand · dim channels.

    Each channel is a state-space model of N numbers, h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t x_t, y_t = C_tᵀ h_t + skip x_t,
    where B_t and C_t (N,) are linear in x_t and Δ_t = softplus(W V x_t + b) (E,), of rank ⌈dim / 16⌉: a large Δ takes
    the input in and forgets, a small one lets it pass by. At the start A = −1 … −N (S4D-real) and Δ lies between
    10⁻³ and 10⁻¹, so that channels forget within ten to a thousand positions and more quickly for larger n.
    """

    def __init__(self, dim: int, state: int = 16, expand: int = 2, kernel: int = 4) -> None:
        super().__init__(dim)
        at_least(1, state=state, expand=expand)
        inner, rank = expand * dim, -(-dim // 16)
        self.state, self.rank = state, rank
        self.project = nn.Linear(dim, 2 * inner, bias=False)
        self.conv = ShortConv(inner, kernel)
        self.select = nn.Linear(inner, rank + 2 * state, bias=False)
        self.widen = nn.Parameter(torch.empty(inner, rank).uniform_(-(rank**-0.5), rank**-0.5))
        delta = torch.empty(inner).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        self.delta_bias = nn.Parameter(delta + torch.log(-torch.expm1(-delta)))  # softplus of it is delta
        self.a_log = nn.Parameter(torch.arange(1, state + 1).float().log().repeat(inner, 1))  # (E, N)
        self.skip = nn.Parameter(torch.ones(inner))
        self.out = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x, z = self.project(x).chunk(2, dim=-1)  # (B, L, E) each
        x = silu(self.conv(x))
        delta, b, c = self.coefficients(x)
        return self.out(selective_scan(x, delta, -self.a_log.exp(), b, c, self.skip) * silu(z))

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (…, E) -> Δ (…, E), B and C (…, N)."""
        narrow, b, c = self.select(x).split((self.rank, self.state, self.state), dim=-1)
        return softplus(linear(narrow, self.widen, self.delta_bias)), b, c

    def decay(self, delta: Tensor) -> Tensor:
        """Δ (…, E) -> exp(Δ A) (…, E, N)."""
        return (delta[..., None] * -self.a_log.exp()).exp_()  # in place: over a sequence it is large

    def forget_gates(self, x: Tensor) -> Tensor:
        """exp(Δ A) of every number of the state: (B, L, D) -> (1, B, L, E · N)."""
        x = silu(self.conv(self.project(x).chunk(2, dim=-1)[0]))
        return self.decay(self.coefficients(x)[0]).flatten(-2)[None]

    def init_state(self, batch: int) -> MambaState:
        """Zeros."""
        return self.conv.init_state(batch), self.zeros(batch, *self.a_log.shape)

    def step(self, x_t: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """(B, D) and the state -> (B, D) and the next state."""
        window, h = state
        x, z = self.project(x_t).chunk(2, dim=-1)  # (B, E) each
        x, window = self.conv.step(x, window)
        x = silu(x)
        delta, b, c = self.coefficients(x)
        h = self.decay(delta) * h + (delta * x)[..., None] * b[:, None]
        y = (h * c[:, None]).sum(-1) + self.skip * x
        return self.out(y * silu(z)), (window, h)


class Mamba(GatedStack):
    """Selective state spaces behind a short convolution (Gu & Dao 2023, arXiv:2312.00752).

    No MLP: a layer's gate and its `expand` are one. State: each layer's, 2 · expand · dim numbers and more, whatever
    the length.
    """

    def __init__(self, dim: int = 64, layers: int = 2, state: int = 16, expand: int = 2, kernel: int = 4) -> None:
        super().__init__(dim, (SelectiveSsm(dim, state, expand, kernel) for _ in range(layers)))
