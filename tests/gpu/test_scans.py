"""Scans, long convolutions and chunks on a GPU against plain loops, with their gradients."""

import pytest
import torch
from torch import Tensor

from models.long_conv import causal_conv
from models.scans import diagonal_scan
from models.selective_scan import HAS_MAMBA_SSM, Scan, scan_chunked, scan_for, scan_fused, selective_scan
from tests.bench.matrix_states import LOOPS, pair
from tests.bench.state_spaces import plain_fft_conv, unbound_loop
from tests.gpu.devices import EVERYWHERE, near, with_gradients


def drawn(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def same(found: list[Tensor], expected: list[Tensor], share: float = 1e-4) -> None:
    near({str(i): each for i, each in enumerate(found)}, {str(i): each for i, each in enumerate(expected)}, share)


@EVERYWHERE
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize("length", [1, 300])
def test_diagonal_scan(device: str, dtype: torch.dtype, length: int) -> None:
    a, b, initial = drawn((3, length, 4), (3, length, 4), (3, 4), dtype=dtype)
    given = [0.9 * a / a.abs().clamp(min=1), b, initial]
    same(with_gradients(diagonal_scan, given, device), with_gradients(unbound_loop, given, "cpu"))


@EVERYWHERE
def test_long_convolution(device: str) -> None:
    given = drawn((2, 130, 3), (130, 3))
    same(with_gradients(causal_conv, given, device), with_gradients(plain_fft_conv, given, "cpu"))


def step_by_step(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    """h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_t, y_t = C_tᵀ h_t + skip ∘ x_t."""
    h, outputs = x.new_zeros(x.shape[0], *a.shape), []
    for x_t, delta_t, b_t, c_t in zip(*(each.unbind(1) for each in (x, delta, b, c)), strict=True):
        h = (delta_t[..., None] * a).exp() * h + (delta_t * x_t)[..., None] * b_t[:, None]
        outputs.append((h * c_t[:, None]).sum(-1) + skip * x_t)
    return torch.stack(outputs, 1)


def selective_inputs() -> list[Tensor]:
    x, delta, a, b, c, skip = drawn((2, 77, 32), (2, 77, 32), (32, 16), (2, 77, 16), (2, 77, 16), (32,))
    return [x, 0.1 * delta.abs(), -a.abs() - 0.1, b, c, skip]


@EVERYWHERE
@pytest.mark.parametrize("scan", [selective_scan, scan_chunked])
def test_selective_scan(scan: Scan, device: str) -> None:
    """The fastest that can run there, and the one by torch alone."""
    given = selective_inputs()
    same(with_gradients(scan, given, device), with_gradients(step_by_step, given, "cpu"), 1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_MAMBA_SSM, reason="mamba_ssm is not installed")
def test_the_kernel_of_mambas_authors_is_taken_and_is_the_loop() -> None:
    assert scan_for("cuda", torch.float32) is scan_fused
    given = selective_inputs()
    same(with_gradients(scan_fused, given, "cuda"), with_gradients(step_by_step, given, "cpu"), 1e-3)


@EVERYWHERE
@pytest.mark.parametrize("name", LOOPS)
def test_chunks_of_matrix_states(name: str, device: str) -> None:
    """In double precision, which no fused kernel takes: one layer, its chunks against its steps."""
    torch.manual_seed(0)
    mixer, by_steps = pair(name, 32)
    mixer.double()
    (x,) = drawn((2, 70, 32), dtype=torch.float64)
    expected = with_gradients(by_steps, [x], "cpu")
    same(with_gradients(mixer.to(device), [x], device), expected, 1e-6)
