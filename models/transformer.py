"""The Transformer decoder, pre-norm, with rotary positions."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from models.base import SequenceModel


def rotate(x: Tensor, base: float = 10_000.0) -> Tensor:
    """Rotary positions (arXiv:2104.09864): the pair (x_i, x_{i+d/2}) at position t is turned by t · base^(−2i/d).

    x (B, H, L, d) -> same; scores between rotated queries and keys depend on their distance alone.
    """
    length, half = x.shape[-2], x.shape[-1] // 2
    frequency = base ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = torch.arange(length, device=x.device, dtype=torch.float32)[:, None] * frequency  # (L, d/2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Block(nn.Module):
    """x + attention(norm x), then x + mlp(norm x) (pre-norm: Xiong et al. 2020)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x = x + self.out(self.attend(self.qkv(self.norm_attention(x))))
        return x + self.down(gelu(self.up(self.norm_mlp(x))))

    def attend(self, qkv: Tensor) -> Tensor:
        """(B, L, 3D) -> (B, L, D)."""
        batch, length, _ = qkv.shape
        q, k, v = qkv.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each (B, H, L, D/H)
        y = scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        return y.transpose(1, 2).reshape(batch, length, -1)


class Transformer(SequenceModel):
    """Causal self-attention and an MLP of 4 · dim, `layers` times (Vaswani 2017). Its state is the whole past."""

    def __init__(self, dim: int = 64, layers: int = 2, heads: int = 4) -> None:
        super().__init__(dim)
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        if heads < 1 or dim % (2 * heads):
            raise ValueError(f"dim must be a multiple of 2 * heads (rotary pairs), got dim={dim}, heads={heads}")
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        for block in self.blocks:
            x = block(x)
        return x

    def flops(self, length: int) -> int:
        """Parameters once a position, and two products (q·k and weights·v) with every earlier position."""
        return super().flops(length) + 2 * len(self.blocks) * length * (length + 1) * self.dim
