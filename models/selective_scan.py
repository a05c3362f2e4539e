"""The selective scan: a diagonal linear recurrence whose coefficients come with the input (Mamba, arXiv:2312.00752)."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 8  # positions whose states, (chunk, B, N, D), the torch path holds at a time: few enough to stay in the cache
HAS_NUMBA, HAS_MAMBA_SSM = (find_spec(package) is not None for package in ("numba", "mamba_ssm"))


def selective_scan(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    """h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_t, y_t = C_tᵀ h_t + skip ∘ x_t, from h = 0, each channel for itself.

    x, Δ (B, L, D), A (D, N), B, C (B, L, N), skip (D,) -> y (B, L, D) of x's type, computed in float32 or wider.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    scan = scan_for(x.device.type, wide)
    return scan(*(given.to(wide) for given in (x, delta, a, b, c, skip))).to(x.dtype)


Scan = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def scan_for(device: str, dtype: torch.dtype) -> Scan:
    """The fastest of the three below that can run there. All compute the same."""
    if device == "cuda" and HAS_MAMBA_SSM and dtype == torch.float32:
        return scan_fused
    return scan_compiled if device == "cpu" and HAS_NUMBA else scan_chunked


def scan_fused(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    """By the CUDA kernel of the paper's authors, which wants time last."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # pyright: ignore[reportMissingImports]

    x, delta, b, c = (given.transpose(1, 2).contiguous() for given in (x, delta, b, c))
    return selective_scan_fn(x, delta, a, b, c, skip).transpose(1, 2)


def scan_compiled(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    """By the CPU kernel of models/selective_scan_kernel.py; numba is imported with the first call."""
    from models.selective_scan_kernel import scan

    return scan(x, delta, a, b, c, skip.clone())[0]  # numpy fixes the storage of what it reads, which FSDP frees


def scan_chunked(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    """By torch alone."""
    # Time first, (L, B, …), and contiguous: products would hand a transposed layout on, and vectors be lost.
    u, delta, b, c = (given.transpose(0, 1).contiguous() for given in (delta * x, delta, b, c))
    y = _ChunkedScan.apply(u, delta, a.t().contiguous(), b, c)
    return torch.addcmul(y.transpose(0, 1), x, skip)


class _ChunkedScan(torch.autograd.Function):
    """y_t = C_tᵀ h_t with h_t = exp(Δ_t A) h_{t−1} + B_t u_tᵀ, chunk by chunk, with the backward pass written out.

    Kept for the backward pass is the state before each chunk; the others are computed again. With γ_t the gradient of
    h_t, γ_t = C_t δy_tᵀ + exp(Δ_{t+1} A) γ_{t+1}, and from it δu_t = B_tᵀ γ_t, δB_t = γ_t u_t, δC_t = h_t δy_t and,
    with ε_t = γ_t ∘ exp(Δ_t A) ∘ h_{t−1} the gradient of Δ_t A, δΔ_t = Σ_n ε_t A and δA = Σ_t ε_t Δ_t.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """u, Δ (L, B, D), A (N, D), B, C (L, B, N) -> y (L, B, D)."""
        state, starts, outputs = u.new_zeros(u.shape[1], *a.shape), [], []
        for u_k, delta_k, b_k, c_k in zip(*(given.split(CHUNK) for given in (u, delta, b, c)), strict=True):
            starts.append(state)
            _, h = _states(u_k, delta_k, a, b_k, state)
            state = h[-1].clone()  # a view would keep the whole chunk
            outputs.append((h * c_k[..., None]).sum(2))
        ctx.save_for_backward(u, delta, a, b, c, *starts)
        return torch.cat(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradients of u, Δ, A, B and C."""
        u, delta, a, b, c, *starts = ctx.saved_tensors
        to_a, carry, chunks = torch.zeros_like(a), torch.zeros_like(starts[0]), []
        parts = zip(*(given.split(CHUNK) for given in (u, delta, b, c, grad.contiguous())), starts, strict=True)
        for u_k, delta_k, b_k, c_k, grad_k, start in reversed(list(parts)):
            decay, h = _states(u_k, delta_k, a, b_k, start)
            gamma = c_k[..., None] * grad_k[:, :, None]  # (chunk, B, N, D)
            for gamma_t, decay_t in zip(reversed(gamma.unbind()), reversed(decay.unbind()), strict=True):
                carry = gamma_t.add_(carry) * decay_t
            epsilon = decay.mul_(gamma)
            epsilon[0] *= start
            epsilon[1:] *= h[:-1]
            to_a += (epsilon * delta_k[:, :, None]).sum((0, 1))
            to_u, to_delta = (gamma * b_k[..., None]).sum(2), (epsilon * a).sum(2)
            chunks.append((to_u, to_delta, (gamma * u_k[:, :, None]).sum(3), (h * grad_k[:, :, None]).sum(3)))
        to_u, to_delta, to_b, to_c = (torch.cat(pieces) for pieces in zip(*reversed(chunks), strict=True))
        return to_u, to_delta, to_a, to_b, to_c


def _states(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The decays exp(Δ_t A) and states h_t of a chunk, (chunk, B, N, D) each, from the state before it (B, N, D)."""
    decay = (delta[:, :, None] * a).exp_()
    h = b[..., None] * u[:, :, None]
    for decay_t, h_t in zip(decay.unbind(), h.unbind(), strict=True):
        start = h_t.addcmul_(decay_t, start)
    return decay, h
