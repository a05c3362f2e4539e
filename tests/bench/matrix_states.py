"""Chunks against the loop over steps, forward and backward, for every architecture with a matrix for a state."""

from collections.abc import Callable

import torch
from torch import Tensor

from models.base import SequenceModel
from models.gated_deltanet import GatedDeltaNet, GatedDeltaNetMixer
from models.gla import Gla, GlaMixer
from models.linear_attention import LinearAttention, LinearAttentionMixer
from models.mamba2 import Mamba2, Mamba2Mixer
from models.mlstm import Mlstm, MlstmMixer
from models.residual import ResidualStack, blocks_of
from tests.bench.measures import alternate, clock


def loop(q: Tensor, k: Tensor, v: Tensor, decay: Tensor) -> Tensor:
    """S = decay ∘ S + k vᵀ, y = Sᵀ q; q and k (B, L, H, N), v (B, L, H, P), decay (B, L, H, N or 1)."""
    state, outputs = torch.zeros(()), []
    for q_t, k_t, v_t, decay_t in zip(*(x.unbind(1) for x in (q, k, v, decay)), strict=True):
        state = decay_t[..., None] * state + k_t[..., None] * v_t[..., None, :]
        outputs.append((q_t[..., None, :] @ state)[..., 0, :])
    return torch.stack(outputs, dim=1)


def linear_attention(mixer: LinearAttentionMixer, x: Tensor) -> Tensor:
    q, k, v = mixer.features(x)
    return mixer.divide(loop(q, k, v, torch.ones_like(q[..., :1])))


def gla(mixer: GlaMixer, x: Tensor) -> Tensor:
    q, k, v, log_decay, g = mixer.split(x)
    return mixer.join(loop(q, k, v, log_decay.exp()), g)


def gated_deltanet(mixer: GatedDeltaNetMixer, x: Tensor) -> Tensor:
    q, k, v, log_decay, beta = mixer.split(x, mixer.conv(mixer.qkv(x)))
    state, outputs = torch.zeros(q.shape[-1], v.shape[-1]).to(x), []
    for q_t, k_t, v_t, a, b in zip(*(p.unbind(1) for p in (q, k, v, log_decay.exp(), beta)), strict=True):
        state = a[..., None, None] * state
        held = (k_t[..., None, :] @ state)[..., 0, :]
        state = state + (b[..., None] * k_t)[..., None] * (v_t - held)[..., None, :]
        outputs.append((q_t[..., None, :] @ state)[..., 0, :])
    return mixer.join(torch.stack(outputs, dim=1), x)


def mlstm(mixer: MlstmMixer, x: Tensor) -> Tensor:
    q, k, v, log_i, log_f = mixer.split(x, mixer.conv(x))
    m = torch.zeros_like(log_i[:, 0])
    ms, i, f = [], [], []
    for log_i_t, log_f_t in zip(log_i.unbind(1), log_f.unbind(1), strict=True):
        after = torch.maximum(log_f_t + m, log_i_t.clamp(min=0))
        i.append((log_i_t - after).exp())
        f.append((log_f_t + m - after).exp())
        ms.append(m := after)
    i, f = (torch.stack(gate, dim=1)[..., None] for gate in (i, f))
    return mixer.join(loop(q, k * i, v, f), torch.stack(ms, dim=1), x)


def mamba2(mixer: Mamba2Mixer, x: Tensor) -> Tensor:
    z, xbc = mixer.project(x).split((mixer.inner, sum(mixer.widths)), dim=-1)
    (u, b, c), delta = mixer.split(mixer.conv(xbc)), mixer.delta(x)
    return mixer.join(loop(c, b, u * delta[..., None], mixer.delta.log_decay(delta).exp()[..., None]), u, z)


LOOPS: dict[str, tuple[Callable[..., ResidualStack], Callable[..., Tensor]]] = {
    "linear_attention": (LinearAttention, linear_attention),
    "gla": (Gla, gla),
    "gated_deltanet": (GatedDeltaNet, gated_deltanet),
    "mlstm": (Mlstm, mlstm),
    "mamba2": (Mamba2, mamba2),
}


def pair(name: str, dim: int, **arguments: int) -> tuple[SequenceModel, Callable[[Tensor], Tensor]]:
    """One layer of the architecture, and the loop over steps with the same parameters."""
    model, by_steps = LOOPS[name]
    mixer = blocks_of(model(dim, layers=1, **arguments))[0].mixer
    return mixer, lambda x: by_steps(mixer, x)


def against_loop(name: str, batch: int = 8, length: int = 1024, dim: int = 128, **arguments: int) -> str:
    """Forward and backward through one layer, on one thread."""
    torch.set_num_threads(1)
    mixer, by_steps = pair(name, dim, **arguments)
    x = torch.randn(batch, length, dim)
    slow, fast = alternate(
        lambda: clock(lambda: by_steps(x).sum().backward()), lambda: clock(lambda: mixer(x).sum().backward()), rounds=3
    )
    return f"{slow * 1e3:.0f} ms against {fast * 1e3:.0f} ms: {slow / fast:.1f} times"


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    f"{name}, loop / chunks": (lambda name=name: against_loop(name), "≥ 2 times") for name in LOOPS
}
