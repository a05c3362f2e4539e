"""How learning sees the past: J(lag) = E‖∂ loss_t / ∂ e_{t−lag}‖ by lag, and whether it is exponential or a power law.

ln J = a + b · lag (ρ = e^b a step) and ln J = a − α · ln lag are fitted by least squares to the logarithm of the mean
over documents (J is an expectation: a mean of logarithms would miss what a few documents carry). The better shape is
the one whose slope, fitted on half of the documents, has the greater Gaussian likelihood on the other half, even for
odd and odd for even. Level and scatter are the other half's own: documents differ in level, and where their curves are
smooth a line's own residuals say nothing of how far a new document lies from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.record import Record
from leaderboard.statistics.bootstrap import by_document, joined, resampled
from leaderboard.statistics.curves import Array, finished

ROUNDING = 1e-6  # relative, of a gradient in float32: the scatter of ln J is never taken to be less
LEAST = 3  # points that tell an exponential from a power law


@dataclass(frozen=True)
class Shape:
    """A profile's shape, with 95% limits of its rate. None: not to be had, where all of it is with its `reason`."""

    n_points: int  # lags fitted
    n_zero: int  # lags left out, J being exactly 0 over a half of the documents: out of reach, or underflow
    name: Literal["exponential", "power law"] | None = None
    reason: str | None = None
    gain: float | None = None  # held-out log-likelihood a point, exponential less power law
    rho: float | None = None  # a token, or step
    rho_low: float | None = None
    rho_high: float | None = None
    alpha: float | None = None
    alpha_low: float | None = None
    alpha_high: float | None = None

    @property
    def explodes(self) -> bool:
        """Whether gradients grow with the lag: ρ above 1 by all of its interval.

        Unstable dynamics do so; of a recall task that is solved at short lags, the loss may instead.
        """
        return self.rho_low is not None and self.rho_low > 1

    def text(self) -> str:
        """`ρ = 0.990 [0.989, 0.991], exponential`, `α = 1.00 [0.95, 1.05], power law`, `grows: ρ = 1.020 …`."""
        if self.rho is None:
            return self.reason or "–"
        if self.name == "power law":
            core = _rate("α", (self.alpha, self.alpha_low, self.alpha_high), 2)
        else:
            near = int(np.floor(np.log10(max(abs(1 - self.rho), 1e-6)) + 1e-9))
            core = _rate("ρ", (self.rho, self.rho_low, self.rho_high), max(3, 1 - near))  # two figures of 1 − ρ
        return f"{'grows: ' * self.explodes}{core}, {self.name}"


@dataclass(frozen=True)
class Profile:
    """The gradient profile of one cell: means over targets and seeds, all (K,), before and after training."""

    unit: str
    n_seeds: int
    n_documents: int
    lags: Array  # in tokens, or steps
    lags_in_unit: Array
    before: Array
    after: Array
    gates: Array | None  # (layers, K): products of the forget gates; None: no gates
    shape_before: Shape
    shape_after: Shape


def gradient_profile(records: Sequence[Record]) -> Profile | None:
    """The profile of one cell from its seeds; None where no finished one has it."""
    ok = [(r, r.gradient) for r in finished([r for r in records if r.gradient]) if r.gradient]
    curves = [{slope.lag: slope for slope in found.curve} for _, found in ok]
    common = sorted(set[int].intersection(*(set(curve) for curve in curves))) if curves else []
    if not common:
        return None
    facts, documents = ok[0][0].facts, [found.documents for _, found in ok]
    slopes = [[curve[lag] for lag in common] for curve in curves]  # (S, K)
    n_targets = sum(len(each) for each in documents)
    in_unit, tokens = (
        np.array([[getattr(slope, name) for slope in each] for each in slopes]).sum(0) / n_targets
        for name in ("lag_sum", "lag_tokens")
    )
    before, after = (
        by_document(documents, [np.array([getattr(slope, when) for slope in each]).T for each in slopes])
        for when in ("before", "after")
    )
    gates = [
        np.array(found.gates)[:, [list(curve).index(lag) for lag in common]]
        for (_, found), curve in zip(ok, curves, strict=True)
        if found.gates is not None
    ]
    return Profile(
        unit=facts.lag_unit if facts else "steps",
        n_seeds=len(ok),
        n_documents=before[0].shape[1],
        lags=tokens,
        lags_in_unit=in_unit,
        before=_norms(*before).mean(0),
        after=_norms(*after).mean(0),
        gates=np.mean(gates, axis=0) if gates else None,
        shape_before=_shape(tokens, *before),
        shape_after=_shape(tokens, *after),
    )


def shape(lags: ArrayLike, norms: ArrayLike) -> Shape:
    """The shape of one seed's profile: `lags` (K,) in steps, `norms` (targets, K), a document each."""
    sums = np.asarray(norms, dtype=float)[None]
    return _shape(np.asarray(lags, dtype=float), sums, np.ones_like(sums))


def _shape(lags: Array, sums: Array, counts: Array) -> Shape:
    """The same from sums and counts (S, D, K). Slopes are means over seeds, whose scatter is in the limits too."""
    halves = [_norms(sums[:, first::2], counts[:, first::2]) for first in (0, 1)]  # (S, K) each
    kept = np.all([half > 0 for half in halves], axis=(0, 1)) & (lags > 0)
    n_points, n_zero = int(kept.sum()), int((~kept).sum())
    if sums.shape[1] < 2:
        return Shape(n_points, n_zero, reason="one document, and none to hold out")
    if n_points < LEAST:
        return Shape(n_points, n_zero, reason=f"gradients reach {n_points} of {len(kept)} lags")
    logs = [np.log(half[:, kept]) for half in halves]
    steps, ratios = lags[kept], np.log(lags[kept])
    gain = _held_out(steps, logs) - _held_out(ratios, logs)
    mean, drawn = _norms(sums, counts)[:, kept], resampled(sums[..., kept], counts[..., kept])
    mean, drawn = np.log(mean), np.log(np.where(drawn > 0, drawn, mean))  # a draw without any gradient keeps the mean
    (b, b_low, b_high), (a, a_low, a_high) = (_limits(x, mean, drawn, sums.shape[1]) for x in (steps, ratios))
    return Shape(
        n_points,
        n_zero,
        name="exponential" if gain >= 0 else "power law",
        gain=gain,
        rho=float(np.exp(b)),
        rho_low=float(np.exp(b_low)),
        rho_high=float(np.exp(b_high)),
        alpha=-a,
        alpha_low=-a_high,
        alpha_high=-a_low,
    )


def _norms(sums: Array, counts: Array) -> Array:
    """J (S, K), mean over targets; 0 where there are none."""
    return sums.sum(1) / np.maximum(counts.sum(1), 1)


def _slopes(x: Array, y: Array) -> Array:
    """Least-squares slopes (...,) of y (..., K) on x (K,)."""
    centred = x - x.mean()
    return y @ centred / (centred @ centred)


def _limits(x: Array, logs: Array, drawn: Array, n_documents: int) -> tuple[float, float, float]:
    """The slope on x and its 95% limits, never nearer than rounding; `logs` (S, K) and `drawn` (DRAWS, S, K) of J."""
    slopes = _slopes(x, logs)
    mean, least = float(slopes.mean()), ROUNDING / (float(x.std()) * len(x) ** 0.5)
    below, above = joined(_slopes(x, drawn), slopes, n_documents)
    return mean, mean - max(float(below), least), mean + max(float(above), least)


def _held_out(x: Array, halves: list[Array]) -> float:
    """Log-likelihood a point of each half, (S, K) of ln J, given the other's slope; a constant is left out."""
    found = []
    for fitted, other in (halves, halves[::-1]):
        residuals = other.mean(0) - _slopes(x, fitted).mean() * x
        found.append(-np.log(max(float(residuals.std()), ROUNDING)))
    return float(np.mean(found))


def _rate(name: str, rate: tuple[float | None, float | None, float | None], places: int) -> str:
    value, low, high = (f"{each:.{places}f}".replace("-", "−") for each in rate if each is not None)
    return f"{name} = {value} [{low}, {high}]"
