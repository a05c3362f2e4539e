"""How fast the scan, the S4D kernel and the long convolution are, each against its plain form, forward and backward."""

from collections.abc import Callable

import torch
from torch import Tensor

from models.long_conv import causal_conv
from models.s4d import S4dMixer
from models.scans import diagonal_scan
from tests.bench.measures import alternate, clock

BATCH, LENGTH, DIM = 8, 1024, 128


def unbound_loop(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """h_t = a_t ∘ h_{t−1} + b_t, one step after the other, gradients by autograd."""
    h, outputs = torch.zeros_like(b[:, 0]) if initial is None else initial, []
    for a_t, b_t in zip(a.expand_as(b).unbind(1), b.unbind(1), strict=True):
        h = a_t * h + b_t
        outputs.append(h)
    return torch.stack(outputs, 1)


def vandermonde_kernel(mixer: S4dMixer, length: int) -> Tensor:
    """K_l = 2 Re Σ_n C_n B̄_n λ_n^l with every power of every λ formed, (L, D)."""
    log_lambda, b = mixer.discretised()
    powers = torch.exp(log_lambda[..., None] * torch.arange(length))  # (D, N/2, L)
    return 2 * ((torch.view_as_complex(mixer.c) * b)[..., None] * powers).sum(1).real.t()


def plain_fft_conv(x: Tensor, kernel: Tensor) -> Tensor:
    """The causal convolution by torch's FFTs, padded to 2L, gradients by autograd."""
    length = x.shape[1]
    spectrum = torch.fft.rfft(x, 2 * length, dim=1) * torch.fft.rfft(kernel, 2 * length, dim=0)
    return torch.fft.irfft(spectrum, 2 * length, dim=1)[:, :length]


def ratio(plain: Callable[[], Tensor], ours: Callable[[], Tensor]) -> str:
    """Forward and backward on one thread, as text."""
    torch.set_num_threads(1)
    weight = torch.randn(ours().shape)
    seconds = alternate(lambda: clock(lambda: plain().backward(weight)), lambda: clock(lambda: ours().backward(weight)))
    return f"{seconds[0] * 1e3:.1f} ms against {seconds[1] * 1e3:.1f} ms: {seconds[0] / seconds[1]:.1f} times"


def scan() -> str:
    a, b = torch.rand(BATCH, LENGTH, DIM, requires_grad=True), torch.randn(BATCH, LENGTH, DIM, requires_grad=True)
    return ratio(lambda: unbound_loop(a, b), lambda: diagonal_scan(a, b))


def kernel() -> str:
    mixer = S4dMixer(DIM, state=64, init="lin", dt_min=0.001, dt_max=0.1)
    return ratio(lambda: vandermonde_kernel(mixer, LENGTH), lambda: mixer.kernel(LENGTH))


def convolution() -> str:
    x, k = torch.randn(BATCH, LENGTH, DIM, requires_grad=True), torch.randn(LENGTH, DIM, requires_grad=True)
    return ratio(lambda: plain_fft_conv(x, k), lambda: causal_conv(x, k))


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "unbound loop / diagonal scan, L = 1024": (scan, "≥ 1.5 times"),
    "Vandermonde product / S4D kernel, L = 1024": (kernel, "≥ 5 times"),
    "torch's FFTs / long convolution, L = 1024": (convolution, "≥ 1.3 times"),
}
