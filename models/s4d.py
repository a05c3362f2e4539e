"""The diagonal state space."""

from math import isqrt
from typing import Literal, get_args

import torch
from torch import Tensor, pi

from models.base import one_of
from models.residual import StreamingStack
from models.ssm import Ssm, legs_eigenbasis

Init = Literal["lin", "legs"]


class S4d(StreamingStack):
    """State spaces with diagonal A, one a channel (arXiv:2206.11893); the layer around them is `Ssm`.

    Λ starts at −1/2 + iπn ("lin") or at the eigenvalues of the normal part of HiPPO-LegS ("legs"); B is 1, for C
    takes any other. State: a complex (B, D, N/2) a layer.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        state: int = 64,
        init: Init = "lin",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
    ) -> None:
        super().__init__(dim, (S4dMixer(dim, state, init, dt_min, dt_max) for _ in range(layers)))


class S4dMixer(Ssm):
    """h_t = λ h_{t−1} + B̄ x_t, with λ = exp(Δ Λ) and B̄ = (λ − 1) / Λ: exact where x is constant between samples."""

    def __init__(self, dim: int, state: int, init: Init, dt_min: float, dt_max: float) -> None:
        super().__init__(dim, state, dt_min, dt_max)
        one_of(get_args(Init), init=init)
        n = torch.arange(state // 2)
        self.start_at(torch.complex(torch.full(n.shape, -0.5), pi * n) if init == "lin" else legs_eigenbasis(state)[0])

    def discretised(self) -> tuple[Tensor, Tensor]:
        """log λ = Δ Λ and B̄, each (D, N/2)."""
        poles = self.poles()
        log_lambda = self.log_dt.exp()[:, None] * poles
        return log_lambda, torch.expm1(log_lambda) / poles

    def kernel(self, length: int) -> Tensor:
        """K_l = 2 Re Σ_n C_n B̄_n λ_n^l, (L, D).

        The exponent is split, l = i S + j with S ≈ √L, so that λ^l = λ^{iS} λ^j: 2 √L powers of each λ are formed in
        place of L, and the sum over n is a matrix product. It is complex, which autocast leaves alone.
        """
        log_lambda, b = self.discretised()
        size = isqrt(length - 1) + 1
        rows = torch.arange(0, length, size, device=b.device)  # i S
        columns = torch.arange(size, device=b.device)  # j
        weight = (2 * torch.view_as_complex(self.c) * b)[:, None]
        left = weight * torch.exp(rows[:, None] * log_lambda[:, None])  # (D, L/S, N/2)
        right = torch.exp(log_lambda[..., None] * columns)  # (D, N/2, S)
        return (left @ right).real.flatten(1)[:, :length].t()

    def advance(self, x_t: Tensor, h: Tensor) -> Tensor:
        """λ h + B̄ x_t."""
        log_lambda, b = self.discretised()
        return log_lambda.exp() * h + b * x_t[..., None]
