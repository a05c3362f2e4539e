"""The structured state space."""

from typing import Any

import torch
from torch import Tensor, nn, pi
from torch.autograd.function import once_differentiable

from models.long_conv import padded
from models.residual import StreamingStack
from models.ssm import Ssm, legs_eigenbasis


class S4(StreamingStack):
    """State spaces that start as HiPPO-LegS, diagonal plus low rank, one a channel (arXiv:2111.00396).

    The layer around them is `Ssm`. State: a complex (B, D, N/2) a layer.
    """

    def __init__(
        self, dim: int = 64, layers: int = 2, state: int = 64, dt_min: float = 0.001, dt_max: float = 0.1
    ) -> None:
        super().__init__(dim, (S4Mixer(dim, state, dt_min, dt_max) for _ in range(layers)))


class S4Mixer(Ssm):
    """A = Λ − P P*, sampled by the bilinear rule: (1 − ½ΔA) h_t = (1 + ½ΔA) h_{t−1} + Δ B x_t.

    Λ, P, B, C and Δ are learned, each channel its own. The low-rank part is −P P* as in arXiv:2202.09729, for A + A*
    is then negative definite and no update can make the state space unstable.
    """

    def __init__(self, dim: int, state: int, dt_min: float, dt_max: float) -> None:
        super().__init__(dim, state, dt_min, dt_max)
        poles, p, b = legs_eigenbasis(state)
        self.start_at(poles)
        self.p, self.b = (nn.Parameter(torch.view_as_real(each).float().repeat(dim, 1, 1)) for each in (p, b))

    def kernel(self, length: int) -> Tensor:
        """K_l = C Ā^l B̄ from its generating function Σ_l K_l z^l = C (1 − Ā z)⁻¹ B̄, (L, D).

        That is 2/(1+z) · C (g − A)⁻¹ B with g = 2/Δ · (1−z)/(1+z), by Woodbury 2/(1+z) (k_cb − k_cp k_pb / (1 + k_pp))
        with Cauchy sums such as k_cb = Σ_n c_n b_n / (g − λ_n). Its values at z_k = r exp(−2πi k/M), M ≥ 2L, are the
        Fourier transform of r^l K_l, to which r^{l+M} K_{l+M} and so on fold back. The paper takes r = 1 and removes
        them through Ā^L; here r^M = ε^⅔, with ε the rounding error, makes them vanish, and undoing r^l ≥ ε^⅓ makes
        rounding errors ε^⅔ too, as a share of the largest coefficients.
        """
        like = self.log_dt
        n, ratio = padded(2 * length), torch.finfo(like.dtype).eps ** (2 / 3)
        k = torch.arange(n // 2 + 1, device=like.device, dtype=like.dtype)
        z = torch.polar(torch.full_like(k, ratio ** (1 / n)), -2 * pi / n * k)
        g = 2 * torch.exp(-like)[:, None] * ((1 - z) / (1 + z))  # (D, M/2 + 1)
        poles, c, p, b = self.pairs()
        above = torch.stack((c * b, c * p, p.conj() * b, p.conj() * p), dim=1)  # (D, 4, N)
        cb, cp, pb, pp = _CauchySums.apply(above, poles, g).unbind(1)
        spectrum = 2 / (1 + z) * (cb - cp * pb / (1 + pp))
        unscale = ratio ** (-torch.arange(length, device=like.device, dtype=like.dtype) / n)
        return (torch.fft.irfft(spectrum, n)[:, :length] * unscale).t()

    def pairs(self) -> tuple[Tensor, ...]:
        """Λ, C, P and B with both of each conjugate pair, (D, N)."""
        halves = self.poles(), *(torch.view_as_complex(each) for each in (self.c, self.p, self.b))
        return tuple(torch.cat((half, half.conj()), dim=-1) for half in halves)

    def advance(self, x_t: Tensor, h: Tensor) -> Tensor:
        """The bilinear rule in O(N): 1 − ½ΔA is diagonal plus rank one, and so is its inverse (Sherman–Morrison)."""
        poles, p, b = self.poles(), *(torch.view_as_complex(each) for each in (self.p, self.b))
        half = self.log_dt.exp()[:, None] / 2
        inverse = 1 / (1 - half * poles)
        h = h + half * (poles * h - p * along(p, h)) + 2 * half * b * x_t[..., None]
        h = inverse * h
        return h - inverse * p * half * along(p, h) / (1 + half * along(p, inverse * p))


class _CauchySums(torch.autograd.Function):
    """S_r(g) = Σ_n a_rn / (g − λ_n): products with the Cauchy matrix V_nk = 1 / (g_k − λ_n).

    Its derivatives, V² by λ and −V² by g, are of the same form, so that only V is kept and only V² formed for the
    gradients; autograd would store and pass over a matrix of that size ten times.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, poles: Tensor, g: Tensor) -> Tensor:
        """(D, R, N), (D, N), (D, K) -> (D, R, K)."""
        v = (g[:, None] - poles[..., None]).reciprocal_()  # (D, N, K)
        ctx.save_for_backward(a, v)
        return a @ v

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of a, of the poles and of g."""
        a, v = ctx.saved_tensors
        square = v * v
        to_poles = (a.conj() * (grad @ square.mH)).sum(1)
        return grad @ v.mH, to_poles, -((a @ square).conj() * grad).sum(1)


def along(p: Tensor, h: Tensor) -> Tensor:
    """P* h over both halves of the conjugate pairs: 2 Re Σ_n p̄_n h_n, (…, N/2) -> (…, 1)."""
    return 2 * (p.conj() * h).sum(-1, keepdim=True).real
