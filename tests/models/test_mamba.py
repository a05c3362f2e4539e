"""Mamba against its equations, and every way to run its scan against the plain loop."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

import models.selective_scan as scans
from models.mamba import Mamba, SelectiveSsm
from models.selective_scan import (
    HAS_MAMBA_SSM,
    HAS_NUMBA,
    Scan,
    scan_chunked,
    scan_compiled,
    scan_for,
    scan_fused,
    selective_scan,
)
from tests.bench.mamba import scan_inputs, scan_parallel

needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
PATHS = [scan_chunked, pytest.param(scan_compiled, marks=needs_numba)]
SHAPES = [(1, 1, 1, 1), (2, 37, 5, 3), (1, 33, 150, 16), (3, 16, 16, 4)]  # B, L, D, N: odd, and over block borders


def scan_loop(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor) -> Tensor:
    h, outputs = torch.zeros(len(x), *a.shape, dtype=x.dtype), []
    for t in range(x.shape[1]):
        h = torch.exp(delta[:, t, :, None] * a) * h + (delta[:, t] * x[:, t])[..., None] * b[:, t, None]
        outputs.append(torch.einsum("bdn,bn->bd", h, c[:, t]) + skip * x[:, t])
    return torch.stack(outputs, 1)


def with_gradients(scan: Scan, inputs: list[Tensor], weight: Tensor) -> list[Tensor]:
    y = scan(*inputs)
    return [y, *torch.autograd.grad(y, inputs, weight)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-11)])
@pytest.mark.parametrize("scan", PATHS)
def test_every_path_is_the_loop(
    scan: Scan, dtype: torch.dtype, tolerance: float, shape: tuple[int, int, int, int]
) -> None:
    inputs, weight = scan_inputs(*shape, dtype=dtype), torch.randn(shape[:3], dtype=dtype)
    pairs = zip(with_gradients(scan, inputs, weight), with_gradients(scan_loop, inputs, weight), strict=True)
    for ours, loop in pairs:
        torch.testing.assert_close(
            ours, loop, rtol=tolerance, atol=tolerance * max(1.0, float(loop.detach().abs().max()))
        )


@pytest.mark.parametrize("scan", PATHS)
def test_every_path_is_the_parallel_scan(scan: Scan) -> None:
    """The yardstick of the bench computes what it is measured against."""
    inputs, weight = scan_inputs(2, 64, 6, 4, torch.float64), torch.randn(2, 64, 6, dtype=torch.float64)
    for ours, parallel in zip(*(with_gradients(each, inputs, weight) for each in (scan, scan_parallel)), strict=True):
        torch.testing.assert_close(ours, parallel)


@pytest.mark.skipif(
    not (HAS_MAMBA_SSM and torch.cuda.is_available()),
    reason="needs a CUDA device and the package mamba_ssm, which is built against an installed CUDA toolkit",
)
def test_the_fused_kernel_is_the_chunked_path() -> None:
    inputs = [given.detach().cuda().requires_grad_() for given in scan_inputs(2, 37, 16, 16)]
    weight = torch.randn(2, 37, 16, device="cuda")
    for ours, theirs in zip(
        *(with_gradients(each, inputs, weight) for each in (scan_chunked, scan_fused)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(ours.detach().abs().max()))


@pytest.mark.parametrize("scan", PATHS)
def test_gradients_agree_with_finite_differences(scan: Scan) -> None:
    assert torch.autograd.gradcheck(scan, scan_inputs(1, 18, 2, 2, torch.float64))


@pytest.mark.parametrize("scan", PATHS)
def test_memory_layout_does_not_matter(scan: Scan) -> None:
    inputs = [given.detach() for given in scan_inputs(2, 20, 6, 4)]
    strided = [torch.stack((given, given), -1)[..., 0] for given in inputs]
    assert not any(given.is_contiguous() for given in strided)
    torch.testing.assert_close(scan(*strided), scan(*inputs))


@pytest.mark.parametrize("scan", PATHS)
def test_states_are_not_all_kept(scan: Scan) -> None:
    """All of them would be B·L·D·N numbers; the paths keep one state a chunk, and their inputs."""
    kept: set[tuple[int, int]] = set()

    def pack(tensor: Tensor) -> Tensor:
        kept.add((tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = scan(*scan_inputs(2, 256, 8, 64))
    assert y.requires_grad
    assert sum(n_bytes for _, n_bytes in kept) < 4 * 2 * 256 * 8 * 64 / 2


@pytest.mark.parametrize("scan", PATHS)
def test_what_is_not_a_number_stays_visible(scan: Scan) -> None:
    x, *others = (given.detach() for given in scan_inputs(1, 40, 4, 4))
    x[0, 20, 1] = math.nan
    y = scan(x, *others)
    assert y[0, 20:, 1].isnan().all()
    assert y[0, :20].isfinite().all()
    assert y[0, :, 2].isfinite().all()


def test_autocast_scans_in_float32() -> None:
    layer, x = SelectiveSsm(dim=16), torch.randn(2, 50, 16)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    y.float().square().sum().backward()
    assert (y - expected).norm() < 0.02 * expected.norm()
    assert layer.a_log.grad is not None
    assert layer.a_log.grad.isfinite().all()
    narrow = [given.detach().bfloat16() for given in scan_inputs(2, 50, 4, 4)]
    exact = selective_scan(*(given.float() for given in narrow))
    assert torch.equal(selective_scan(*narrow), exact.bfloat16())


def test_the_path_follows_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "HAS_NUMBA", True)
    monkeypatch.setattr(scans, "HAS_MAMBA_SSM", True)
    assert scan_for("cpu", torch.float64) is scan_compiled
    assert scan_for("cuda", torch.float32) is scan_fused
    assert scan_for("cuda", torch.float64) is scan_for("meta", torch.float32) is scan_chunked
    monkeypatch.setattr(scans, "HAS_NUMBA", False)
    monkeypatch.setattr(scans, "HAS_MAMBA_SSM", False)
    assert scan_for("cpu", torch.float32) is scan_for("cuda", torch.float32) is scan_chunked


@needs_numba
def test_exp2_is_right_to_float32() -> None:
    from numba import njit

    from models.selective_scan_kernel import exp2

    @njit
    def apply(exponents: np.ndarray, out: np.ndarray) -> None:
        for i in range(exponents.size):
            out[i] = exp2(exponents[i])

    exponents = np.concatenate((np.linspace(-126, 127, 200_001), np.linspace(-2, 2, 200_001), [-1e30, -127, -0.0]))
    exponents = exponents.astype(np.float32)
    out = np.empty_like(exponents)
    apply(exponents, out)
    expected = np.exp2(exponents[:-3].astype(np.float64))
    assert np.abs(out[:-3] / expected - 1).max() < 2e-7
    assert out[-3:].tolist() == [2.0**-126, 2.0**-126, 1.0]  # nothing below the normal numbers


@needs_numba
def test_the_operators_keep_torchs_rules() -> None:
    from models.selective_scan_kernel import scan

    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(scan, tuple(scan_inputs(2, 20, 3, 2)), test_utils=checks)


@needs_numba
def test_kernels_compile_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import CacheImpl

    from models.selective_scan_kernel import compiled

    def double(x: np.ndarray) -> None:
        x *= 2

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])  # where numba looks for one
    numbers = np.ones(3)
    compiled(double)(numbers)
    assert numbers.tolist() == [2.0, 2.0, 2.0]


def test_a_layer_is_its_equations() -> None:
    """Position by position and channel by channel, from the parameters alone."""
    layer, x = SelectiveSsm(dim=6, state=3, expand=2, kernel=2).double(), torch.randn(1, 5, 6, dtype=torch.float64)
    inputs, gates = (x[0] @ layer.project.weight.T).split(12, 1)  # (L, E) each
    before = torch.cat((torch.zeros(1, 12, dtype=torch.float64), inputs[:-1]))
    inputs = silu(layer.conv.weight[0] * before + layer.conv.weight[1] * inputs + layer.conv.bias)
    h, expected = torch.zeros(12, 3, dtype=torch.float64), []
    for u, gate in zip(inputs, gates, strict=True):
        narrow, b, c = (layer.select.weight @ u).split((1, 3, 3))
        delta = softplus(layer.widen @ narrow + layer.delta_bias)
        y = torch.zeros(12, dtype=torch.float64)
        for e in range(12):
            h[e] = torch.exp(-delta[e] * layer.a_log[e].exp()) * h[e] + delta[e] * u[e] * b
            y[e] = c @ h[e] + layer.skip[e] * u[e]
        expected.append(layer.out.weight @ (y * silu(gate)))
    torch.testing.assert_close(layer(x)[0], torch.stack(expected))


def test_it_starts_from_the_papers_rates_and_step_sizes() -> None:
    layer = SelectiveSsm(dim=256)
    assert layer.rank == 16
    torch.testing.assert_close(layer.a_log.exp(), torch.arange(1.0, 17).expand(512, 16))
    delta = softplus(layer.delta_bias.detach()).log10()
    assert -3.001 < delta.min() < -2.9
    assert -1.1 < delta.max() < -0.999
    assert abs(float(delta.mean()) + 2) < 0.15  # log-uniform


@pytest.mark.parametrize("field", ["layers", "state", "expand", "kernel"])
def test_sizes_must_be_positive(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Mamba(**{field: 0})
