"""Mamba-2: a selective state space whose decay is one number a head."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models import fused
from models.base import GatedModel, at_least
from models.matrix_state import TimeStep, scalar_decay, state_step
from models.residual import GatedStack
from models.short_conv import ShortConv


class Mamba2Mixer(GatedModel):
    """S_t = exp(−Δ_t exp(a)) S_{t−1} + Δ_t B_t u_tᵀ, y_t = S_tᵀ C_t + D u_t, out = W norm(y_t ∘ silu(z_t)).

    u, B, C and z are linear in the input, the first three then silu of a short convolution. Heads of `head_dim` numbers
    of u, `expand` · dim in all, read and write through the same B_t and C_t of N = `state` numbers; Δ and the decay are
    `TimeStep`'s. State: the convolution's (B, kernel − 1, E + 2N) with E = expand · dim, and S (B, H, N, P).
    """

    def __init__(self, dim: int, state: int, head_dim: int, expand: int, kernel: int, chunk: int) -> None:
        super().__init__(dim)
        at_least(1, state=state, head_dim=head_dim, expand=expand, chunk=chunk)
        self.inner, self.n, self.chunk = expand * dim, state, chunk
        self.head_dim = min(head_dim, self.inner)
        if self.inner % self.head_dim:
            raise ValueError(
                f"expand · dim must be a multiple of head_dim, got expand={expand}, dim={dim}, head_dim={head_dim}"
            )
        heads, self.widths = self.inner // self.head_dim, (self.inner, state, state)
        self.project, self.delta = nn.Linear(dim, 2 * self.inner + 2 * state, bias=False), TimeStep(dim, heads)
        self.conv, self.skip = ShortConv(sum(self.widths), kernel), nn.Parameter(torch.ones(heads))
        self.norm, self.out = nn.RMSNorm(self.inner, eps=1e-5), nn.Linear(self.inner, dim, bias=False)

    def split(self, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(…, E + 2N) -> u (…, H, P), B and C (…, 1, N): all heads share them."""
        u, b, c = silu(convolved).split(self.widths, dim=-1)
        return u.unflatten(-1, (-1, self.head_dim)), b[..., None, :], c[..., None, :]

    def join(self, y: Tensor, u: Tensor, z: Tensor) -> Tensor:
        """What the state says and u (…, H, P), the gate (…, E) -> (…, D)."""
        y = (y + self.skip[:, None] * u).flatten(-2)
        return self.out(self.norm((y * silu(z)).to(self.norm.weight.dtype)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        z, xbc = self.project(x).split((self.inner, sum(self.widths)), dim=-1)
        (u, b, c), delta = self.split(self.conv(xbc)), self.delta(x)  # Δ (B, L, H)
        kernel = fused.kernel("ssd", like=u)
        if kernel:
            return self.join(kernel(u, delta, -self.delta.log_rate.exp(), b, c, chunk_size=64), u, z)
        return self.join(scalar_decay(c, b, u * delta[..., None], self.delta.log_decay(delta), self.chunk), u, z)

    def forget_gates(self, x: Tensor) -> Tensor:
        """exp(−Δ exp(a)), one a head: (B, L, D) -> (1, B, L, H)."""
        return self.delta.log_decay(self.delta(x)).exp()[None]

    def init_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """Zeros."""
        state = self.zeros(batch, self.inner // self.head_dim, self.n, self.head_dim)
        return self.conv.init_state(batch), state

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, D) and the state -> (B, D) and the next state."""
        z, xbc = self.project(x_t).split((self.inner, sum(self.widths)), dim=-1)
        convolved, recent = self.conv.step(xbc, state[0])
        (u, b, c), delta = self.split(convolved), self.delta(x_t)
        y, matrix = state_step(state[1], c, b, u * delta[..., None], self.delta.log_decay(delta)[..., None])
        return self.join(y, u, z), (recent, matrix)


class Mamba2(GatedStack):
    """Mamba-2 layers in heads of `head_dim` (one head where expand · dim is smaller; arXiv:2405.21060).

    On a GPU with the package mamba_ssm, its kernel runs.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        state: int = 64,
        head_dim: int = 32,
        expand: int = 2,
        kernel: int = 4,
        mlp: int = 0,
        chunk: int = 32,
    ) -> None:
        super().__init__(dim, (Mamba2Mixer(dim, state, head_dim, expand, kernel, chunk) for _ in range(layers)), mlp)
