"""The selective scan against a parallel scan in plain torch operations, forward and backward, on one thread."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from models.selective_scan import HAS_NUMBA, Scan, scan_chunked, scan_compiled
from tests.bench.measures import alternate, clock

SHAPE = (32, 256, 128, 16)  # B, L, D, N: two of Mamba's layers at dim 64 do this twice


def scan_parallel(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    """The yardstick: all states at once by a work-efficient parallel scan (Blelloch 1990). L is a power of two."""
    decay = torch.exp(delta[..., None] * a)  # (B, L, D, N)
    h = ParallelScan.apply(decay, (delta * x)[..., None] * b[:, :, None])
    return torch.addcmul((h @ c[..., None])[..., 0], x, skip)


class ParallelScan(torch.autograd.Function):
    """h_t = a_t h_{t−1} + b_t. Its gradient γ_t = δ_t + a_{t+1} γ_{t+1} is the same scan backwards in time."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """a, b (B, L, …) -> h."""
        h = b.clone()
        sweep(a.clone(), h)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradients of a and b."""
        a, h = ctx.saved_tensors
        gamma = grad.flip(1)
        sweep(torch.cat((a[:, :1], a[:, 1:].flip(1)), 1), gamma)
        gamma = gamma.flip(1)
        to_a = torch.zeros_like(a)
        torch.mul(gamma[:, 1:], h[:, :-1], out=to_a[:, 1:])
        return to_a, gamma


def sweep(a: Tensor, h: Tensor) -> None:
    """In place, h_t += a_t h_{t−1} in order of t: up a binary tree of spans, then down again."""
    length, span = h.shape[1], 1
    while span < length:
        left, right = slice(span - 1, None, 2 * span), slice(2 * span - 1, None, 2 * span)
        h[:, right].addcmul_(a[:, right], h[:, left])
        a[:, right] *= a[:, left]
        span *= 2
    while span > 1:
        span //= 2
        left, right = slice(2 * span - 1, length - span, 2 * span), slice(3 * span - 1, None, 2 * span)
        h[:, right].addcmul_(a[:, right], h[:, left])


def scan_inputs(batch: int, length: int, dim: int, states: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """x, Δ, A, B, C and skip as a trained Mamba might have them."""
    generator = torch.Generator().manual_seed(0)
    x, delta = torch.randn(2, batch, length, dim, generator=generator, dtype=dtype)
    b, c = torch.randn(2, batch, length, states, generator=generator, dtype=dtype)
    a = -(torch.arange(states, dtype=dtype) + 1) * torch.rand(dim, 1, generator=generator, dtype=dtype)
    return [given.requires_grad_() for given in (x, softplus(delta - 3), a, b, c, torch.ones(dim, dtype=dtype))]


def against_parallel(scan: Scan) -> str:
    torch.set_num_threads(1)
    inputs = scan_inputs(*SHAPE)
    weight = torch.randn(SHAPE[:3])

    def seconds(scan: Scan) -> float:
        return clock(lambda: torch.autograd.grad(scan(*inputs), inputs, weight))

    ours, parallel = alternate(lambda: seconds(scan), lambda: seconds(scan_parallel))
    return f"{ours * 1e3:.0f} ms against {parallel * 1e3:.0f} ms: {parallel / ours:.1f} times"


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "selective scan by torch alone / parallel scan": (lambda: against_parallel(scan_chunked), "≥ 1.2 times"),
    "selective scan by numba / parallel scan": (
        lambda: against_parallel(scan_compiled) if HAS_NUMBA else "numba is not installed",
        "≥ 8 times",
    ),
}
