"""What architectures with a matrix for a state share: the recurrence, a step at a time and a chunk at a time.

A head keeps S (N, P). From a query q_t (N,), a key k_t (N,), a value v_t (P,) and a decay it goes

    S_t = decay_t ∘ S_{t−1} + k_t v_tᵀ,    y_t = S_tᵀ q_t,    S_{−1} = 0.

A loop over L steps is slow to run and slower to differentiate. In chunks of C positions, with a_t the running sum of
log decay_t from the chunk's start and S the state before it, the same outputs are matrix products,

    y_t = exp(a_t) q_tᵀ S + Σ_{s ≤ t} exp(a_t − a_s) (q_t · k_s) v_s,

and a loop over L / C chunks remains. Time grows as L, for a given C.

Sequences here are (B, L, H, …); B, L or H may be 1 where all share one value. Decays come as logarithms ≤ 0.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softplus, threshold

SAFE = 80.0  # exp(±80) is a normal number in float32, with room for a product


def state_step(state: Tensor, q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> tuple[Tensor, Tensor]:
    """S (B, H, N, P), q and k (B, H, N), v (B, H, P), log decay (B, H, N or 1) -> y (B, H, P) and the next S."""
    state = log_decay.exp()[..., None] * state + k[..., None] * v[..., None, :]
    return (q[..., None, :] @ state)[..., 0, :], state


def scalar_decay(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, chunk: int) -> Tensor:
    """One decay a head and step: q and k (B, L, H, N), v (B, L, H, P), log decay (B, L, H) -> y (B, L, H, P).

    Only differences a_t − a_s ≤ 0 are exponentiated, so that no decay is too strong (SSD, arXiv:2405.21060, §6).
    """
    length = v.shape[1]
    q, k, v, a = (in_chunks(x, min(chunk, length)) for x in (q, k, v, log_decay))  # (B, H, n, C, …)
    a = a.cumsum(-1)
    y = (q @ k.mT * decay_between(a)) @ v
    added = k.mT @ (v * exp(a[..., -1:] - a)[..., None])  # (B, H, n, N, P)
    before = carry(exp(a[..., -1, None, None]), added)
    return from_chunks(y + q @ before * exp(a)[..., None], length)


def channel_decay(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, chunk: int) -> Tensor:
    """One decay for every row of S: q, k and log decay (B, L, H, N), v (B, L, H, P) -> y (B, L, H, P).

    Here exp(a_t − a_s) lies inside q · k and has to be split into exp(a_t) q_t and exp(−a_s) k_s (GLA,
    arXiv:2312.06635, §4). The second stays finite where log decay ≥ −80 / chunk, which callers see to.
    """
    length = v.shape[1]
    q, k, v, a = (in_chunks(x, min(chunk, length)) for x in (q, k, v, log_decay))  # (B, H, n, C, …)
    a = a.cumsum(-2)
    q, grown = q * a.exp(), k * (-a).exp()
    y = (q @ grown.mT).tril() @ v
    added = (k * exp(a[..., -1:, :] - a)).mT @ v  # (B, H, n, N, P)
    return from_chunks(y + q @ carry(exp(a[..., -1, :, None]), added), length)


def carry(keep: Tensor, added: Tensor, times: Callable[[Tensor, Tensor], Tensor] = torch.mul) -> Tensor:
    """S ↦ times(keep_c, S) + added_c from chunk to chunk: added (B, H, n, N, P) -> the S before each chunk, same shape.

    keep is (B, H, n, N or 1, 1) for a product by element, (B, H, n, N, N) for a matrix product.
    """
    state, before = torch.zeros_like(added[:, :, 0]), []
    for keep_c, added_c in zip(keep.unbind(2), added.unbind(2), strict=True):
        before.append(state)
        state = times(keep_c, state) + added_c
    return torch.stack(before, dim=2)


def delta_rule(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, chunk: int) -> Tensor:
    """S_t = α_t (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ; shapes as in `scalar_decay`, β (B, L, H) -> y (B, L, H, P).

    It is the recurrence above with other values: S_t = α_t S_{t−1} + k_t u_tᵀ where u_t = β_t (v_t − α_t S_{t−1}ᵀ k_t).
    Within a chunk they solve a unit lower-triangular system, (I + T) U = diag(β) (V − diag(exp a) K S) with
    T_ts = β_t exp(a_t − a_s) (k_t · k_s) for s < t (the WY form: arXiv:2406.06484, with decays arXiv:2412.06464). Its
    solution is U = R − W S, so that S goes through a chunk as S ↦ M S + A.
    """
    length, width = v.shape[1], k.shape[-1]
    q, k, v, a, beta = (in_chunks(x, min(chunk, length)) for x in (q, k, v, log_decay, beta))  # (B, H, n, C, …)
    a, beta = a.cumsum(-1), beta[..., None]
    between, grown = decay_between(a), exp(a)[..., None]
    system = (beta * k) @ k.mT * between  # T; the solver reads what lies below the diagonal alone
    sides = beta * torch.cat((v, k * grown), dim=-1)
    solved = torch.linalg.solve_triangular(system, sides.to(system), upper=False, unitriangular=True)
    r, w = solved.split((v.shape[-1], width), dim=-1)
    to_end = (k * exp(a[..., -1:] - a)[..., None]).mT  # (B, H, n, N, C)
    keep = grown[..., -1:, :] * torch.eye(width, device=q.device) - to_end @ w  # M (B, H, n, N, N)
    before = carry(keep, to_end @ r, torch.matmul)  # (B, H, n, N, P)
    return from_chunks(q @ before * grown + (q @ k.mT * between) @ (r - w @ before), length)


def delta_step(
    state: Tensor, q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor]:
    """`state_step` for the delta rule: log decay and β are (B, H)."""
    state = log_decay.exp()[..., None, None] * state
    u = beta[..., None] * (v - (k[..., None, :] @ state)[..., 0, :])
    state = state + k[..., None] * u[..., None, :]
    return (q[..., None, :] @ state)[..., 0, :], state


def exp(log_decay: Tensor) -> Tensor:
    """exp, and 0 below 1e-22: nothing a sum of order 1 could hold, but subnormal products slow a CPU down tenfold."""
    return threshold(log_decay.exp(), 1e-22, 0.0)


def decay_between(a: Tensor) -> Tensor:
    """Running sums (…, C) -> exp(a_t − a_s) where s ≤ t, else 0: (…, C, C)."""
    future = torch.ones(a.shape[-1], a.shape[-1], dtype=torch.bool, device=a.device).triu(1)
    return exp((a[..., :, None] - a[..., None, :]).masked_fill(future, -math.inf))


def in_chunks(x: Tensor, chunk: int) -> Tensor:
    """(B, L, H, …) -> (B, H, n, C, …), zeros at the end where C does not divide L: they add nothing to a state."""
    padded = pad(x, (0, 0) * (x.dim() - 2) + (0, -x.shape[1] % chunk))
    return padded.unflatten(1, (-1, chunk)).movedim(3, 1)


def from_chunks(y: Tensor, length: int) -> Tensor:
    """(B, H, n, C, P) -> (B, L, H, P)."""
    return y.movedim(1, 3).flatten(1, 2)[:, :length]


class TimeStep(nn.Module):
    """Δ_t = softplus(W x_t + b) > 0, one a head, and the decay exp(−Δ_t exp(a)) it stands for (arXiv:2405.21060).

    At the start exp(a) is uniform in [1, 16] and softplus(b) log-uniform in [0.001, 0.1]: for W x = 0 a
    state keeps 1/e of itself over 0.6 to 1000 steps.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, heads)
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        start = torch.empty(heads).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        with torch.no_grad():
            self.project.bias.copy_(start.expm1().log())  # softplus's inverse

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> Δ (…, H), in the parameters' precision."""
        return softplus(self.project(x).to(self.log_rate.dtype))

    def log_decay(self, delta: Tensor) -> Tensor:
        """Δ (…, H) -> −Δ exp(a) (…, H)."""
        return -delta * self.log_rate.exp()
