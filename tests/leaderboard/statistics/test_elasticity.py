"""Elasticities against oracles whose slope is known, and coverage by simulation."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from leaderboard.record import Record
from leaderboard.statistics.curves import Array, log2_span
from leaderboard.statistics.elasticity import Elasticity, Points, distinct, elasticity, read, slope
from tests.leaderboard.synthetic_records import HALF_OCTAVES, OCTAVES, logistic, record

KAPPAS = (1.0, 1.95, 2.6, 3.4)


def of(spans: Sequence[float], seeds: int = 3, steep: float = 20.0, spread: float = 0.2) -> Elasticity:
    """γ from records whose spans are `spans` at each κ, 0 for nothing learned."""
    rng, found = np.random.default_rng(0), []
    for kappa, span in zip(KAPPAS, spans, strict=True):
        own = span * 2 ** rng.normal(0, spread, seeds)
        curves = [logistic(OCTAVES, at, steep) if span else dict.fromkeys(OCTAVES, 0.0) for at in own]
        found.append((kappa, [record(curve, kappa, seed=seed) for seed, curve in enumerate(curves)]))
    given = elasticity(found)
    assert given is not None
    return given


def oracle(window: int, in_tokens: bool, kappa: float, seed: int) -> Record:
    """Recalls a source that lies within `window` tokens, or bytes; text cut at random into tokens of κ bytes."""
    rng = np.random.default_rng([seed, round(100 * kappa)])
    sizes = 1 + rng.poisson(kappa - 1, 40_000) if kappa > 1 else np.ones(40_000, dtype=int)
    ends = np.cumsum(sizes)  # a token covers the bytes up to its end
    s = {}
    for lag in HALF_OCTAVES:
        right = 0
        for source in rng.integers(0, ends[-1] - lag, 200):
            first, last = np.searchsorted(ends, [source, source + lag], side="right")
            right += (last - first if in_tokens else lag) <= window
        s[lag] = right / 200
    return record(s, kappa, regime="retain", lags=[2, 128], seed=seed)


@pytest.mark.parametrize(("in_tokens", "truth"), [(True, 1.0), (False, 0.0)])
def test_windows_of_tokens_and_of_text(in_tokens: bool, truth: float) -> None:
    found = elasticity([(k, [oracle(60, in_tokens, k, seed) for seed in range(3)]) for k in KAPPAS])
    assert found is not None
    assert found.holds(truth)
    assert found.holds(1 - truth) is False
    assert found.value == pytest.approx(truth, abs=0.2)


def reading(grid: Array, own: Array, steep: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """log2 S and bound of seeds with a curve through `own`, 256 answers a lag, as spans are read off records."""
    s = 1 / (1 + 2 ** (steep * (grid - own[..., None])))
    seen = (rng.binomial(256, 0.125 + 0.875 * s) / 256 - 0.125) / 0.875
    y, first, last = log2_span(grid, seen), seen[..., 0], seen[..., -1]
    below = (last < 0.1) & ((first < 0.1) | (y < grid[0]))
    at = np.where(last >= 0.5, grid[-1], np.where(below, grid[0], y))
    return at, np.where(last >= 0.1, 1, np.where(below, -1, 0))


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("censored", [False, True])
@pytest.mark.parametrize(("step", "steep"), [(1.0, 20.0), (0.5, 3.0), (0.5, 20.0)])
def test_intervals_cover_a_known_slope(seeds: int, censored: bool, step: float, steep: float) -> None:
    """≥ 93% of the estimates made, at γ = 0, ½ and 1, seeds scattered by a third of an octave."""
    rng, x = np.random.default_rng(seeds), np.log2(KAPPAS)
    for gamma in (0.0, 0.5, 1.0):
        covered = made = 0
        for _ in range(150):
            middle = 5 + rng.uniform(-0.5, 0.5)
            own = middle + gamma * x + rng.normal(0, 0.35, (seeds, len(x)))
            top = middle + gamma * x[-1] + (0.2 if gamma else 0.6) + 2.5 / steep if censored else 12.0
            grid = np.arange(top - step * np.ceil((top - 2) / step), top + step / 2, step)
            y, bound = reading(grid, own, steep, rng)
            known = x[(bound == 0).mean(0) > 0.5]
            if len(known) < 3:
                continue
            seed = np.repeat(np.arange(seeds), len(x)).astype(float)
            value, half = slope(Points(np.tile(x, seeds), y.ravel(), bound.ravel().astype(float), seed, step), known)
            assert half is not None
            made, covered = made + 1, covered + (abs(value - gamma) <= half)
        assert made >= (40 if censored else 150)
        assert covered / made >= 0.93


def test_what_is_simulated_is_what_records_give() -> None:
    given = [(k, [record(logistic(OCTAVES, 300 * k, 4.0), k, seed=s) for s in range(2)]) for k in KAPPAS]
    points = read(given)
    assert points.step == pytest.approx(1)
    s = np.array([list(logistic(OCTAVES, 300 * k, 4.0).values()) for k in KAPPAS for _ in range(2)])
    for at, bound, curve in zip(points.log2_span, points.bound, s, strict=True):
        assert bound == (curve[-1] >= 0.1)
        expected = np.log2(512) if curve[-1] >= 0.5 else log2_span(np.log2(OCTAVES), curve)
        assert at == pytest.approx(expected, abs=1e-3)


def test_one_seed_is_a_point() -> None:
    found = of([30 * k for k in KAPPAS], seeds=1, steep=3.0, spread=0.0)
    assert (found.low, found.high) == (None, None)
    assert found.holds(1.0) is None
    assert found.text().endswith("(1 seed)")
    assert found.value == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ((5000, 5000, 5000, 5000), "no bound"),
        ((0, 0, 0, 0), "no bound"),
        ((0, 5000, 5000, 5000), "≥ 2.43"),  # (9 − 4 − √2 / 2) / log2 3.4: half an octave of doubt at either end
        ((5000, 5000, 0, 0), "≤ −2.43"),
    ],
)
def test_too_few_known_spans_give_a_bound(spans: Sequence[float], text: str) -> None:
    assert of(spans).text() == text


def test_two_known_spans_bound_from_both_sides() -> None:
    found = elasticity(
        [(k, [record(logistic(OCTAVES, 50 * k, 20.0), k, seed=s) for s in range(3)]) for k in (1.0, 3.4)]
    )
    assert found is not None
    assert found.value is None
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1 < found.high
    assert " to " in found.text()
    assert (found.n_known, found.n_granularities) == (2, 2)


def test_a_bound_holds_the_slope_that_it_bounds() -> None:
    """Spans that follow κ exactly, cut off by the grid: no bound may exclude the truth."""
    for gamma, first in itertools.product((0.0, 0.5, 1.0, 2.0), (12, 40, 150, 300, 450)):
        found = of([first * k**gamma for k in KAPPAS], spread=0.0)
        assert found.low is not None
        assert found.high is not None
        assert found.low - 1e-9 <= gamma <= found.high + 1e-9


def test_granularities_nearly_alike_count_once() -> None:
    assert distinct([1.0, 1.01, 1.0, 2.0, 3.0]) == 3
    near = elasticity([(k, [record(logistic(OCTAVES, 64), k, seed=s) for s in range(3)]) for k in (1.0, 1.01)])
    assert near is None


def test_failed_seeds_leave_the_rest() -> None:
    made = [(k, [record(logistic(OCTAVES, 40 * k), k, seed=s) for s in range(3)]) for k in KAPPAS]
    broken = [(k, [*rs[:2], rs[2].model_copy(update={"status": "failed"})]) for k, rs in made[:1]] + made[1:]
    found = elasticity(broken)
    assert found is not None
    assert found.holds(1.0)
    assert elasticity([(k, [r.model_copy(update={"status": "failed"}) for r in rs]) for k, rs in made]) is None
