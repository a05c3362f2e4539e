"""Scans and long convolutions against plain loops and torch's own FFT gradients."""

import math

import pytest
import torch

from models.long_conv import causal_conv, padded
from models.scans import diagonal_scan
from tests.bench.state_spaces import plain_fft_conv, unbound_loop
from tests.models.compare import same_with_gradients


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize("a_shape", [(3, 300, 4), (1, 300, 4), (300, 4), (4,)])
def test_scan_is_the_loop(a_shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    a = (torch.rand(a_shape, dtype=dtype) * 0.7).requires_grad_()
    b, initial = torch.randn(3, 300, 4, dtype=dtype, requires_grad=True), torch.randn(3, 4, dtype=dtype)
    initial.requires_grad_()
    same_with_gradients(diagonal_scan(a, b, initial), unbound_loop(a, b, initial), [a, b, initial])
    same_with_gradients(diagonal_scan(a, b), unbound_loop(a, b), [a, b])


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("length", [1, 2, 7, 9])
def test_scan_gradients_are_those_of_finite_differences(length: int, dtype: torch.dtype) -> None:
    a, b = torch.randn(2, length, 3, dtype=dtype), torch.randn(2, length, 3, dtype=dtype)
    arguments = [x.requires_grad_() for x in (a, b, torch.randn(2, 3, dtype=dtype))]
    assert torch.autograd.gradcheck(diagonal_scan, arguments)


def test_scan_forgets_where_a_is_zero_and_keeps_its_gradients_finite() -> None:
    a, b = torch.full((1, 50, 1), 0.5), torch.ones(1, 50, 1)
    a[:, 20] = 0
    a.requires_grad_()
    h = diagonal_scan(a, b)
    assert h[0, 20] == 1
    h.sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert a.grad[0, 20] > 0


def test_scan_and_convolution_work_in_float32_where_inputs_are_halves() -> None:
    x, k = torch.randn(2, 40, 3).bfloat16(), torch.rand(40, 3).bfloat16()
    assert torch.equal(diagonal_scan(k, x), diagonal_scan(k.float(), x.float()))
    assert torch.equal(causal_conv(x, k), causal_conv(x.float(), k.float()))


@pytest.mark.parametrize("length", [1, 2, 3, 64, 91])
def test_convolution_is_its_sum(length: int) -> None:
    x, k = torch.randn(2, length, 3, dtype=torch.float64), torch.randn(length, 3, dtype=torch.float64)
    rows = [sum((k[j] * x[:, t - j] for j in range(t + 1)), start=torch.zeros(2, 3)) for t in range(length)]
    torch.testing.assert_close(causal_conv(x, k), torch.stack([torch.as_tensor(row) for row in rows], 1))
    if length < 4:
        assert torch.autograd.gradcheck(causal_conv, (x.requires_grad_(), k.requires_grad_()))


def test_convolution_is_torchs_with_its_gradients() -> None:
    x, k = torch.randn(2, 130, 3, requires_grad=True), torch.randn(130, 3, requires_grad=True)
    same_with_gradients(causal_conv(x, k), plain_fft_conv(x, k), [x, k])


def test_padded_lengths_are_small_factors_times_powers_of_two() -> None:
    for length in range(1, 3000):
        n = padded(length)
        assert length <= n <= max(2, math.ceil(1.25 * length))
        assert n // (n & -n) in (1, 3, 5, 7)
