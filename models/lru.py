"""The linear recurrent unit."""

import torch
from torch import Tensor, nn, pi
from torch.nn.functional import gelu, glu

from models.base import StreamingModel, at_least
from models.residual import StreamingStack
from models.scans import diagonal_scan


class Lru(StreamingStack):
    """Linear recurrent units, each followed by a GLU (arXiv:2303.06349).

    `r_min`, `r_max` and `max_phase` bound modulus and phase of λ at the start of training. State: a complex
    (B, `state`) a layer.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        state: int = 64,
        r_min: float = 0.9,
        r_max: float = 0.999,
        max_phase: float = 2 * pi,
    ) -> None:
        super().__init__(dim, (LruMixer(dim, state, r_min, r_max, max_phase) for _ in range(layers)))


class LruMixer(StreamingModel):
    """h_t = λ ∘ h_{t−1} + γ ∘ B x_t, y = Re(C h) + D ∘ x, out = GLU(W gelu(y)), with λ, B, C and h complex.

    λ = exp(−exp(ν) + i exp(θ)) has a modulus below 1 whatever is learned. It starts uniform in area on the ring r_min
    ≤ |λ| ≤ r_max, phases in [0, max_phase], and γ at √(1 − |λ|²), which gives h the variance of B x where x is white.
    """

    def __init__(self, dim: int, state: int, r_min: float, r_max: float, max_phase: float) -> None:
        super().__init__(dim)
        at_least(1, state=state)
        if not 0 <= r_min < r_max < 1:
            raise ValueError(f"r_min and r_max must satisfy 0 <= r_min < r_max < 1, got {r_min} and {r_max}")
        if max_phase <= 0:
            raise ValueError(f"max_phase must be positive, got {max_phase}")
        modulus = torch.empty(state).uniform_(r_min**2, r_max**2).sqrt()
        self.nu = nn.Parameter((-modulus.log()).log())
        self.theta = nn.Parameter((max_phase * (1 - torch.rand(state))).log())
        self.log_gamma = nn.Parameter((1 - modulus**2).log() / 2)
        self.b = nn.Linear(dim, 2 * state, bias=False)  # real parts beside imaginary ones, state by state
        self.c = nn.Linear(2 * state, dim, bias=False)
        self.d = nn.Parameter(torch.ones(dim))
        self.out = nn.Linear(dim, 2 * dim)

    def eigenvalues(self) -> Tensor:
        """λ, (N,)."""
        return torch.polar((-self.nu.exp()).exp(), self.theta.exp())

    def drive(self, x: Tensor) -> Tensor:
        """γ ∘ B x: (…, D) -> (…, N) complex."""
        parts = self.b(x).unflatten(-1, (-1, 2))  # (…, N, 2)
        return torch.view_as_complex(self.log_gamma.exp()[:, None] * parts)

    def read(self, h: Tensor, x: Tensor) -> Tensor:
        """The output: (…, N) complex, (…, D) -> (…, D)."""
        y = self.c(torch.view_as_real(h).flatten(-2)) + self.d * x
        return glu(self.out(gelu(y)), dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return self.read(diagonal_scan(self.eigenvalues(), self.drive(x)), x)

    def init_state(self, batch: int) -> Tensor:
        """Zeros (B, N), complex."""
        return torch.view_as_complex(self.zeros(batch, *self.nu.shape, 2))

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, N) -> (B, D) and the next state."""
        h = self.eigenvalues() * state + self.drive(x_t)
        return self.read(h, x_t), h
