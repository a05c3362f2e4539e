"""Recall curves: strength by lag, and the arithmetic of spans on them. A log2 lag axis throughout."""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from leaderboard.record import Facts, Record

Array = NDArray[np.float64]


def strength(total: float, n: int, facts: Facts) -> float:
    """s: 0 at the best score a predictor without the source can have, 1 at a perfect one. Not clipped.

    Accuracy: (total / n - chance) / (1 - chance). Mean squared error: 1 - (total / n) / chance.
    """
    mean = total / n
    if facts.metric == "mse":
        if facts.chance == 0:
            raise ValueError("an mse task needs a chance above 0")
        return 1 - mean / facts.chance
    if facts.chance >= 1:
        raise ValueError(f"an accuracy task needs a chance below 1, not {facts.chance}")
    return (mean - facts.chance) / (1 - facts.chance)


def log2_span(log2_lags: ArrayLike, s: ArrayLike) -> Array:
    """Spearman–Kärber: log2 S = x_1 - Δ/2 + Δ Σ s_i; on uneven grids trapezoids, plus half a step at either end.

    `log2_lags` x is (K,), ascending; `s` is (..., K) and is clipped to [0, 1]; the result is (...,).
    A grid of one lag is taken to be an octave wide.
    """
    x = np.asarray(log2_lags, dtype=float)
    s = np.clip(np.asarray(s, dtype=float), 0, 1)
    steps = np.diff(x) if len(x) > 1 else np.ones(1)
    edges = np.concatenate([[x[0] - steps[0] / 2], (x[1:] + x[:-1]) / 2, [x[-1] + steps[-1] / 2]])
    return edges[0] + s @ np.diff(edges)


def t_interval(values: ArrayLike, least: ArrayLike = 0.0) -> tuple[Array, Array]:
    """Mean and half-width of the 95% t interval over the last axis (seeds, at least 2), never narrower than `least`."""
    values = np.asarray(values, dtype=float)
    n = values.shape[-1]
    half = special.stdtrit(n - 1, 0.975) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return values.mean(axis=-1), np.maximum(half, least)


def step_around(log2_lags: ArrayLike, at: ArrayLike) -> float:
    """The width in octaves of the grid's gap that holds `at`, outside the grid of the nearest; of several the widest.

    A grid of one lag is taken to be an octave wide.
    """
    x = np.asarray(log2_lags, dtype=float)
    if len(x) == 1:
        return 1.0
    gaps = x.searchsorted(at).clip(1, len(x) - 1)
    return float((x[gaps] - x[gaps - 1]).max())


def seed_curve(record: Record) -> tuple[Array, Array]:
    """One seed's lags and s, both (K,), ascending, s not clipped.

    Retain: whatever the curve holds. Learn: the cell's lags and any bisected ones; lags the climb never reached are 0.
    """
    if record.facts is None or not record.curve:
        raise ValueError(f"record {record.id}: status {record.status}, but no facts or no curve")
    points = {o.lag: strength(o.total, o.n, record.facts) for o in record.curve}
    if record.cell.regime == "learn":
        points = dict.fromkeys(record.cell.lags, 0.0) | points
    lags = sorted(points)
    return np.array(lags, dtype=float), np.array([points[lag] for lag in lags])


def finished(records: Sequence[Record]) -> list[Record]:
    """The records that may enter an average, by seed."""
    return sorted((r for r in records if r.status == "ok"), key=attrgetter("cell.seed", "id"))


def common_curve(records: Sequence[Record]) -> tuple[Array, Array]:
    """The lags (K,) that every finished seed was tested at, and s (seeds, K) there, not clipped."""
    return in_common([seed_curve(r) for r in finished(records)])


def of_one_grid(curves: Sequence[tuple[Array, Array]]) -> bool:
    """Whether all of one or more curves have the same lags."""
    return len({lags.tobytes() for lags, _ in curves}) == 1


def in_common(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The lags (K,) that all of `curves`, lags and s of a seed each, have, and s (seeds, K) there."""
    if of_one_grid(curves):
        return curves[0][0], np.array([s for _, s in curves])
    points = [dict(zip(lags.tolist(), s.tolist(), strict=True)) for lags, s in curves]
    lags = sorted(set[float].intersection(*(set(c) for c in points))) if points else []
    return np.array(lags), np.array([[c[lag] for lag in lags] for c in points]).reshape(len(points), len(lags))


def to_tokens(records: Sequence[Record], n_bytes: ArrayLike) -> Array:
    """Lags in bytes as lags in tokens, log-log between the lags tested (seeds pooled); outside, the nearest ratio.

    NaN where no source was ever a token away.
    """
    sums: dict[int, tuple[int, int]] = {}
    for outcome in (o for r in finished(records) for o in r.curve):
        tokens, n = sums.get(outcome.lag, (0, 0))
        sums[outcome.lag] = tokens + outcome.lag_tokens, n + outcome.n
    lags = sorted(lag for lag, (tokens, _) in sums.items() if tokens)
    if not lags:
        return np.full(np.shape(n_bytes), np.nan)
    log2_ratios = [np.log2(sums[lag][0] / sums[lag][1] / lag) for lag in lags]
    n_bytes = np.asarray(n_bytes, dtype=float)
    with np.errstate(divide="ignore"):
        return n_bytes * 2 ** np.interp(np.log2(n_bytes), np.log2(lags), log2_ratios)
