"""Elasticity γ = d log S / d log κ of a span in bytes S, κ bytes a token. 1: as many tokens; 0: as much text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from leaderboard.protocol import ALIKE, ENOUGH
from leaderboard.record import Record
from leaderboard.statistics.censored import censored_slopes
from leaderboard.statistics.curves import Array, finished
from leaderboard.statistics.kinds import RECALL, Kind
from leaderboard.statistics.spans import Span

Granularity = tuple[float, Sequence[Record]]  # κ, and the seeds of one model there


@dataclass(frozen=True)
class Points:
    """log2 S in bytes of every seed at every granularity, all (N,); bound 1: at least so much, −1: at most."""

    log2_kappa: Array
    log2_span: Array
    bound: Array
    seed: Array
    step: float  # Δ, the coarsest grid step around a span, in octaves


@dataclass(frozen=True)
class Elasticity:
    """γ with its 95% limits; without a value they are bounds, infinite where there is none. None: one seed alone."""

    value: float | None
    low: float | None
    high: float | None
    n_seeds: int
    n_known: int  # granularities whose span is known, not merely bounded
    n_granularities: int

    def text(self) -> str:
        """0.92 [0.71, 1.13]; ≥ 0.4; no bound."""
        if self.value is not None:
            interval = f" [{self.low:.2f}, {self.high:.2f}]" if self.low is not None else " (1 seed)"
            return f"{self.value:.2f}{interval}".replace("-", "−")
        low, high = (f"{limit:.2f}".replace("-", "−") for limit in (self.low or 0.0, self.high or 0.0))
        if np.isinf(self.low or 0.0) and np.isinf(self.high or 0.0):
            return "no bound"
        one = " (1 seed)" * (self.n_seeds == 1)
        if np.isinf(self.high or 0.0):
            return f"≥ {low}{one}"
        return (f"≤ {high}" if np.isinf(self.low or 0.0) else f"{low} to {high}") + one

    def holds(self, slope: float) -> bool | None:
        """Whether `slope` lies within the limits; None without an interval."""
        return None if self.low is None or self.high is None else self.low <= slope <= self.high


def elasticity(granularities: Sequence[Granularity], kind: Kind = RECALL) -> Elasticity | None:
    """γ of one model from its seeds at several granularities; None where fewer than two have a finished seed.

    One regression over granularities and seeds, censored spans entering as bounds. With fewer than three granularities
    whose span is known, γ is only bounded: see `_bounds`.
    """
    run = sorted(((k, ok) for k, found in granularities if (ok := finished(found))), key=lambda item: item[0])
    if distinct([kappa for kappa, _ in run]) < 2:
        return None
    points = read(run, kind)
    known = [kappa for kappa, _ in run if _mostly_known(points, kappa)]
    n_seeds, counts = len(set(points.seed)), (distinct(known), distinct([kappa for kappa, _ in run]))
    if counts[0] >= ENOUGH:
        value, half = slope(points, np.log2(known))
        if not np.isnan(value):
            ends = (None, None) if half is None else (value - half, value + half)
            return Elasticity(value, *ends, n_seeds, *counts)
    return Elasticity(None, *_bounds([(k, kind.span(found)) for k, found in run], points.step), n_seeds, *counts)


def distinct(kappas: Sequence[float]) -> int:
    """How many granularities there are, those of nearly the same bytes per token counting as one."""
    count, last = 0, 0.0
    for kappa in sorted(kappas):
        if kappa > last * ALIKE:
            count, last = count + 1, kappa
    return count


def read(granularities: Sequence[Granularity], kind: Kind = RECALL) -> Points:
    """Every finished seed's span, or the bound that it is."""
    rows, steps = [], [0.0]
    for kappa, records in granularities:
        for record in finished(records):
            found = kind.reading(record)
            rows.append((np.log2(kappa), found.log2_span, found.bound, record.cell.seed))
            steps.append(found.step)
    x, y, bounds, seeds = np.array(rows, dtype=float).reshape(-1, 4).T
    return Points(x, y, bounds, seeds, max(steps))


def _mostly_known(points: Points, kappa: float) -> bool:
    return bool((points.bound[points.log2_kappa == np.log2(kappa)] == 0).mean() > 0.5)


def slope(points: Points, known: Array) -> tuple[float, float | None]:
    """γ and the half-width of its 95% interval; None where one seed leaves no scatter to judge by.

    Seeds are clusters: the slope's error is that of the jackknife over seeds, with t on seeds − 1. The grid rounds
    alike for every seed, so that averaging seeds does not help: Δ/√12 over √Σ(log2 κ − mean)² of the granularities
    whose span is `known` (K,), times 1.96, is added in quadrature.
    """
    seeds = np.unique(points.seed)
    rounding = points.step / 12**0.5
    every = np.ones((1, len(points.seed)))
    left_out = (points.seed[None] != seeds[:, None]).astype(float)
    rows = np.concatenate([every, left_out]) if len(seeds) > 1 else every
    value, *without = censored_slopes(points.log2_kappa, points.log2_span, points.bound, rows, rounding)
    if len(seeds) == 1:
        return float(value), None
    if np.isnan(without).any():
        return float("nan"), None
    n = len(seeds)
    error = np.sqrt((n - 1) / n * ((np.array(without) - np.mean(without)) ** 2).sum())
    grid = 1.96 * rounding / np.sqrt(((known - known.mean()) ** 2).sum())
    return float(value), float(np.hypot(special.stdtrit(n - 1, 0.975) * error, grid))


def _bounds(run: Sequence[tuple[float, Span]], step: float) -> tuple[float, float]:
    """Limits of γ between two granularities: of the pairs that allow a limit, the one furthest apart.

    γ is at least the slope from the greatest span that the finer one can have to the least that the coarser one can
    have, and at most the slope between the other two; their intervals add in quadrature, half a grid step for a bare
    bound.
    """
    pairs = sorted(combinations(run, 2), key=lambda pair: pair[0][0] / pair[1][0])
    for (fine, at_fine), (coarse, at_coarse) in pairs:
        across = float(np.log2(coarse / fine))
        (a, a_half, a_bound), (b, b_half, b_bound) = _about(at_fine, step), _about(at_coarse, step)
        if a_bound * b_bound > 0 or across <= np.log2(ALIKE):
            continue
        rise, error = (b - a) / across, float(np.hypot(a_half, b_half)) / across
        return (
            rise - error if a_bound <= 0 <= b_bound else -np.inf,
            rise + error if b_bound <= 0 <= a_bound else np.inf,
        )
    return -np.inf, np.inf


def _about(span: Span, step: float) -> tuple[float, float, int]:
    """log2 of a span, the half-width of its interval, and whether it is a bound: 1 from below, −1 from above."""
    if span.value is None:
        return float(np.log2(span.first_lag)), step / 2, -1
    at = float(np.log2(span.value))
    bound = {"above": 1, "open": 1, "below": -1}.get(span.censor, 0)
    ends = span.censor in ("none", "open") and span.low is not None
    half = at - float(np.log2(span.low or 1.0)) if ends else step / 2
    return at, max(half, step / 2), bound
