"""The Transformer decoder, pre-norm, with rotary positions."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from models.base import SequenceModel


def rotate(x: Tensor, base: float = 10_000.0) -> Tensor:
    """Rotary positions (arXiv:2104.09864): at position t, x_{2i} + j x_{2i+1} is turned by the angle t · base^(−2i/d).

    x (B, L, …, d) -> same; scores between rotated queries and keys depend on their distance alone.
    """
    length, half = x.shape[1], x.shape[-1] // 2
    frequency = base ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = torch.arange(length, device=x.device, dtype=torch.float32)[:, None] * frequency  # (L, d/2)
    turn = torch.polar(torch.ones_like(angle), angle).view(length, *[1] * (x.dim() - 3), half)
    pairs = torch.view_as_complex(x.float().unflatten(-1, (half, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


class Block(nn.Module):
    """x + attention(norm x), then x + mlp(norm x) (pre-norm: Xiong et al. 2020)."""

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x = x + self.out(self.attend(self.qkv(self.norm_attention(x))))
        return x + self.down(gelu(self.up(self.norm_mlp(x))))

    def attend(self, qkv: Tensor) -> Tensor:
        """(B, L, 3D) -> (B, L, D)."""
        qk, v = qkv.unflatten(-1, (3, -1, self.head_dim)).split((2, 1), dim=2)  # (B, L, 2, H, d), (B, L, 1, H, d)
        q, k = rotate(qk).transpose(1, 3).unbind(2)  # each (B, H, L, d)
        y = scaled_dot_product_attention(q, k, v[:, :, 0].transpose(1, 2), is_causal=True)
        return y.transpose(1, 2).flatten(-2)


class Transformer(SequenceModel):
    """Causal self-attention in heads of `head_dim`, and an MLP of 4 · dim, `layers` times (Vaswani 2017).

    Its state is the whole past.
    """

    def __init__(self, dim: int = 64, layers: int = 2, head_dim: int = 16) -> None:
        super().__init__(dim)
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        if head_dim < 2 or head_dim % 2 or dim % head_dim:
            raise ValueError(f"dim must be a multiple of an even head_dim, got dim={dim}, head_dim={head_dim}")
        self.blocks = nn.ModuleList(Block(dim, head_dim) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        for block in self.blocks:
            x = block(x)
        return x

    def flops(self, length: int) -> int:
        """Parameters once a position, and two products (q·k and weights·v) with every earlier position."""
        return super().flops(length) + 2 * len(self.blocks) * length * (length + 1) * self.dim
