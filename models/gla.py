"""Gated linear attention."""

from torch import Tensor, nn
from torch.nn.functional import logsigmoid, silu

from models import fused
from models.base import GatedModel, at_least, divisible
from models.matrix_state import SAFE, channel_decay, state_step
from models.residual import GatedStack


class GlaMixer(GatedModel):
    """S_t = diag(α_t) S_{t−1} + k_t v_tᵀ, y_t = W (silu(g_t) ∘ norm(S_tᵀ q_t / √d)). State (B, H, d, d).

    α_t = σ(U V x_t + b)^(1/16), one for every row of S, where V x has `rank` numbers. log α ≥ −80 / chunk keeps chunks
    finite; at chunk 32 a gate gets there where U V x + b < −40.
    """

    def __init__(self, dim: int, head_dim: int, rank: int, chunk: int) -> None:
        super().__init__(dim)
        at_least(1, head_dim=head_dim, rank=rank, chunk=chunk)
        self.head_dim, self.chunk = min(head_dim, dim), chunk
        divisible(dim, head_dim=self.head_dim)
        self.project, self.out = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.gate = nn.Sequential(nn.Linear(dim, rank, bias=False), nn.Linear(rank, dim))
        self.norm = nn.RMSNorm(self.head_dim, eps=1e-5)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """(…, D) -> q, k, v, log α and g, each (…, H, d)."""
        q, k, v, g = self.project(x).unflatten(-1, (4, -1, self.head_dim)).unbind(-3)
        logit = self.gate(x).to(self.norm.weight.dtype).unflatten(-1, (-1, self.head_dim))
        return q * self.head_dim**-0.5, k, v, (logsigmoid(logit) / 16).clamp(min=-SAFE / self.chunk), g

    def join(self, y: Tensor, g: Tensor) -> Tensor:
        """What the state says and the output gate, (…, H, d) -> (…, D)."""
        return self.out((self.norm(y.to(self.norm.weight.dtype)) * silu(g)).flatten(-2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        q, k, v, log_decay, g = self.split(x)
        kernel = fused.kernel("gla", like=v)
        y = kernel(q, k, v, log_decay, scale=1.0)[0] if kernel else channel_decay(q, k, v, log_decay, self.chunk)
        return self.join(y, g)

    def forget_gates(self, x: Tensor) -> Tensor:
        """α, one for every row of every head's S: (B, L, D) -> (1, B, L, D)."""
        return self.split(x)[3].exp().flatten(-2)[None]

    def init_state(self, batch: int) -> Tensor:
        """Zeros."""
        return self.zeros(batch, self.dim // self.head_dim, self.head_dim, self.head_dim)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) and the state -> (B, D) and the next state."""
        q, k, v, log_decay, g = self.split(x_t)
        y, state = state_step(state, q, k, v, log_decay)
        return self.join(y, g), state


class Gla(GatedStack):
    """Gated linear attention in heads of `head_dim` (one head where dim is smaller), `layers` times (arXiv:2312.06635).

    Keys are as wide as values; the paper halves them. On a GPU with the package fla, its kernel runs.
    """

    def __init__(
        self, dim: int = 64, layers: int = 2, head_dim: int = 32, rank: int = 16, mlp: int = 0, chunk: int = 32
    ) -> None:
        super().__init__(dim, (GlaMixer(dim, head_dim, rank, chunk) for _ in range(layers)), mlp)
