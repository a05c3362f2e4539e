"""The gated delta rule: a memory that forgets, and that overwrites what a key held before."""

from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from models import fused
from models.base import GatedModel, at_least, divisible
from models.matrix_state import TimeStep, delta_rule, delta_step
from models.residual import GatedStack
from models.short_conv import ShortConv


class GatedDeltaNetMixer(GatedModel):
    """S_t = α_t (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ, y_t = W (silu(g_t) ∘ norm(S_tᵀ q_t)).

    q, k and v are silu of a short convolution; q and k have length 1. β_t = σ(W_β x_t), and α_t is the decay of
    `TimeStep`. State: the convolution's (B, kernel − 1, 3D) and S (B, H, d, d).
    """

    def __init__(self, dim: int, head_dim: int, kernel: int, chunk: int) -> None:
        super().__init__(dim)
        at_least(1, head_dim=head_dim, chunk=chunk)
        self.head_dim, self.chunk = min(head_dim, dim), chunk
        divisible(dim, head_dim=self.head_dim)
        heads = dim // self.head_dim
        self.qkv, self.conv = nn.Linear(dim, 3 * dim, bias=False), ShortConv(3 * dim, kernel)
        self.beta, self.decay = nn.Linear(dim, heads, bias=False), TimeStep(dim, heads)
        self.gate, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.norm = nn.RMSNorm(self.head_dim, eps=1e-5)

    def split(self, x: Tensor, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(…, D), (…, 3D) -> q, k and v (…, H, d), log α and β (…, H)."""
        qk, v = silu(convolved).unflatten(-1, (3, -1, self.head_dim)).split((2, 1), dim=-3)
        q, k = normalize(qk, dim=-1).to(v).unbind(-3)
        log_decay = self.decay.log_decay(self.decay(x))
        return q, k, v.squeeze(-3), log_decay, self.beta(x).sigmoid()

    def join(self, y: Tensor, x: Tensor) -> Tensor:
        """What the state says (…, H, d) and the input (…, D) -> (…, D)."""
        return self.out(self.norm(y.to(self.norm.weight.dtype)).flatten(-2) * silu(self.gate(x)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        parts = self.split(x, self.conv(self.qkv(x)))
        kernel = fused.kernel("gated_delta_rule", like=parts[2])
        return self.join(kernel(*parts, scale=1.0)[0] if kernel else delta_rule(*parts, self.chunk), x)

    def forget_gates(self, x: Tensor) -> Tensor:
        """α, one a head: (B, L, D) -> (1, B, L, H).

        It alone multiplies what S holds under keys orthogonal to k_t; what it holds under k_t is multiplied by
        α_t (1 − β_t), as another value takes its place.
        """
        return self.decay.log_decay(self.decay(x)).exp()[None]

    def init_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """Zeros."""
        state = self.zeros(batch, self.dim // self.head_dim, self.head_dim, self.head_dim)
        return self.conv.init_state(batch), state

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, D) and the state -> (B, D) and the next state."""
        convolved, recent = self.conv.step(self.qkv(x_t), state[0])
        y, matrix = delta_step(state[1], *self.split(x_t, convolved))
        return self.join(y, x_t), (recent, matrix)


class GatedDeltaNet(GatedStack):
    """The gated delta rule in heads of `head_dim` (one head where dim is smaller), `layers` times (arXiv:2412.06464).

    On a GPU in half precision with the package fla, its kernel runs; it takes no float32.
    """

    def __init__(
        self, dim: int = 64, layers: int = 2, head_dim: int = 32, kernel: int = 4, mlp: int = 0, chunk: int = 16
    ) -> None:
        super().__init__(dim, (GatedDeltaNetMixer(dim, head_dim, kernel, chunk) for _ in range(layers)), mlp)
