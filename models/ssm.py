"""What S4 and S4D share: the HiPPO matrices they start from, and the layer around their kernels."""

from abc import abstractmethod
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from models.base import StreamingModel, at_least
from models.long_conv import causal_conv


def legs(state: int) -> tuple[Tensor, Tensor]:
    """HiPPO-LegS, h' = A h + B u: h holds the Legendre coefficients of all the past of u (arXiv:2008.07669).

    A_nk = −√(2n+1) √(2k+1) below the diagonal, −(n+1) on it, 0 above; B_n = √(2n+1). A (N, N), B (N,) in float64.
    """
    n = torch.arange(state, dtype=torch.float64)
    b = (2 * n + 1).sqrt()
    return -torch.tril(b[:, None] * b, diagonal=-1) - torch.diag(n + 1), b


def legs_eigenbasis(state: int) -> tuple[Tensor, Tensor, Tensor]:
    """LegS as Λ − P P*, diagonal plus low rank, in an orthonormal basis V: Λ, V* P and V* B, each (N/2,) complex.

    With P_n = √(n + 1/2), A + P Pᵀ is −1/2 plus a skew-symmetric matrix, hence normal, and its eigenvalues −1/2 ± iω
    come in conjugate pairs; of each pair the one with ω > 0 is kept, the other gives the conjugate of everything.
    """
    a, b = legs(state)
    p = (torch.arange(state, dtype=torch.float64) + 0.5).sqrt()
    normal = a + p[:, None] * p
    skew = (normal - normal.T) / 2
    omega, v = torch.linalg.eigh(-1j * skew)  # ascending: the upper half is positive
    omega, v = omega[state // 2 :], v[:, state // 2 :].mH
    return torch.complex(torch.full_like(omega, -0.5), omega), v @ p.to(v.dtype), v @ b.to(v.dtype)


class Ssm(StreamingModel):
    """GLU(W gelu(y)) for h' = A h + B x, y = C h + D x, one state space of size N a channel (arXiv:2111.00396).

    Only W mixes channels. Sampled at steps of Δ, a state space is a recurrence, which `step` runs, and also a
    convolution with the kernel K_j = C Ā^j B̄, which `forward` runs. Conjugate states come in pairs of which one is
    kept, so that y = 2 Re(C h) + D x, and Re λ = −exp(·) stays negative. Δ starts log-uniform in [dt_min, dt_max] over
    the channels: a channel remembers about 1/Δ steps. State (B, D, N/2), complex.
    """

    def __init__(self, dim: int, state: int, dt_min: float, dt_max: float) -> None:
        super().__init__(dim)
        at_least(2, state=state)
        if state % 2:
            raise ValueError(f"state must be even, conjugate pairs, got {state}")
        if not 0 < dt_min <= dt_max:
            raise ValueError(f"dt_min must lie in (0, dt_max], got dt_min={dt_min}, dt_max={dt_max}")
        self.log_dt = nn.Parameter(torch.empty(dim).uniform_(log(dt_min), log(dt_max)))
        self.log_decay = nn.Parameter(torch.empty(dim, state // 2))
        self.frequency = nn.Parameter(torch.empty(dim, state // 2))
        self.c = nn.Parameter(torch.randn(dim, state // 2, 2) * 0.5**0.5)  # real and imaginary parts
        self.d = nn.Parameter(torch.ones(dim))
        self.out = nn.Linear(dim, 2 * dim)

    def start_at(self, poles: Tensor) -> None:
        """Give every channel these Λ, (N/2,)."""
        with torch.no_grad():
            self.log_decay.copy_((-poles.real).log().expand_as(self.log_decay))
            self.frequency.copy_(poles.imag.expand_as(self.frequency))

    def poles(self) -> Tensor:
        """Λ of every channel, (D, N/2)."""
        return torch.complex(-self.log_decay.exp(), self.frequency)

    @abstractmethod
    def kernel(self, length: int) -> Tensor:
        """K_0 … K_{L−1}, (L, D)."""

    @abstractmethod
    def advance(self, x_t: Tensor, h: Tensor) -> Tensor:
        """Ā h + B̄ x_t: (B, D), (B, D, N/2) -> (B, D, N/2)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return self.mix(causal_conv(x, self.kernel(x.shape[1])) + self.d * x)

    def mix(self, y: Tensor) -> Tensor:
        """Position by position, (…, D) -> (…, D)."""
        return glu(self.out(gelu(y)), dim=-1)

    def init_state(self, batch: int) -> Tensor:
        """Zeros."""
        return torch.view_as_complex(self.zeros(batch, *self.c.shape))

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, D, N/2) -> (B, D) and the next state."""
        h = self.advance(x_t, state)
        y = 2 * (torch.view_as_complex(self.c) * h).sum(-1).real
        return self.mix(y + self.d * x_t), h
