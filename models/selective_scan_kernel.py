"""The selective scan on a CPU: h_t = exp(Δ_t A) h_{t−1} + B_t u_tᵀ, u = Δ ∘ x, y_t = C_tᵀ h_t + skip ∘ x_t.

Compiled by numba for one thread, at the first call and once for each float type, and kept beside this file for the next
process. Each loop's inner index runs over channels, so that it becomes vector instructions. The derivation of the
backward pass stands in models/selective_scan.py.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload
from torch import Tensor

CHUNK = 16  # positions between two states that the forward pass keeps
# Channels taken at a time: the backward pass holds 2 · CHUNK · N · LANES numbers, in the second-level cache.
LANES = 128

# All liberties but the assumption that nothing is infinite or NaN: training must see it when something is.
FAST_MATH = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function: Callable[..., None]) -> Any:
    """The function as machine code, kept on disk where some folder can be written."""
    try:
        return njit(cache=True, nogil=True, fastmath=FAST_MATH)(function)
    except RuntimeError:  # numba found no such folder
        return njit(nogil=True, fastmath=FAST_MATH)(function)


# 2^f for f in [−½, ½] to 10⁻⁷ of itself in float32: the polynomial through its values at the Chebyshev points.
_FIT = np.polynomial.Chebyshev.interpolate(np.exp2, 6, domain=[-0.5, 0.5]).convert(kind=np.polynomial.Polynomial)
P0, P1, P2, P3, P4, P5, P6 = (np.float32(p) for p in _FIT.coef)
LEAST, MOST = np.float32(-126), np.float32(127)  # exponents of float32's normal numbers


@intrinsic
def power_of_two(_: Any, k: Any) -> Any:
    """2^k of a whole float32 in [−126, 127], by writing k + 127 into the exponent's bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        int32 = ir.IntType(32)
        exponent = builder.add(builder.fptosi(arguments[0], int32), ir.Constant(int32, 127))
        return builder.bitcast(builder.shl(exponent, ir.Constant(int32, 23)), ir.FloatType())

    return types.float32(types.float32), generate


def exp2(v: float) -> float:
    """2^v inside compiled code. In float32 v is held to [−126, 127], and nothing is called: the loop stays vectors."""
    raise NotImplementedError("numba replaces it by one of the two below")


@overload(exp2, jit_options={"fastmath": FAST_MATH})
def _exp2(v: Any) -> Any:
    def by_polynomial(v: Any) -> Any:
        v = min(max(v, LEAST), MOST)
        k = np.rint(v)
        f = v - k
        scale = power_of_two(k)  # pyright: ignore[reportCallIssue]  # numba supplies the first argument
        return scale * (P0 + f * (P1 + f * (P2 + f * (P3 + f * (P4 + f * (P5 + f * P6))))))

    def by_library(v: Any) -> Any:
        return np.exp2(v)

    return by_polynomial if v == types.float32 else by_library


@njit(nogil=True, fastmath=FAST_MATH)
def multiply(x: Any, y: Any, product: Any) -> None:
    """Write x ∘ y to `product`."""
    for d in range(x.shape[0]):
        product[d] = x[d] * y[d]


@njit(nogil=True, fastmath=FAST_MATH)
def advance(before: Any, after: Any, decay: Any, u: Any, delta: Any, rate: Any, b: Any) -> None:
    """One position: decay = 2^(Δ rate), after = decay ∘ before + b uᵀ. States (N, D), u and Δ (D,), b (N,)."""
    for n in range(before.shape[0]):
        for d in range(before.shape[1]):
            decay[n, d] = exp2(delta[d] * rate[n, d])
            after[n, d] = decay[n, d] * before[n, d] + b[n] * u[d]


@njit(nogil=True, fastmath=FAST_MATH)
def read(h: Any, c: Any, y: Any) -> None:
    """Add cᵀ h to y."""
    for n in range(h.shape[0]):
        for d in range(h.shape[1]):
            y[d] += c[n] * h[n, d]


@compiled
def forward(x: Any, delta: Any, rates: Any, b: Any, c: Any, skip: Any, y: Any, starts: Any) -> None:
    """Fill y (B, L, D) and starts (B, ⌈L/CHUNK⌉, N, D), the states before each chunk."""
    batch, length, dim = x.shape
    for low in range(0, dim, LANES):
        high = min(low + LANES, dim)
        rate, u = rates[:, low:high].copy(), np.empty(high - low, x.dtype)
        h, after, decay = np.empty_like(rate), np.empty_like(rate), np.empty_like(rate)
        for i in range(batch):
            h[:] = 0
            for t in range(length):
                if t % CHUNK == 0:
                    starts[i, t // CHUNK, :, low:high] = h
                x_t, delta_t, y_t = x[i, t, low:high], delta[i, t, low:high], y[i, t, low:high]
                multiply(delta_t, x_t, u)
                advance(h, after, decay, u, delta_t, rate, b[i, t])
                h, after = after, h  # updating in place would hide from the compiler that the loop is parallel
                multiply(skip[low:high], x_t, y_t)
                read(h, c[i, t], y_t)


@njit(nogil=True, fastmath=FAST_MATH)
def retreat(
    carry: Any, before: Any, after: Any, decay: Any, u: Any, delta: Any, rate: Any, b: Any, c: Any, grad: Any,
    to_u: Any, to_exponent: Any, to_rate: Any, to_b: Any, to_c: Any,
) -> None:  # fmt: skip
    """One position backwards: add the gradients, and let `carry`, from γ_{t+1} on entry, hold decay ∘ γ_t.

    Three short loops, not one: with more arrays in a loop the compiler gives up proving that they do not overlap.
    """
    for n in range(carry.shape[0]):
        sum_b = sum_c = u.dtype.type(0)
        for d in range(carry.shape[1]):
            sum_c += after[n, d] * grad[d]
        for d in range(carry.shape[1]):
            gamma = carry[n, d] + c[n] * grad[d]
            sum_b += gamma * u[d]
            to_u[d] += gamma * b[n]
            carry[n, d] = gamma * decay[n, d]
        for d in range(carry.shape[1]):
            epsilon = carry[n, d] * before[n, d]
            to_exponent[d] += epsilon * rate[n, d]
            to_rate[n, d] += epsilon * delta[d]
        to_b[n] += sum_b
        to_c[n] += sum_c


@njit(nogil=True, fastmath=FAST_MATH)
def spread(to_u: Any, to_exponent: Any, x: Any, delta: Any, skip: Any, grad: Any, to_x: Any, to_delta: Any) -> None:
    """The gradients of x and Δ from those of u = Δ ∘ x, of the exponents and of y."""
    ln2 = x.dtype.type(math.log(2))  # as a Python float it would widen the sum to float64
    for d in range(x.shape[0]):
        to_x[d] = to_u[d] * delta[d] + skip[d] * grad[d]
        to_delta[d] = to_u[d] * x[d] + ln2 * to_exponent[d]


@compiled
def backward(
    x: Any, delta: Any, rates: Any, b: Any, c: Any, skip: Any, starts: Any, grad: Any,
    to_x: Any, to_delta: Any, to_rates: Any, to_b: Any, to_c: Any,
) -> None:  # fmt: skip
    """Fill the gradients of x and Δ; add those of the rates, B and C to zeros."""
    batch, length, dim = x.shape
    for low in range(0, dim, LANES):
        lanes = slice(low, min(low + LANES, dim))
        rate = rates[:, lanes].copy()
        carry, to_rate, decay = np.empty_like(rate), np.empty_like(rate), np.empty((CHUNK, *rate.shape), x.dtype)
        h = np.empty((CHUNK + 1, *rate.shape), x.dtype)  # before each position of a chunk, and after the last
        # Arrays of their own: of rows of one array the compiler could not tell that they do not overlap.
        u, to_u, to_exponent = np.empty_like(rate[0]), np.empty_like(rate[0]), np.empty_like(rate[0])
        for i in range(batch):
            carry[:], to_rate[:] = 0, 0
            for k in range(starts.shape[1] - 1, -1, -1):
                first, size = k * CHUNK, min(CHUNK, length - k * CHUNK)
                h[0] = starts[i, k, :, lanes]
                for s in range(size):
                    t = first + s
                    multiply(delta[i, t, lanes], x[i, t, lanes], u)
                    advance(h[s], h[s + 1], decay[s], u, delta[i, t, lanes], rate, b[i, t])
                for s in range(size - 1, -1, -1):
                    t = first + s
                    x_t, delta_t, grad_t = x[i, t, lanes], delta[i, t, lanes], grad[i, t, lanes]
                    multiply(delta_t, x_t, u)
                    to_u[:], to_exponent[:] = 0, 0
                    retreat(
                        carry, h[s], h[s + 1], decay[s], u, delta_t, rate, b[i, t], c[i, t], grad_t,
                        to_u, to_exponent, to_rate, to_b[i, t], to_c[i, t],
                    )  # fmt: skip
                    spread(
                        to_u, to_exponent, x_t, delta_t, skip[lanes], grad_t, to_x[i, t, lanes], to_delta[i, t, lanes]
                    )
            to_rates[:, lanes] += to_rate


@torch.library.custom_op("spanbench::selective_scan", mutates_args=(), device_types="cpu")
def scan(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    """x, Δ (B, L, D), A (D, N), B, C (B, L, N), skip (D,), of one type -> y (B, L, D) and the states kept."""
    y, starts = _scan_shapes(x, delta, a, b, c, skip)
    forward(*_arrays(x, delta, _rates(a), b, c, skip, y, starts))
    return y, starts


@torch.library.custom_op("spanbench::selective_scan_backward", mutates_args=(), device_types="cpu")
def scan_backward(
    x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, starts: Tensor, grad: Tensor
) -> list[Tensor]:
    """The gradients of x, Δ, A, B, C and skip from that of y."""
    rates = _rates(a)
    to_x, to_delta = x.new_empty(x.shape), x.new_empty(x.shape)
    to_rates, to_b, to_c = (x.new_zeros(given.shape) for given in (rates, b, c))
    backward(*_arrays(x, delta, rates, b, c, skip, starts, grad, to_x, to_delta, to_rates, to_b, to_c))
    return [to_x, to_delta, to_rates.t().contiguous(), to_b, to_c, (x * grad).sum((0, 1))]


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _rates(a: Tensor) -> Tensor:
    """A in powers of two, exp(Δ A) = 2^(Δ rate), channels last: (D, N) -> (N, D)."""
    return a.detach().t().contiguous() / math.log(2)


@scan.register_fake
def _scan_shapes(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    batch, length, dim = x.shape
    return x.new_empty(x.shape), x.new_empty(batch, -(-length // CHUNK), a.shape[1], dim)


@scan_backward.register_fake
def _gradient_shapes(
    x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, starts: Tensor, grad: Tensor
) -> list[Tensor]:
    return [given.new_empty(given.shape) for given in (x, delta, a, b, c, skip)]


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs, output[1])


def _gradients(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, ...]:
    return tuple(scan_backward(*ctx.saved_tensors, grad))


scan.register_autograd(_gradients, setup_context=_keep)
