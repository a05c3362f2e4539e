"""The diagonal linear recurrence, in chunks."""

from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


def diagonal_scan(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """h_t = a_t ∘ h_{t−1} + b_t from h_{−1} = `initial` (zero without one), t = 0 … L−1.

    b (B, L, D), `a` anything that broadcasts to it, such as (D,) where it is the same at all times, `initial` (B, D)
    -> h (B, L, D); real or complex, in half precision computed as float32. Products of a_t are formed as such, never
    as exp Σ log a_t, so that a_t may be zero, negative or complex; |a_t| ≤ 1 keeps them finite.
    """
    a, b = (x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in (a, b))
    dtype = torch.result_type(a, b)
    a, b = a.to(dtype), b.to(dtype)
    initial = torch.zeros_like(b[:, 0]) if initial is None else initial.to(dtype)
    return _DiagonalScan.apply(a.view((1,) * (3 - a.dim()) + a.shape), b, initial)


class _DiagonalScan(torch.autograd.Function):
    """The gradient of a scan is a scan from the other end: δ_t = ∂/∂h_t + ā_{t+1} ∘ δ_{t+1}.

    It is the gradient of b_t; that of a_t is h̄_{t−1} ∘ δ_t, and that of the initial state ā_0 ∘ δ_0.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, initial: Tensor) -> Tensor:
        """(1 or B, 1 or L, D), (B, L, D), (B, D) -> (B, L, D)."""
        h = scan_chunks(a, b, initial)
        ctx.save_for_backward(a, h, initial)
        return h

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """Gradients of a, of b and of the initial state."""
        a, h, initial = ctx.saved_tensors
        a = a.conj().resolve_conj()
        following = a if a.shape[1] == 1 else torch.cat((a[:, 1:], a[:, :1]), dim=1)  # a_{t+1}; the last meets a zero
        delta = scan_chunks(following, grad, torch.zeros_like(initial), reverse=True)
        to_a = None
        if ctx.needs_input_grad[0]:
            to_a = torch.cat((initial[:, None], h[:, :-1]), dim=1).conj() * delta  # (B, L, D)
            to_a = to_a.sum_to_size(a.shape)
        return to_a, delta, a[:, 0] * delta[:, 0]


def scan_chunks(a: Tensor, b: Tensor, initial: Tensor, reverse: bool = False) -> Tensor:
    """The scan, forwards or from the last position to the first, without autograd.

    L is cut into about √L chunks of C ≈ √L positions. Step by step within a chunk, but in all chunks at once, it finds
    h from a zero state and the products of a so far; then, chunk after chunk, it adds product ∘ (state carried in):
    2 √L steps on large tensors in place of L on small ones.
    """
    length = b.shape[1]
    size = isqrt(length - 1) + 1
    missing = -length % size
    b = pad(b, (0, 0, missing, 0) if reverse else (0, 0, 0, missing)).unflatten(1, (-1, size))  # (B, n, C, D)
    if a.shape[1] > 1:
        a = pad(a, (0, 0, missing, 0) if reverse else (0, 0, 0, missing)).unflatten(1, (-1, size))
    else:
        a = a[:, :, None].expand(-1, -1, size, -1)  # (1 or B, 1, C, D)
    h, product = torch.empty_like(b), torch.empty_like(a, memory_format=torch.contiguous_format)
    order = range(size)[:: -1 if reverse else 1]
    h_t, product_t = torch.zeros_like(b[:, :, 0]), torch.ones_like(a[:, :, 0])
    for t in order:
        h_t = torch.addcmul(b[:, :, t], a[:, :, t], h_t, out=h[:, :, t])
        product_t = torch.mul(a[:, :, t], product_t, out=product[:, :, t])
    product = product.expand(-1, h.shape[1], -1, -1)
    for chunk in range(h.shape[1])[:: -1 if reverse else 1]:
        h[:, chunk].addcmul_(product[:, chunk], initial[:, None])
        initial = h[:, chunk, order[-1]]
    return h.flatten(1, 2)[:, missing:] if reverse else h.flatten(1, 2)[:, :length]
