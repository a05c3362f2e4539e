"""State spaces against dense matrices and scipy; recurrences and filters against their equations."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import scipy.signal
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from models.hyena import Hyena, HyenaMixer, ImplicitFilter
from models.lru import Lru, LruMixer
from models.min_gru import MinGru, MinGruMixer
from models.s4 import S4, S4Mixer
from models.s4d import S4d, S4dMixer
from models.ssm import Ssm, legs, legs_eigenbasis
from tests.bench.state_spaces import vandermonde_kernel
from tests.models.compare import same_with_gradients

MIXERS: dict[str, Callable[[], Ssm]] = {
    "s4": lambda: S4Mixer(6, state=16, dt_min=0.001, dt_max=0.1),
    "s4d lin": lambda: S4dMixer(6, state=16, init="lin", dt_min=0.001, dt_max=0.1),
    "s4d legs": lambda: S4dMixer(6, state=16, init="legs", dt_min=0.001, dt_max=0.1),
}


@pytest.fixture(params=MIXERS)
def mixer(request: pytest.FixtureRequest) -> Ssm:
    """A state space whose every parameter has moved since its initialisation."""
    torch.manual_seed(0)
    mixer = MIXERS[request.param]()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return mixer


def test_legs_is_the_published_formula() -> None:
    a, b = legs(8)
    for n in range(8):
        assert b[n] == pytest.approx((2 * n + 1) ** 0.5)
        for k in range(8):
            below = -((2 * n + 1) ** 0.5) * (2 * k + 1) ** 0.5
            assert a[n, k] == pytest.approx(below if n > k else -(n + 1) if n == k else 0)


def test_legs_is_normal_plus_low_rank() -> None:
    """Its transfer functions, which no basis changes, are those of Λ − P P* on both halves of the pairs."""
    a, b = legs(16)
    p = (torch.arange(16, dtype=torch.float64) + 0.5).sqrt()
    normal = a + p[:, None] * p
    torch.testing.assert_close(normal @ normal.T, normal.T @ normal)
    poles, p_v, b_v = (torch.cat((half, half.conj())) for half in legs_eigenbasis(16))
    diagonal_plus_low_rank = torch.diag(poles) - p_v[:, None] * p_v.conj()
    for s in (0.3, 2.0 + 5j, -0.1 + 40j):
        dense = torch.linalg.inv(s * torch.eye(16) - a.to(torch.complex128))
        ours = torch.linalg.inv(s * torch.eye(16) - diagonal_plus_low_rank)
        for u, v, u_v, v_v in ((b, b, b_v, b_v), (p, b, p_v, b_v), (b, p, b_v, p_v)):
            torch.testing.assert_close(u_v.conj() @ ours @ v_v, u.to(dense.dtype) @ dense @ v.to(dense.dtype))


def both(half: Tensor) -> Tensor:
    return torch.cat((half, half.conj()), dim=-1).detach()


def continuous(mixer: Ssm) -> tuple[Tensor, Tensor, Tensor]:
    """A (D, N, N), B (D, N) and C (D, N) of a mixer, dense, over both halves of the pairs."""
    a, c = torch.diag_embed(both(mixer.poles())), both(torch.view_as_complex(mixer.c))
    if isinstance(mixer, S4Mixer):
        p, b = (both(torch.view_as_complex(each)) for each in (mixer.p, mixer.b))
        return a - p[..., None] * p.conj()[:, None], b, c
    return a, torch.ones_like(c), c


def test_kernels_and_steps_are_those_of_scipys_discretisation(mixer: Ssm) -> None:
    """K_l = C Ā^l B̄ with dense Ā and B̄, and Ā h + B̄ x from a random state."""
    mixer = mixer.double()
    a, b, c = continuous(mixer)
    length = 120
    kernel = mixer.kernel(length)
    half = torch.randn(1, *mixer.c.shape[:2], dtype=torch.complex128)
    x_t = torch.randn(1, mixer.dim, dtype=torch.float64)
    after = mixer.advance(x_t, half)
    method = "bilinear" if isinstance(mixer, S4Mixer) else "zoh"
    for d, dt in enumerate(mixer.log_dt.exp().tolist()):
        system = (a[d].numpy(), b[d][:, None].numpy(), c[d][None].numpy(), 0)
        discrete: Any = scipy.signal.cont2discrete(system, dt, method)
        a_bar, b_bar = (torch.from_numpy(each) for each in discrete[:2])
        h, expected = b_bar[:, 0], []
        for _ in range(length):
            expected.append((c[d] @ h).real)
            h = a_bar @ h
        torch.testing.assert_close(kernel[:, d], torch.stack(expected), rtol=1e-7, atol=1e-8)
        stepped = a_bar @ both(half[0, d]) + b_bar[:, 0] * x_t[0, d]
        torch.testing.assert_close(after[0, d], stepped[: half.shape[-1]])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-8)])
def test_convolution_is_the_recurrence(mixer: Ssm, dtype: torch.dtype, tolerance: float) -> None:
    mixer, x = mixer.to(dtype), torch.randn(2, 250, 6, dtype=dtype)
    state, outputs = mixer.init_state(2), []
    for x_t in x.unbind(1):
        y, state = mixer.step(x_t, state)
        outputs.append(y)
    y = mixer(x)
    torch.testing.assert_close(y, torch.stack(outputs, 1), rtol=0, atol=tolerance * float(y.detach().abs().max()))


def test_default_s4_in_float32_is_itself_in_float64() -> None:
    torch.manual_seed(0)
    mixer = S4Mixer(16, state=64, dt_min=0.001, dt_max=0.1)
    kernel, exact = mixer.kernel(1000), mixer.double().kernel(1000)
    assert ((kernel - exact).abs().amax(0) / exact.abs().amax(0)).max() < 1e-4


def test_kernel_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    mixer = S4Mixer(2, state=4, dt_min=0.01, dt_max=0.1).double()
    names = list(dict(mixer.named_parameters()))[:7]

    def kernel(*values: Tensor) -> Tensor:
        other = S4Mixer(2, state=4, dt_min=0.01, dt_max=0.1).double()
        for name, value in zip(names, values, strict=True):
            delattr(other, name)
            setattr(other, name, value)
        return other.kernel(5)

    values = [getattr(mixer, name).detach().requires_grad_() for name in names]
    assert {"p", "b", "c", "log_decay", "frequency", "log_dt"} <= set(names)
    assert torch.autograd.gradcheck(kernel, values)


@pytest.mark.parametrize("length", [1, 2, 65, 300])
def test_s4d_kernel_is_the_vandermonde_product(length: int) -> None:
    torch.manual_seed(0)
    mixer = S4dMixer(8, state=64, init="lin", dt_min=0.001, dt_max=0.1)
    wanted: list[Tensor] = [mixer.c, mixer.log_decay, mixer.frequency, mixer.log_dt]
    same_with_gradients(mixer.kernel(length), vandermonde_kernel(mixer, length), wanted)


def test_s4d_starts_where_its_paper_says() -> None:
    lin = S4dMixer(3, state=8, init="lin", dt_min=0.01, dt_max=0.1).poles()
    torch.testing.assert_close(lin[1], -0.5 + 1j * math.pi * torch.arange(4))
    legs_poles = S4dMixer(3, state=8, init="legs", dt_min=0.01, dt_max=0.1).poles()
    a, _ = legs(8)
    p = (torch.arange(8) + 0.5).sqrt()
    dense = torch.linalg.eigvals(a + p[:, None] * p)
    omega = dense[dense.imag > 0].imag.sort().values.float()
    torch.testing.assert_close(legs_poles[1], -0.5 + 1j * omega)


def test_lru_is_its_equation() -> None:
    torch.manual_seed(0)
    mixer, x = LruMixer(5, 7, 0.5, 0.99, math.pi).double(), torch.randn(2, 60, 5, dtype=torch.float64)
    weights = {name: each.detach() for name, each in mixer.named_parameters()}
    eigenvalues = torch.exp(-weights["nu"].exp() + 1j * weights["theta"].exp())
    b = torch.complex(weights["b.weight"][::2], weights["b.weight"][1::2])  # (N, D)
    c = torch.complex(weights["c.weight"][:, ::2], -weights["c.weight"][:, 1::2])  # (D, N)
    h, expected = torch.zeros(2, 7, dtype=torch.complex128), []
    for x_t in x.unbind(1):
        h = eigenvalues * h + weights["log_gamma"].exp() * (x_t.to(h.dtype) @ b.T)
        y = (h @ c.T).real + weights["d"] * x_t
        expected.append(glu(gelu(y) @ weights["out.weight"].T + weights["out.bias"], -1))
    torch.testing.assert_close(mixer(x), torch.stack(expected, 1))


def test_lru_starts_on_its_ring_with_states_of_the_inputs_variance() -> None:
    torch.manual_seed(0)
    mixer = LruMixer(4, 4000, 0.6, 0.9, math.pi / 2)
    eigenvalues = mixer.eigenvalues()
    assert eigenvalues.abs().min() >= 0.6 - 1e-6
    assert eigenvalues.abs().max() <= 0.9 + 1e-6
    assert eigenvalues.angle().min() >= 0
    assert eigenvalues.angle().max() <= math.pi / 2 + 1e-6
    inner = (eigenvalues.abs() < (0.6**2 / 2 + 0.9**2 / 2) ** 0.5).float().mean()  # half of the ring's area
    assert inner == pytest.approx(0.5, abs=0.03)
    variance = mixer.log_gamma.exp() ** 2 * sum(eigenvalues.abs() ** (2 * j) for j in range(200))
    torch.testing.assert_close(variance, torch.ones(4000), rtol=1e-3, atol=1e-3)


def test_min_gru_is_its_equation() -> None:
    mixer, x = MinGruMixer(5, forget_bias=1.5).double(), torch.randn(2, 60, 5, dtype=torch.float64)
    h, expected = torch.zeros(2, 5, dtype=torch.float64), []
    for x_t in x.unbind(1):
        z = torch.sigmoid(x_t @ mixer.gate.weight.T + mixer.gate.bias)
        h = (1 - z) * h + z * (x_t @ mixer.candidate.weight.T + mixer.candidate.bias)
        expected.append(h)
    torch.testing.assert_close(mixer(x), torch.stack(expected, 1))


def test_min_gru_keeps_what_its_forget_bias_says() -> None:
    kept, _ = MinGruMixer(4, forget_bias=2.0).kept_and_added(torch.zeros(1, 4))
    torch.testing.assert_close(kept, torch.full((1, 4), 1 / (1 + math.exp(-2.0))))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_hyena_is_its_equation(order: int) -> None:
    torch.manual_seed(0)
    mixer = HyenaMixer(3, order, width=8, bands=2, max_length=64).double()
    x, length = torch.randn(1, 20, 3, dtype=torch.float64), 20
    projected = x @ mixer.project.weight.T
    weight = mixer.short.weight.T[:, None]  # (channels, 1, kernel)
    convolved = nn.functional.conv1d(projected.mT, weight, mixer.short.bias, padding=2, groups=len(weight))
    v, *gates = convolved.mT[0, :length].split(3, dim=-1)
    filters = mixer.filters(length).split(3, dim=-1)
    for n in range(order):
        v = torch.stack([
            gates[n][t] * (mixer.d[n] * v[t] + torch.stack([filters[n][j] * v[t - j] for j in range(t + 1)]).sum(0))
            for t in range(length)
        ])  # fmt: skip
    torch.testing.assert_close(mixer(x)[0], v @ mixer.out.weight.T)


def test_a_short_hyena_filter_begins_a_long_one_under_windows_of_unit_energy() -> None:
    torch.manual_seed(0)
    filters = ImplicitFilter(6, width=8, bands=4, max_length=100)
    torch.testing.assert_close(filters(300)[:40], filters(40))
    last = filters.network[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.ones_(last.bias)
    energy = filters(2000).detach().square().sum(0).sort(descending=True).values
    alpha = filters.log_alpha.detach().exp().sort().values
    assert 1 / alpha[0] == pytest.approx(100, rel=1e-5)
    assert 1 / alpha[-1] == pytest.approx(2, rel=1e-5)
    torch.testing.assert_close(energy.sort().values, 2 * alpha / (1 - torch.exp(-2 * alpha)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: S4(state=7), "state"),
        (lambda: S4d(state=0), "state"),
        (lambda: S4d(init="inv"), "init"),  # pyright: ignore
        (lambda: S4(dt_min=0.2), "dt_min"),
        (lambda: S4(layers=0), "layers"),
        (lambda: Lru(state=0), "state"),
        (lambda: Lru(r_min=0.9, r_max=1.0), "r_max"),
        (lambda: Lru(max_phase=0), "max_phase"),
        (lambda: MinGru(layers=0), "layers"),
        (lambda: Hyena(mlp=-1), "mlp"),
        (lambda: Hyena(order=0), "order"),
        (lambda: Hyena(bands=0), "bands"),
        (lambda: Hyena(max_length=1), "max_length"),
        (lambda: Hyena(dim=0), "dim"),
    ],
)
def test_bad_arguments_are_named(build: Callable[[], nn.Module], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        build()
