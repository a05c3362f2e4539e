"""Recurrences whose states and gradients cannot grow: what orthogonal_rnn and unitary_rnn share."""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import relu

from models.base import StreamingModel


class NonexpansiveRecurrence(StreamingModel):
    """h_t = φ(W x_t + U h_{t−1}), U orthogonal and φ(z) = z/|z| · relu(|z| − θ), the modReLU of arXiv:1511.06464.

    A unit is `planes` numbers, one if it is real, two if it is complex; |z| is its modulus. The papers let φ's
    bias −θ take either sign. Here θ = e^β > 0, so that φ is soft thresholding, which brings no two points further
    apart: ∂h_t/∂h_{t−1} has norm 1 as long as any unit is above its threshold, and never more. State (B, D).
    """

    def __init__(self, dim: int, planes: int, threshold: float) -> None:
        super().__init__(dim)
        if not threshold > 0:
            raise ValueError(f"threshold must be positive, got {threshold}")
        self.input = nn.Linear(dim, dim, bias=False)
        self.log_threshold = nn.Parameter(torch.full((dim // planes,), math.log(threshold)))

    @abstractmethod
    def recurrent(self) -> Tensor:
        """U (D, D), orthogonal whatever the parameters are."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        a = self.input(x).transpose(0, 1)  # (L, B, D)
        return _Loop.apply(a, self.recurrent(), self.log_threshold.exp()).transpose(0, 1)

    def init_state(self, batch: int) -> Tensor:
        """Zeros (B, D)."""
        return self.zeros(batch, self.dim)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, D) -> (B, D), (B, D)."""
        h = mod_relu(self.input(x_t) + state @ self.recurrent().t(), self.log_threshold.exp())
        return h, h

    def flops(self, length: int) -> int:
        """Every position costs the same, so one is counted; making U from its parameters is not a matrix product."""
        return length * super().flops(1)


def mod_relu(z: Tensor, theta: Tensor) -> Tensor:
    """Shorten every unit by θ, or to nothing: (…, D), (units,) -> (…, D), with D = planes · units."""
    parts = z.unflatten(-1, (-1, theta.shape[0]))  # (…, planes, units)
    return (parts * relu(1 - theta / modulus(parts))).flatten(-2)


def modulus(parts: Tensor) -> Tensor:
    """|z| of (…, planes, units), kept off 0: (…, 1, units)."""
    return parts.square().sum(-2, keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny).sqrt()


def slope(z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """φ's Jacobian (…, planes, planes, units), which is symmetric, and the directions z/|z| (…, planes, units).

    Along z the slope is 1, across it s = 1 − θ/|z|, and both are 0 below the threshold: s I + (1 − s) ẑ ẑᵀ.
    """
    parts = z.unflatten(-1, (-1, theta.shape[0]))
    size = modulus(parts)
    unit, across = parts / size, relu(1 - theta / size)
    along = (across > 0).to(z.dtype)
    identity = torch.eye(parts.shape[-2], dtype=z.dtype, device=z.device)[..., None]
    outer = unit.unsqueeze(-2) * unit.unsqueeze(-3)  # (…, planes, planes, units)
    return across.unsqueeze(-2) * identity + (along - across).unsqueeze(-2) * outer, unit


class _Loop(torch.autograd.Function):
    """The loop over time, with the backward pass written out: the slopes are known before it starts."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, a: Tensor, u: Tensor, theta: Tensor) -> Tensor:
        """W x_t (L, B, D), U (D, D), θ (units,) -> h (L, B, D)."""
        h, zs, hs = torch.zeros_like(a[0]), [], []
        for a_t in a.unbind(0):
            zs.append(torch.addmm(a_t, h, u.t()))
            h = mod_relu(zs[-1], theta)
            hs.append(h)
        outputs = torch.stack(hs)
        ctx.save_for_backward(u, theta, torch.stack(zs), outputs)
        return outputs

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cuda")
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of the projections, of U and of θ."""
        u, theta, z, h = ctx.saved_tensors
        slopes, unit = slope(z, theta)
        delta_t, deltas = torch.zeros_like(z[0]), []  # δ_t = φ'(z_t) (∂h_t + Uᵀ δ_{t+1})
        for grad_t, slope_t in reversed(list(zip(grad.unbind(0), slopes.unbind(0), strict=True))):
            to_h = torch.addmm(grad_t, delta_t, u).unflatten(-1, (1, -1, theta.shape[0]))  # (B, 1, planes, units)
            delta_t = (slope_t * to_h).sum(2).flatten(1)
            deltas.append(delta_t)
        delta = torch.stack(deltas[::-1])  # (L, B, D)
        to_u = delta[1:].flatten(0, 1).t() @ h[:-1].flatten(0, 1)
        return delta, to_u, -(delta.view_as(unit) * unit).sum((0, 1, 2))
