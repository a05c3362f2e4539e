"""Matrix states: chunks against loops over steps, and what each architecture claims of itself."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import elu, normalize, softplus

from models import fused
from models.gated_deltanet import GatedDeltaNet
from models.gla import Gla, GlaMixer
from models.linear_attention import LinearAttentionMixer
from models.mamba2 import Mamba2
from models.matrix_state import SAFE, TimeStep, channel_decay, delta_rule, scalar_decay
from models.mlstm import Forget, MlstmMixer
from models.residual import ResidualStack
from tests.bench.matrix_states import LOOPS, loop, pair

CHUNKS_AND_LENGTHS = [(1, 5), (7, 20), (16, 64), (32, 65), (64, 10)]


def parts(length: int, heads: int = 2, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """q and k (3, L, H, 6), v (3, L, H, 4)."""
    return [torch.randn(3, length, heads, width, dtype=dtype, requires_grad=True) for width in (6, 6, 4)]


def log_decays(*shape: int, dtype: torch.dtype = torch.float64, strongest: float = -60.0) -> Tensor:
    """A mixture of keeping nearly all, of keeping about half and of keeping nearly nothing."""
    choices = torch.tensor([-1e-7, -1e-3, -0.7, strongest], dtype=dtype)
    return choices[torch.randint(4, shape)].requires_grad_()


def delta_loop(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor) -> Tensor:
    """S ↦ α (I − β k kᵀ) S + β k vᵀ, with the matrix in brackets written out."""
    state, outputs = torch.zeros(q.shape[-1], v.shape[-1], dtype=q.dtype), []
    for q_t, k_t, v_t, a, b in zip(*(x.unbind(1) for x in (q, k, v, log_decay.exp(), beta)), strict=True):
        a, b = a[..., None, None], b[..., None, None]
        erase = torch.eye(q.shape[-1], dtype=q.dtype) - b * k_t[..., :, None] @ k_t[..., None, :]
        state = a * erase @ state + b * k_t[..., :, None] @ v_t[..., None, :]
        outputs.append((state.mT @ q_t[..., None])[..., 0])
    return torch.stack(outputs, dim=1)


def assert_same(ours: Tensor, theirs: Tensor, wanted: list[Tensor], rtol: float = 1e-8, atol: float = 1e-8) -> None:
    """Values, and gradients of one weighting of them."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)
    weight = torch.randn_like(ours)
    gradients = [torch.autograd.grad((y * weight).sum(), wanted) for y in (ours, theirs)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("chunk", "length"), CHUNKS_AND_LENGTHS)
def test_scalar_decay_is_the_recurrence(chunk: int, length: int) -> None:
    (q, k, v), a = parts(length), log_decays(3, length, 2)
    assert_same(scalar_decay(q, k, v, a, chunk), loop(q, k, v, a.exp()[..., None]), [q, k, v, a])


def test_heads_may_share_keys_and_decays() -> None:
    (q, k, _), (_, _, v), a = parts(30, heads=1), parts(30, heads=5), log_decays(1, 30, 1)
    expected = loop(q.expand(-1, -1, 5, -1), k.expand(-1, -1, 5, -1), v, a.exp()[..., None])
    assert_same(scalar_decay(q, k, v, a, 8), expected, [q, k, v, a])


@pytest.mark.parametrize(("chunk", "length"), CHUNKS_AND_LENGTHS)
def test_channel_decay_is_the_recurrence(chunk: int, length: int) -> None:
    (q, k, v), a = parts(length), log_decays(3, length, 2, 6, strongest=-20 / chunk)
    assert_same(channel_decay(q, k, v, a, chunk), loop(q, k, v, a.exp()), [q, k, v, a])


@pytest.mark.parametrize(("chunk", "length"), CHUNKS_AND_LENGTHS)
def test_delta_rule_is_the_recurrence(chunk: int, length: int) -> None:
    (q, k, v), a = parts(length), log_decays(3, length, 2)
    k = normalize(k + 2, dim=-1)  # keys much alike: the hard case
    beta = torch.rand(3, length, 2, dtype=torch.float64, requires_grad=True)
    ours, theirs = delta_rule(q, k, v, a, beta, chunk), delta_loop(q, k, v, a, beta)
    assert_same(ours, theirs, [q, k, v, a, beta])


@pytest.mark.parametrize("strength", [-1e-7, -0.1, -80.0])
@pytest.mark.parametrize("rule", ["scalar", "channel", "delta"])
def test_float32_bears_extreme_decays(rule: str, strength: float) -> None:
    """The same strong or weak decay at every step, the channels' at the floor that chunks of 32 allow."""
    q, k, v = parts(300, dtype=torch.float32)
    k = normalize(k, dim=-1)
    a = torch.full((3, 300, 2), strength, requires_grad=True)
    if rule == "scalar":
        ours, theirs = scalar_decay(q, k, v, a, 32), loop(q, k, v, a.exp()[..., None])
    elif rule == "channel":
        floored = a.clamp(min=-SAFE / 32)[..., None].expand_as(q)
        ours, theirs = channel_decay(q, k, v, floored, 32), loop(q, k, v, floored.exp())
    else:
        ours, theirs = delta_rule(q, k, v, a, a.exp(), 32), delta_loop(q, k, v, a, a.exp())
    assert_same(ours, theirs, [q, k, v], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("chunk", [8, 32])
def test_layers_equal_their_loops(name: str, chunk: int) -> None:
    mixer, by_steps = pair(name, 16, chunk=chunk)
    x = torch.randn(2, 50, 16, requires_grad=True)
    assert_same(mixer(x), by_steps(x), [x, *mixer.parameters()], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LOOPS)
def test_cost_grows_as_length(name: str) -> None:
    model = LOOPS[name][0](16)
    assert model.flops(2048) == 2 * model.flops(1024)


@pytest.mark.parametrize("dim", [8, 32, 128])
@pytest.mark.parametrize("name", LOOPS)
def test_default_heads_fit_any_width(name: str, dim: int) -> None:
    assert LOOPS[name][0](dim)(torch.randn(2, 3, dim)).shape == (2, 3, dim)


@pytest.mark.parametrize("name", LOOPS)
def test_heads_must_divide_the_width(name: str) -> None:
    for head_dim in (0, 24):
        with pytest.raises(ValueError, match="head_dim"):
            LOOPS[name][0](64, head_dim=head_dim)
    with pytest.raises(ValueError, match="chunk"):
        LOOPS[name][0](64, chunk=0)


def test_linear_attention_is_a_weighted_mean() -> None:
    mixer, x = LinearAttentionMixer(8, head_dim=4, chunk=8).double(), torch.randn(1, 20, 8, dtype=torch.float64)
    q, k, v = mixer.qkv(x[0]).unflatten(-1, (3, 2, 4)).permute(1, 2, 0, 3)  # each (H, L, d)
    weights = ((elu(q) + 1) @ (elu(k) + 1).mT).tril()
    mean = weights / weights.sum(-1, keepdim=True) @ v
    torch.testing.assert_close(mixer(x)[0], mixer.out(mean.transpose(0, 1).flatten(1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [-1000.0, -45.0, 50.0])
def test_gla_gates_meet_one_floor_in_step_and_forward(bias: float) -> None:
    mixer, x = GlaMixer(16, head_dim=8, rank=4, chunk=32), torch.randn(2, 70, 16)
    torch.nn.init.constant_(mixer.gate[1].bias, bias)  # pyright: ignore
    state, outputs = mixer.init_state(2), []
    for x_t in x.unbind(1):
        y, state = mixer.step(x_t, state)
        outputs.append(y)
    torch.testing.assert_close(mixer(x), torch.stack(outputs, 1), rtol=1e-4, atol=1e-5)
    assert mixer.split(x)[3].min() >= -SAFE / 32


def test_the_delta_rule_overwrites_what_a_key_held() -> None:
    """Eight orthonormal keys, each written twice; with β = α = 1 a key then reads its second value, and that alone."""
    keys = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    k, v = keys.repeat(2, 1)[None, :, None], torch.randn(1, 16, 1, 3, dtype=torch.float64)
    q = k[:, -1:].expand(-1, 16, -1, -1)
    y = delta_rule(q, k, v, torch.zeros(1, 16, 1), torch.ones(1, 16, 1, dtype=torch.float64), chunk=5)
    torch.testing.assert_close(y[0, :, 0], torch.cat((torch.zeros(7, 3), v[0, [7], 0].expand(8, 3), v[0, [15], 0])))


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_mlstm_is_its_equation_before_stabilising(forget: Forget) -> None:
    mixer = MlstmMixer(8, head_dim=4, kernel=3, forget=forget, chunk=8).double()
    torch.nn.init.normal_(mixer.gates.weight)
    torch.nn.init.normal_(mixer.gates.bias)
    x = torch.randn(1, 30, 8, dtype=torch.float64)
    q, k, v, log_i, log_f = mixer.split(x, mixer.conv(x))
    y = loop(q, k * log_i.exp()[..., None], v, log_f.exp()[..., None])  # (C, n) as they stand
    h = y[..., :-1] / y[..., -1:].abs().clamp(min=1)
    expected = mixer.out(mixer.o(x).sigmoid() * mixer.norm(h).flatten(-2))
    torch.testing.assert_close(mixer(x), expected, rtol=1e-4, atol=1e-4)  # 1e-6 keeps the denominator from 0


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
@pytest.mark.parametrize("size", [-300.0, 300.0])
def test_mlstm_bears_gates_that_would_overflow(forget: Forget, size: float) -> None:
    mixer, x = MlstmMixer(8, head_dim=4, kernel=3, forget=forget, chunk=8), torch.randn(2, 30, 8)
    torch.nn.init.constant_(mixer.gates.bias, size)
    torch.nn.init.normal_(mixer.gates.weight)
    y = mixer(x)
    y.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in mixer.parameters())
    state = mixer.init_state(2)
    for t, x_t in enumerate(x.unbind(1)):
        y_t, state = mixer.step(x_t, state)
        torch.testing.assert_close(y_t, y[:, t], rtol=1e-2, atol=1e-3)


def test_mlstm_forget_gates_start_between_3_and_6() -> None:
    bias = MlstmMixer(64, head_dim=16, kernel=4, forget="sigmoid", chunk=8).gates.bias[4:]
    assert bias.tolist() == [3.0, 4.0, 5.0, 6.0]


def test_mlstm_refuses_an_unknown_forget_gate() -> None:
    with pytest.raises(ValueError, match="forget must be one of sigmoid, exp"):
        MlstmMixer(8, head_dim=4, kernel=3, forget="relu", chunk=8)  # pyright: ignore


def test_time_steps_start_where_the_paper_puts_them() -> None:
    steps = TimeStep(4, heads=2000)
    start, rates = softplus(steps.project.bias.detach()), steps.log_rate.detach().exp()
    assert start.min() >= 0.99e-3
    assert start.max() <= 1.01e-1
    assert float(start.log().mean()) == pytest.approx(math.log(1e-2), abs=0.15)
    assert float(rates.mean()) == pytest.approx(8.5, abs=0.5)


def stand_in_gla(q: Tensor, k: Tensor, v: Tensor, g: Tensor, scale: float | None = None) -> tuple[Tensor, None]:
    """fla.ops.gla.chunk_gla as its documentation has it: (B, L, H, d), g the log of the gates."""
    return loop(q * (q.shape[-1] ** -0.5 if scale is None else scale), k, v, g.exp()), None


def stand_in_delta(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: float | None = None
) -> tuple[Tensor, None]:
    """fla.ops.gated_delta_rule.chunk_gated_delta_rule likewise: g and beta (B, L, H)."""
    return delta_loop(q * (q.shape[-1] ** -0.5 if scale is None else scale), k, v, g, beta), None


def stand_in_ssd(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int) -> Tensor:  # noqa: N803
    """mamba_chunk_scan_combined likewise: x (B, L, H, P), dt (B, L, H), A (H,), B and C (B, L, groups, N)."""
    b, c = (part.expand(-1, -1, x.shape[2], -1) for part in (B, C))
    return loop(c, b, x * dt[..., None], (dt * A).exp()[..., None])


KERNELS: list[tuple[str, Callable[..., ResidualStack], Callable[..., Any]]] = [
    ("gla", Gla, stand_in_gla),
    ("gated_delta_rule", GatedDeltaNet, stand_in_delta),
    ("ssd", Mamba2, stand_in_ssd),
]


@pytest.mark.parametrize(("name", "model", "stand_in"), KERNELS)
def test_kernels_are_called_by_their_conventions(
    name: str, model: Callable[..., ResidualStack], stand_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, x, asked = model(16).double(), torch.randn(2, 20, 16, dtype=torch.float64), []
    plain = built(x)
    monkeypatch.setattr(fused, "kernel", lambda name, like: asked.append(name) or stand_in)
    torch.testing.assert_close(built(x), plain)
    assert asked == [name, name]


@pytest.mark.parametrize("name", fused.KERNELS)
def test_a_cpu_has_no_kernels(name: str) -> None:
    assert fused.kernel(name, torch.zeros(1)) is None


@pytest.mark.parametrize(("name", "model", "stand_in"), KERNELS)
def test_kernels_agree_with_plain_torch(
    name: str, model: Callable[..., ResidualStack], stand_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Needs a CUDA device and the packages flash-linear-attention (fla) and mamba-ssm (mamba_ssm)."""
    package = fused.KERNELS[name][0].partition(".")[0]
    if not torch.cuda.is_available() or find_spec(package) is None:
        pytest.skip(f"needs a CUDA device and the package {package}")
    built, x = model(64).cuda(), torch.randn(2, 300, 64, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        assert fused.kernel(name, torch.zeros(1, device="cuda", dtype=torch.bfloat16)) is not None
        ours = built(x)
    monkeypatch.setattr(fused, "kernel", lambda name, like: None)
    plain = built(x)
    gradients = [torch.autograd.grad(y.float().square().mean(), [*built.parameters()]) for y in (ours, plain)]
    assert (ours - plain).square().mean().sqrt() < 0.05 * plain.std()
    for a, b in zip(*gradients, strict=True):
        assert (a - b).norm() < 0.1 * b.norm() + 1e-6
