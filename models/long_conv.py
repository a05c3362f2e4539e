"""The causal convolution as long as its input, by FFT."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def causal_conv(x: Tensor, kernel: Tensor) -> Tensor:
    """y_t = Σ_{j≤t} k_j ∘ x_{t−j}, each channel for itself, in O(L log L).

    x (B, L, D), kernel (L, D) -> (B, L, D), real; in half precision computed as float32.
    """
    x, kernel = (t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for t in (x, kernel))
    return _CausalConv.apply(x, kernel)


class _CausalConv(torch.autograd.Function):
    """Padded to 2L, a product of spectra. The gradients are the correlations with k and with x: conjugate spectra.

    Written out because autograd's own gradient of a real FFT is a complex one, twice the work.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        """(B, L, D), (L, D) -> (B, L, D)."""
        length = x.shape[1]
        ctx.n = n = padded(2 * length - 1)
        spectrum_x, spectrum_k = torch.fft.rfft(x, n, dim=1), torch.fft.rfft(kernel, n, dim=0)
        ctx.save_for_backward(spectrum_x, spectrum_k)
        return torch.fft.irfft(spectrum_x * spectrum_k, n, dim=1)[:, :length]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of x and of the kernel."""
        spectrum_x, spectrum_k = ctx.saved_tensors
        length, n = grad.shape[1], ctx.n
        spectrum = torch.fft.rfft(grad, n, dim=1)  # (B, n/2 + 1, D)
        to_x = torch.fft.irfft(spectrum * spectrum_k.conj(), n, dim=1)[:, :length]
        to_kernel = torch.fft.irfft((spectrum * spectrum_x.conj()).sum(0), n, dim=0)[:length]
        return to_x, to_kernel


def padded(length: int) -> int:
    """The least 2^i · {4, 5, 6, 7} at or above `length` (for 7 and more): sizes at which an FFT is quick."""
    unit = 1 << max(0, (length - 1).bit_length() - 3)
    return max(2, -(-length // unit) * unit)
