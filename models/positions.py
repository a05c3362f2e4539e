"""Where a position is: what attention, which is blind to order, is told of it."""

from typing import Literal

import torch
from torch import Tensor, nn

from models.base import at_least

RelativePositions = Literal["rope", "alibi", "none"]  # what a layer of attention can do by itself
Positions = Literal["rope", "alibi", "sinusoidal", "learned", "none"]


def rotate(x: Tensor, start: int = 0, base: float = 10_000.0) -> Tensor:
    """Rotary positions (arXiv:2104.09864): at position t, x_{2i} + j x_{2i+1} is turned by the angle t · base^(−2i/d).

    x (…, L, d) at positions start, start + 1, … -> same; scores between rotated queries and keys depend on their
    distance alone.
    """
    length, half = x.shape[-2], x.shape[-1] // 2
    precise = torch.promote_types(x.dtype, torch.float32)  # bfloat16 cannot tell position 257 from 256
    t = torch.arange(start, start + length, device=x.device, dtype=precise)
    angle = t[:, None] * base ** (-torch.arange(half, device=x.device, dtype=precise) / half)  # (L, d/2)
    turn = torch.polar(torch.ones_like(angle), angle)
    pairs = torch.view_as_complex(x.to(precise).unflatten(-1, (half, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def alibi(n_heads: int, length: int, like: Tensor) -> Tensor:
    """Linear biases (arXiv:2108.12409): −m_h (t − s) for a key s ≤ t, −∞ for a later one; m_h = 2^(−8h/H), h = 1 … H.

    -> (H, L, L), of the device and precision of `like`.
    """
    slope = 2.0 ** (-8 * torch.arange(1, n_heads + 1, device=like.device, dtype=like.dtype) / n_heads)
    t = torch.arange(length, device=like.device)
    distance = t[:, None] - t  # (L, L): query, key
    bias = -slope[:, None, None] * distance
    return bias.masked_fill(distance < 0, -torch.inf)


def sinusoids(t: Tensor, dim: int, base: float = 10_000.0) -> Tensor:
    """sin(t f_i) in channel 2i and cos(t f_i) in channel 2i + 1, with f_i = base^(−2i/D) (arXiv:1706.03762).

    Positions (L,) -> (L, D).
    """
    frequency = base ** (-torch.arange(0, dim, 2, device=t.device, dtype=t.dtype) / dim)
    angle = t[:, None] * frequency  # (L, ⌈D/2⌉)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)[:, :dim]


class Sinusoidal(nn.Module):
    """x_t + the sinusoids of t, as they are: mean square ½ beside inputs of about 1, as in the paper."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        t = torch.arange(x.shape[1], device=x.device, dtype=torch.promote_types(x.dtype, torch.float32))
        return x + sinusoids(t, x.shape[2]).to(x.dtype)


class Learned(nn.Module):
    """x_t + p_t, one vector a position up to `max_length`, drawn as large as the sinusoids. Longer: ValueError."""

    def __init__(self, dim: int, max_length: int) -> None:
        super().__init__()
        at_least(1, max_length=max_length)
        self.table = nn.Parameter(0.5**0.5 * torch.randn(max_length, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        length, most = x.shape[1], self.table.shape[0]
        if length > most:
            raise ValueError(f"learned positions end at max_length={most}, got a sequence of {length}")
        return x + self.table[:length]
