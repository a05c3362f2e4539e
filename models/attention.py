"""One layer of causal self-attention."""

from typing import get_args

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.base import SequenceModel, divisible, one_of
from models.positions import RelativePositions, alibi, rotate


class Attention(SequenceModel):
    """y_t = Σ_{s≤t} softmax_s(q_t · k_s / √d) v_s in heads of d = `head_dim`, then a linear map (arXiv:1706.03762).

    `positions`: "rope" turns q_t by t and k_s by s, so that distance enters the product; "alibi" subtracts from each
    head's scores a multiple of it; "none" leaves order to the causal mask alone. Its state is the whole past.
    """

    def __init__(self, dim: int = 64, head_dim: int = 16, positions: RelativePositions = "rope") -> None:
        super().__init__(dim)
        one_of(get_args(RelativePositions), positions=positions)
        divisible(dim, head_dim=head_dim)
        if positions == "rope" and head_dim % 2:
            raise ValueError(f"head_dim must be even for rotary positions, got {head_dim}")
        self.head_dim, self.positions = head_dim, positions
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return self.merge(self.attend(*self.split(x)))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, D) -> queries, keys and values, each (B, H, L, d)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, -1, self.head_dim)).transpose(1, 3).unbind(2)  # from (B, H, 3, L, d)
        return q, k, v

    def merge(self, y: Tensor) -> Tensor:
        """(B, H, L, d) -> (B, L, D)."""
        return self.out(y.transpose(1, 2).flatten(-2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries, keys and values (B, H, L, d) -> what the queries read, (B, H, L, d)."""
        if self.positions == "alibi":
            return scaled_dot_product_attention(q, k, v, attn_mask=alibi(q.shape[1], q.shape[2], q))
        if self.positions == "rope":
            q, k = rotate(q), rotate(k)
        return scaled_dot_product_attention(q, k, v, is_causal=True)
