"""Windowed attention against a mask over the whole square of scores."""

from collections.abc import Callable

import torch
from torch import Tensor

from models.positions import rotate
from models.sliding_window import WindowAttention
from tests.bench.measures import alternate, clock


def masked_attention(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """The yardstick: rotary attention by softmax over all (L, L) scores, whatever lies outside the window masked."""
    t = torch.arange(q.shape[2])
    distance = t[:, None] - t
    scores = rotate(q) @ rotate(k).transpose(-1, -2) / q.shape[-1] ** 0.5
    return torch.softmax(scores.masked_fill((distance < 0) | (distance >= window), -torch.inf), dim=-1) @ v


def sliding_window(batch: int = 8, length: int = 1024, dim: int = 64, head_dim: int = 16, window: int = 128) -> str:
    """Forward and backward from queries, keys and values, on one thread."""
    torch.set_num_threads(1)
    mixer = WindowAttention(dim, window, head_dim)
    shape = batch, dim // head_dim, length, head_dim
    q, k, v = (torch.randn(shape, requires_grad=True) for _ in range(3))
    weight = torch.randn(shape)

    def seconds(attend: Callable[[], Tensor]) -> Callable[[], float]:
        return lambda: clock(lambda: torch.autograd.grad(attend(), (q, k, v), weight))

    naive, ours = alternate(
        seconds(lambda: masked_attention(q, k, v, window)), seconds(lambda: mixer.attend(q, k, v)), rounds=11
    )
    return f"{naive * 1e3:.0f} ms against {ours * 1e3:.0f} ms: {naive / ours:.1f} times"


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "masked square / sliding window, L = 1024, w = 128": (sliding_window, "≥ 8 times"),
}
