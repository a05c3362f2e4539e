"""Attention to the latest positions alone."""

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from models.attention import Attention
from models.base import StreamingModel, at_least
from models.positions import rotate
from models.residual import StreamingStack

BLOCK = 64  # queries at once: fewer leave the kernel too little to do, more read too much that is masked
State = tuple[Tensor, Tensor, Tensor]


class WindowAttention(Attention, StreamingModel):
    """Rotary attention of each position to itself and the `window` − 1 before it (w in what follows).

    The sequence is cut into blocks of c = min(w, 64). The first ⌈w/c⌉ attend among themselves, every later one to
    itself and the ⌈w/c⌉ before it, so that the cost grows with L (w + c) and not with L². State: the last w − 1 keys
    and values, not yet rotated, (B, H, w − 1, d) each, and how many inputs have gone by, (B,).
    """

    def __init__(self, dim: int = 64, window: int = 32, head_dim: int = 16) -> None:
        super().__init__(dim, head_dim, positions="rope")
        at_least(1, window=window)
        self.window = window

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries, keys and values (B, H, L, d) -> what the queries read, (B, H, L, d)."""
        shape, length = q.shape, q.shape[2]
        c = min(self.window, BLOCK)
        back = -(-self.window // c)  # ⌈w/c⌉
        q, k, v = (each.flatten(0, 1) for each in (rotate(q), rotate(k), v))  # (B H, L, d)
        first = self.read(*(each[:, None, : back * c] for each in (q, k, v)))[:, 0]
        if length <= back * c:
            return first.view(shape)
        # what pads the end lies in everybody's future
        q, k, v = (pad(each, (0, 0, 0, -length % c)).unflatten(1, (-1, c)) for each in (q, k, v))  # (B H, L/c, c, d)
        n = q.shape[1] - back
        k, v = (torch.cat([each[:, i : i + n] for i in range(back + 1)], dim=2) for each in (k, v))  # (B H, n, K, d)
        later = self.read(q[:, back:], k, v).flatten(1, 2)
        return torch.cat((first, later[:, : length - back * c]), dim=1).view(shape)

    def read(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries (…, S, d), the last S among the K positions of keys and values (…, K, d) -> (…, S, d)."""
        n_queries, n_keys = q.shape[-2], k.shape[-2]
        before = n_keys - n_queries  # query i stands at place before + i
        visible = torch.ones(n_queries, n_keys, dtype=torch.bool, device=q.device)
        return scaled_dot_product_attention(q, k, v, attn_mask=visible.tril(before).triu(before - self.window + 1))

    def receptive_field(self, length: int) -> int:
        """The window."""
        return self.window

    def init_state(self, batch: int) -> State:
        """Room for keys and values, and no input yet."""
        room = self.zeros(batch, self.dim // self.head_dim, self.window - 1, self.head_dim)
        return room, room.clone(), torch.zeros(batch, dtype=torch.long, device=room.device)

    def step(self, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, D) and the state -> (B, D) and the next state."""
        q, *new = self.split(x_t[:, None])
        k, v = (torch.cat(pair, dim=2) for pair in zip(state, new, strict=False))  # (B, H, w, d)
        gone, last = state[2], self.window - 1
        visible = torch.arange(self.window, device=x_t.device) >= last - gone[:, None]  # (B, w)
        y = scaled_dot_product_attention(rotate(q, start=last), rotate(k), v, attn_mask=visible[:, None, None])
        return self.merge(y)[:, 0], (k[:, :, 1:], v[:, :, 1:], gone + 1)


class SlidingWindow(StreamingStack):
    """A Transformer whose attention ends `window` − 1 positions back (Longformer, arXiv:2004.05150).

    Pre-norm, rotary positions, an MLP of 4 · dim. Each layer hands on what it has seen, so that n layers see exactly
    n (window − 1) + 1 inputs.
    """

    def __init__(self, dim: int = 64, layers: int = 2, window: int = 32, head_dim: int = 16) -> None:
        at_least(1, layers=layers)
        super().__init__(dim, (WindowAttention(dim, window, head_dim) for _ in range(layers)), mlp=4)
