"""Hyena: gates between convolutions as long as the input."""

import torch
from torch import Tensor, nn, pi

from models.base import SequenceModel, at_least
from models.long_conv import causal_conv
from models.residual import ResidualStack
from models.short_conv import ShortConv


class Hyena(ResidualStack):
    """Long convolutions whose filters a small network writes, gated in between (arXiv:2302.10866).

    `order` gates and as many filters a layer, filter networks `width` wide over 2 · `bands` + 1 features of the
    position, each layer followed by an MLP of `mlp` · dim. Filters reach as far as the input does, beyond
    `max_length` too; it only says up to which distance they are told apart well.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        order: int = 2,
        width: int = 32,
        bands: int = 8,
        max_length: int = 4096,
        mlp: int = 2,
    ) -> None:
        mixers = (HyenaMixer(dim, order, width, bands, max_length) for _ in range(layers))
        super().__init__(dim, mixers, mlp)


class HyenaMixer(SequenceModel):
    """v ← x^n ∘ (k^n ∗ v + d^n ∘ v) for n = 1 … order; v and the gates x^n are short convolutions of W x."""

    def __init__(self, dim: int, order: int, width: int, bands: int, max_length: int) -> None:
        super().__init__(dim)
        at_least(1, order=order)
        self.order = order
        self.project, self.out = nn.Linear(dim, (order + 1) * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.short = ShortConv((order + 1) * dim, kernel=3)
        self.filters = ImplicitFilter(order * dim, width, bands, max_length)
        self.d = nn.Parameter(torch.ones(order, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        v, *gates = self.short(self.project(x)).chunk(self.order + 1, dim=-1)
        kernels = self.filters(x.shape[1]).chunk(self.order, dim=-1)  # each (L, D)
        for gate, kernel, d in zip(gates, kernels, self.d, strict=True):
            v = gate * (causal_conv(v, kernel) + d * v)
        return self.out(v)


class ImplicitFilter(nn.Module):
    """k_t = w_t ∘ W₃ sin(W₂ sin(W₁ e_t)), one filter a channel, for t as large as wanted.

    e_t holds t / max_length and sines and cosines of t with periods from 4 to 4 · max_length in geometric progression.
    They do not depend on L: a short filter is the beginning of a long one. The window w_t = √(2α) exp(−α t) has unit
    energy; 1/α goes from 2 to max_length over the channels, in geometric progression, and is learned.
    """

    def __init__(self, channels: int, width: int, bands: int, max_length: int) -> None:
        super().__init__()
        at_least(1, width=width, bands=bands)
        at_least(2, max_length=max_length)
        self.bands, self.max_length = bands, max_length
        self.network = nn.Sequential(
            nn.Linear(2 * bands + 1, width), Sine(), nn.Linear(width, width), Sine(), nn.Linear(width, channels)
        )
        steps = torch.linspace(0, 1, channels)[torch.randperm(channels)]
        self.log_alpha = nn.Parameter(-(2 * (max_length / 2) ** steps).log())

    def forward(self, length: int) -> Tensor:
        """Filters, (L, channels)."""
        alpha = self.log_alpha.exp()
        t = torch.arange(length, device=alpha.device, dtype=alpha.dtype)[:, None]  # (L, 1)
        band = torch.linspace(0, 1, self.bands, device=alpha.device, dtype=alpha.dtype)
        angle = t * (pi / 2 * self.max_length**-band)  # (L, bands)
        features = torch.cat((t / self.max_length, angle.sin(), angle.cos()), dim=1)
        return self.network(features) * (2 * alpha).sqrt() * torch.exp(-alpha * t)


class Sine(nn.Module):
    """sin x, which lets a small network write fast-changing filters."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return torch.sin(x)
