"""The mLSTM of xLSTM: a matrix memory behind exponential gates."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad, silu

from models.base import GatedModel, at_least, divisible, one_of
from models.matrix_state import scalar_decay, state_step
from models.residual import GatedStack
from models.short_conv import ShortConv

Forget = Literal["sigmoid", "exp"]


class MlstmMixer(GatedModel):
    """C_t = f_t C_{t−1} + i_t k_t v_tᵀ, n_t = f_t n_{t−1} + i_t k_t, h_t = C_tᵀ q_t / max(|n_tᵀ q_t|, 1).

    i_t = exp(ĩ_t); f_t = σ(f̃_t) or exp(f̃_t); ĩ and f̃ are affine in x_t, q and k in silu of a short convolution.
    Output: W (σ(o_t) ∘ norm(h_t)).

    As i_t can overflow, C and n are kept divided by exp(m_t), with m_t = max(log f_t + m_{t−1}, ĩ_t, 0):

        f'_t = exp(log f_t + m_{t−1} − m_t),   i'_t = exp(ĩ_t − m_t),   both ≤ 1,

    and h_t = C_tᵀ q_t / max(|n_tᵀ q_t|, exp(−m_t)) is the same whatever m is. The 0 in it is ours: exp(−m_t) ≤ 1 then.
    n is one more column of C, whose value is always 1. State: the convolution's (B, kernel − 1, D), C and n
    (B, H, d, d + 1), m (B, H).
    """

    def __init__(self, dim: int, head_dim: int, kernel: int, forget: Forget, chunk: int) -> None:
        super().__init__(dim)
        at_least(1, head_dim=head_dim, chunk=chunk)
        one_of(get_args(Forget), forget=forget)
        self.head_dim, self.chunk, self.forget = min(head_dim, dim), chunk, forget
        divisible(dim, head_dim=self.head_dim)
        heads = dim // self.head_dim
        self.conv, self.qk = ShortConv(dim, kernel), nn.Linear(dim, 2 * dim, bias=False)
        self.v, self.o, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.gates = nn.Linear(dim, 2 * heads)  # ĩ before f̃
        self.norm = nn.RMSNorm(self.head_dim, eps=1e-5)
        with torch.no_grad():  # at first no gate looks at the input, and little is forgotten
            self.gates.weight.zero_()
            self.gates.bias.copy_(torch.cat((torch.randn(heads) / 10, torch.linspace(3, 6, heads))))

    def split(self, x: Tensor, convolved: Tensor) -> tuple[Tensor, ...]:
        """(…, D) twice -> q and k / √d (…, H, d), (v, 1) (…, H, d + 1), ĩ and log f (…, H)."""
        q, k = self.qk(silu(convolved)).unflatten(-1, (2, -1, self.head_dim)).unbind(-3)
        v = pad(self.v(x).unflatten(-1, (-1, self.head_dim)), (0, 1), value=1.0)
        log_i, f = self.gates(x).to(self.norm.weight.dtype).chunk(2, dim=-1)
        return q, k * self.head_dim**-0.5, v, log_i, logsigmoid(f) if self.forget == "sigmoid" else f

    def join(self, y: Tensor, m: Tensor, x: Tensor) -> Tensor:
        """C_tᵀ q_t and n_tᵀ q_t (…, H, d + 1), m_t (…, H) and the input (…, D) -> (…, D)."""
        below = torch.maximum(y[..., -1:].abs(), (-m).exp()[..., None] + 1e-6)  # never 0
        h = self.norm((y[..., :-1] / below).to(self.norm.weight.dtype))
        return self.out(self.o(x).sigmoid() * h.flatten(-2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        q, k, v, log_i, log_f = self.split(x, self.conv(x))
        m, log_f = stabilised(log_i, log_f)
        return self.join(scalar_decay(q, k * (log_i - m).exp()[..., None], v, log_f, self.chunk), m, x)

    def forget_gates(self, x: Tensor) -> Tensor:
        """f', one a head: (B, L, D) -> (1, B, L, H).

        It multiplies C and n as they are kept, divided by exp(m), and never exceeds 1, as f does with forget="exp". It
        is f while m stays where it is (at 0 where ĩ ≤ 0), less where an input raises m, and 1 where m falls: C and n
        then shrink together, and their ratio stays. Over ℓ steps ∏ f' = exp(m_{t−ℓ} − m_t) ∏ f.
        """
        *_, log_i, log_f = self.split(x, self.conv(x))
        return stabilised(log_i, log_f)[1].clamp(max=0).exp()[None]  # above 0 by rounding

    def init_state(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Zeros."""
        heads = self.dim // self.head_dim
        matrix = self.zeros(batch, heads, self.head_dim, self.head_dim + 1)
        return self.conv.init_state(batch), matrix, self.zeros(batch, heads)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """(B, D) and the state -> (B, D) and the next state."""
        convolved, recent = self.conv.step(x_t, state[0])
        q, k, v, log_i, log_f = self.split(x_t, convolved)
        m = torch.maximum(log_f + state[2], log_i.clamp(min=0))
        y, matrix = state_step(state[1], q, k * (log_i - m).exp()[..., None], v, (log_f + state[2] - m)[..., None])
        return self.join(y, m, x_t), (recent, matrix, m)


def stabiliser(log_i: Tensor, log_f: Tensor) -> Tensor:
    """Every m_t at once, (B, L, H): the largest of F_t − F_s + max(ĩ_s, 0) over s ≤ t, and of F_t, as m_{−1} = 0.

    F is the running sum of log f. What rounding does to m does no harm: gates and output see one and the same m.
    """
    total = log_f.cumsum(1)
    return total + (log_i.clamp(min=0) - total).cummax(1).values.clamp(min=0)


def stabilised(log_i: Tensor, log_f: Tensor) -> tuple[Tensor, Tensor]:
    """ĩ and log f -> m and log f', all (B, L, H)."""
    m = stabiliser(log_i.detach(), log_f.detach())  # the output does not depend on it, nor does any gradient
    return m, log_f + pad(m, (0, 0, 1, -1)) - m


class Mlstm(GatedStack):
    """mLSTM layers in heads of `head_dim` (one head where dim is smaller; xLSTM, arXiv:2405.04517).

    The forget gates' biases start between 3 and 6, as in the paper. Layers are dim wide, without the paper's
    up-projection by 2; `mlp` > 0 adds a feed-forward of mlp · dim after each.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        head_dim: int = 32,
        kernel: int = 4,
        forget: Forget = "sigmoid",
        mlp: int = 0,
        chunk: int = 32,
    ) -> None:
        super().__init__(dim, (MlstmMixer(dim, head_dim, kernel, forget, chunk) for _ in range(layers)), mlp)
