"""Spans against closed forms, brute force and simulation. Chance is 0 in these records, so a score is its s."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.record import Facts, Record
from leaderboard.statistics.curves import common_curve, log2_span, seed_curve, strength, t_interval
from leaderboard.statistics.spans import Span, lone_span, measure_span
from tests.leaderboard.synthetic_records import HALF_OCTAVES, OCTAVES, facts, logistic, record

CURVES = st.lists(st.floats(0, 1), min_size=2, max_size=12)


def climbed(curve: Mapping[int, float], seed: int = 0) -> Record:
    return record(curve, seed=seed)


def retained(curve: Mapping[int, float], seed: int = 0, horizon: int = 128) -> Record:
    return record(curve, seed=seed, regime="retain", lags=[2, horizon])


def seeds(curves: Sequence[Mapping[int, float]], make=climbed) -> Span:
    return measure_span([make(curve, seed) for seed, curve in enumerate(curves)])


def test_strength_is_zero_at_chance_and_one_at_perfection() -> None:
    accuracy: Facts = facts(chance=0.125)
    assert strength(125, 1000, accuracy) == 0
    assert strength(1000, 1000, accuracy) == 1
    assert strength(0, 1000, accuracy) < 0
    adding: Facts = facts(metric="mse", chance=1 / 12)
    assert strength(100 / 12, 100, adding) == pytest.approx(0)
    assert strength(0, 100, adding) == 1
    assert strength(100 / 6, 100, adding) == pytest.approx(-1)  # guessing the mean of both addends


@given(s=CURVES, low=st.integers(1, 100))
@settings(deadline=None)
def test_even_grids_follow_the_textbook_formula(s: list[float], low: int) -> None:
    for step in (0.5, 1.0):
        x = np.log2(low) + step * np.arange(len(s))
        assert log2_span(x, s) == pytest.approx(x[0] - step / 2 + step * sum(s))


@given(s=CURVES, gaps=st.lists(st.floats(0.1, 2), min_size=12, max_size=12))
@settings(deadline=None)
def test_uneven_grids_are_trapezoids_and_half_a_step_at_either_end(s: list[float], gaps: list[float]) -> None:
    x = np.cumsum([3.0, *gaps])[: len(s)]
    expected = x[0] - (x[1] - x[0]) / 2 + s[0] * (x[1] - x[0]) / 2 + s[-1] * (x[-1] - x[-2]) / 2
    for (a, b), (p, q) in zip(itertools.pairwise(x), itertools.pairwise(s), strict=True):
        expected += (b - a) * (p + q) / 2
    assert log2_span(x, s) == pytest.approx(expected)


@given(s=CURVES, place=st.integers(0, 11), more=st.floats(0, 1))
@settings(deadline=None)
def test_better_recall_anywhere_never_shortens_a_span(s: list[float], place: int, more: float) -> None:
    x = np.arange(len(s), dtype=float)
    better = list(s)
    better[place % len(s)] = max(better[place % len(s)], more)
    assert log2_span(x, better) >= log2_span(x, s) - 1e-12
    assert log2_span(x + 1, s) == pytest.approx(log2_span(x, s) + 1)  # lags twice as long: a span twice as long


@pytest.mark.parametrize("grid", [HALF_OCTAVES, [2**k for k in range(1, 12)]])
@pytest.mark.parametrize("window", [5, 33, 64, 300, 1000])
def test_an_oracle_with_a_window_steps_there(grid: list[int], window: int) -> None:
    span = seeds([{lag: float(lag <= window) for lag in grid}] * 3, retained)
    step = np.log2(grid[3] / grid[2])
    assert span.value is not None
    assert abs(np.log2(span.value / window)) <= step / 2 + 0.1  # half-octaves are rounded to whole lags
    assert span.low is not None
    assert span.high is not None
    assert span.low <= window * 1.07
    assert span.high >= window / 1.07
    assert span.s85 == max(lag for lag in grid if lag <= window)


def test_a_blanked_cue_is_not_learned() -> None:
    rng = np.random.default_rng(0)
    noise = [{lag: rng.binomial(512, 0.125) for lag in OCTAVES} for _ in range(5)]
    records = []
    for seed, totals in enumerate(noise):
        given = climbed(dict.fromkeys(OCTAVES, 0.0), seed)
        points = [replace(point, n=512, total=float(totals[point.lag])) for point in given.curve]
        records.append(given.model_copy(update={"curve": points, "facts": facts(chance=0.125)}))
    span = measure_span(records)
    assert (span.censor, span.value, span.text()) == ("not learned", None, "not learned")
    assert span.recall is not None
    assert span.recall < 0.03


@pytest.mark.parametrize(
    ("curve", "censor", "text"),
    [
        ([1, 1, 1, 1, 1, 1], "above", "> 512"),
        ([1, 1, 1, 1, 1, 0.5], "above", "> 512"),
        ([1, 1, 1, 1, 0.8, 0.3], "open", "[274, ∞)"),
        ([1, 1, 1, 0, 0, 0], "none", "91 [64, 128]"),
        ([0.3, 0, 0, 0, 0, 0], "below", "< 16"),
        ([0.05, 0, 0, 0, 0, 0], "not learned", "not learned"),
    ],
)
def test_ends_of_the_grid_are_told_as_bounds(curve: list[float], censor: str, text: str) -> None:
    span = seeds([dict(zip(OCTAVES, curve, strict=True))] * 3)
    assert (span.censor, span.text()) == (censor, text)


def test_lags_a_climb_never_reached_count_as_nothing_learned() -> None:
    stopped = climbed({16: 1.0, 32: 0.1, 64: 0.0})
    whole = climbed({16: 1.0, 32: 0.1, 64: 0.0, 128: 0.0, 256: 0.0, 512: 0.0})
    assert measure_span([stopped]).log2_seeds == measure_span([whole]).log2_seeds
    assert seed_curve(stopped)[0].tolist() == OCTAVES


def test_bisected_lags_sharpen_the_edge() -> None:
    coarse = dict(zip(OCTAVES, [1, 1, 1, 0, 0, 0], strict=True))
    fine = coarse | {91: 1.0, 108: 0.0}
    span = seeds([fine] * 3)
    assert span.value == pytest.approx((91 * 108) ** 0.5, rel=0.01)
    assert span.low is not None
    assert span.high is not None
    assert np.log2(span.high / span.low) == pytest.approx(np.log2(108 / 91))  # half-width Δ/2 at the edge's own Δ


def test_an_interval_is_never_finer_than_half_a_step() -> None:
    span = seeds([dict(zip(OCTAVES, [1, 1, 1, 0.2, 0, 0], strict=True))] * 5)
    assert span.low is not None
    assert span.high is not None
    assert np.log2(span.high / span.low) == pytest.approx(1)


def test_t_interval_agrees_with_the_tables() -> None:
    mean, half = t_interval([1.0, 2.0, 3.0])
    assert mean == pytest.approx(2)
    assert half == pytest.approx(4.3027 / 3**0.5, rel=1e-4)  # t(.975, 2) = 4.3027, s = 1


def test_one_seed_is_a_point_and_a_failed_one_is_counted_not_averaged() -> None:
    curve = dict(zip(OCTAVES, [1, 1, 1, 0, 0, 0], strict=True))
    alone = measure_span([climbed(curve)])
    assert (alone.low, alone.high, alone.s85, alone.text()) == (None, None, None, "91 (1 seed)")
    broken = record(dict.fromkeys(OCTAVES, 0.0), seed=9, status="diverged")
    span = measure_span([climbed(curve, 0), climbed(curve, 1), broken])
    assert span.value == pytest.approx(90.5, rel=0.01)
    assert (span.n_seeds, span.n_diverged) == (2, 1)
    assert "diverged 1/3" in span.text()
    lost = measure_span([record(status="failed", seed=seed) for seed in range(3)])
    assert (lost.value, lost.text()) == (None, "failed 3/3")


def test_tokens_are_read_off_the_measured_lags() -> None:
    curve = dict(zip(OCTAVES, [1, 1, 1, 0, 0, 0], strict=True))
    span = measure_span([record(curve, kappa=2.0, seed=seed) for seed in range(3)])
    assert span.value is not None
    assert span.tokens == pytest.approx(span.value / 2, rel=0.01)
    assert span.text(tokens=True) == "91 [64, 128] (45 tokens)"


def test_a_span_beyond_training_is_marked() -> None:
    span = seeds([{lag: float(lag <= 512) for lag in HALF_OCTAVES}] * 3, retained)
    assert span.extrapolated
    assert "*" in span.text()


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
@pytest.mark.parametrize("truth", [40.0, 100.0])
def test_intervals_cover_a_known_span(n_seeds: int, truth: float) -> None:
    """Curves that fall smoothly, seeds scattered in log2 S, answers drawn: ≥ 93% of 1,000 intervals hold the truth."""
    rng, trials, n = np.random.default_rng(int(truth) + n_seeds), 1000, 256
    lags = np.array(HALF_OCTAVES, dtype=float)
    own = np.log2(truth) + rng.normal(0, 0.4, (trials, n_seeds, 1))
    s = 1 / (1 + 2 ** (3 * (np.log2(lags) - own)))
    seen = (rng.binomial(n, 0.125 + 0.875 * s) / n - 0.125) / 0.875
    centre, half = t_interval(log2_span(np.log2(lags), seen), least=0.25)
    covered = np.abs(centre - np.log2(truth)) <= half
    assert covered.mean() >= 0.93
    assert np.median(half) < 1.2  # and not by being endless


def test_simulated_intervals_are_those_that_records_give() -> None:
    rng = np.random.default_rng(1)
    curves = [logistic(HALF_OCTAVES, 2 ** rng.normal(6, 0.4)) for _ in range(4)]
    span = seeds(curves, retained)
    x = np.log2(np.array(HALF_OCTAVES, dtype=float))
    centre, half = t_interval([log2_span(x, list(curve.values())) for curve in curves], least=0.25)
    assert span.value == pytest.approx(2 ** float(centre), rel=1e-3)
    assert span.high == pytest.approx(2 ** float(centre + half), rel=1e-3)


def test_a_task_without_a_single_source_has_a_score_and_no_span() -> None:
    def by_length(seed: int, score: float) -> Record:
        made = retained({2: 1.0, 64: 1.0, 128: score, 512: 0.0}, seed)
        return made.model_copy(update={"facts": facts(lag_unit="none")})

    one = measure_span([by_length(0, 0.4)])
    assert (one.value, one.low, one.tokens, one.text()) == (None, None, None, "0.60 (1 seed)")
    several = measure_span([by_length(seed, score) for seed, score in enumerate((0.2, 0.4, 0.6))])
    half = t_interval([0.55, 0.6, 0.65])[1]
    assert several.text() == f"0.60 [{0.6 - half:.2f}, {0.6 + half:.2f}]"
    assert not several.extrapolated


def test_one_seed_read_in_parts_is_the_seed_read_whole() -> None:
    rng = np.random.default_rng(0)
    for make, grid in ((climbed, OCTAVES), (retained, HALF_OCTAVES)):
        for scale in (0.05, 0.4, 1.0):
            one = make({lag: float(s) for lag, s in zip(grid, scale * rng.uniform(size=len(grid)), strict=True)})
            whole, bare = measure_span([one]), lone_span(one, seed_curve(one))
            assert whole.recall_seeds == (whole.recall,)
            names = ("censor", "value", "first_lag", "last_lag", "log2_seeds", "unit")
            assert [getattr(bare, name) for name in names] == [getattr(whole, name) for name in names]


def test_each_seed_has_the_score_and_the_span_that_it_has_alone() -> None:
    rng = np.random.default_rng(0)
    for chosen in ([OCTAVES] * 3, [OCTAVES, OCTAVES[:4], OCTAVES[1:]], [OCTAVES, OCTAVES[:-1]]):
        seeds = [
            retained(dict.fromkeys(lags, 0.0) | {lags[0]: float(rng.uniform())}, i) for i, lags in enumerate(chosen)
        ]
        span, alone = measure_span(seeds), [measure_span([seed]) for seed in seeds]
        assert span.recall_seeds == tuple(each.recall for each in alone)
        assert span.log2_seeds == pytest.approx([each.log2_seeds[0] for each in alone])


def test_lags_in_common_are_those_that_every_seed_has() -> None:
    rng = np.random.default_rng(0)
    for chosen in ([OCTAVES] * 3, [OCTAVES, OCTAVES[:4], OCTAVES[1:]], [OCTAVES[:1], OCTAVES[1:]]):
        curves = [{lag: float(rng.integers(1001)) / 1000 for lag in lags} for lags in chosen]
        lags, s = common_curve([retained(curve, seed) for seed, curve in enumerate(curves)])
        expected = [lag for lag in OCTAVES if all(lag in curve for curve in curves)]
        assert lags.tolist() == expected
        assert s.shape == (len(curves), len(expected))
        assert s == pytest.approx(np.array([[c[lag] for lag in expected] for c in curves]).reshape(s.shape))
