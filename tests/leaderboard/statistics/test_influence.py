"""Influence spans against closed forms, brute-force sums and simulated documents whose span is known."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.measured import Influence, Moved
from leaderboard.protocol import FAINT, MASS
from leaderboard.record import Record
from leaderboard.statistics.curves import Array
from leaderboard.statistics.influence import faint, faint_span, influence_curve, mass, mass_span
from leaderboard.statistics.spans import Span
from tests.leaderboard.synthetic_records import facts, record

GRID = sorted({round(2 ** (k / 2)) for k in range(27)})  # 1, 2, 3, 4, 6 … 8192
DECAYS = [(0.9, 44), (0.99, 459), (0.999, 4603)]


def moved(lag: int, amplitudes: Sequence[float | None], kappa: float = 1.0, actual: float | None = None) -> Moved:
    n = sum(a is not None for a in amplitudes)
    total = round(n * (actual or lag))
    return Moved(lag=lag, amplitudes=list(amplitudes), lag_sum=total, lag_tokens=round(total / kappa))


def measured(influence: Influence | None, kappa: float | None = None, **changes) -> Record:
    made = record({8: 1.0}, kappa, **({"regime": "retain", "lags": [2, 4096]} | changes))
    return made.model_copy(update={"influence": influence})


def seed_of(amplitudes: Array, lags: Sequence[int] = GRID, seed: int = 0, **changes) -> Record:
    """A seed whose documents, a target each, have `amplitudes` (D, K)."""
    curve = [moved(lag, each.tolist()) for lag, each in zip(lags, amplitudes.T, strict=True)]
    found = Influence(documents=list(range(len(amplitudes))), curve=curve, leaks=[0.0] * len(amplitudes))
    return measured(found, seed=seed, **changes)


def alike(curve: Sequence[float] | Array, lags: Sequence[int] = GRID, documents: int = 8, seed: int = 0) -> Record:
    return seed_of(np.tile(np.asarray(curve, dtype=float), (documents, 1)), lags, seed)


def by_lag(lags: Sequence[int], influence: Sequence[float]) -> Array:
    """I at every whole lag from the first to the last, a loop over them."""
    found = []
    for lag in range(lags[0], lags[-1] + 1):
        i = max(k for k, each in enumerate(lags) if each <= lag)
        a, b = influence[i], influence[min(i + 1, len(lags) - 1)]
        share = (lag - lags[i]) / (lags[i + 1] - lags[i]) if i + 1 < len(lags) else 0.0
        found.append(a if share == 0 else 0.0 if a == 0 or b == 0 else a ** (1 - share) * b**share)
    return np.array(found)


@pytest.mark.parametrize(("rho", "last"), DECAYS)
def test_decaying_recurrences_have_their_closed_forms(rho: float, last: int) -> None:
    record = alike(rho ** (np.array(GRID) - 1))
    span, within = faint_span([record]), mass_span([record])
    assert span.value == pytest.approx(last, rel=1e-9)  # 1 + ⌊ln τ / ln ρ⌋
    assert within.value == pytest.approx(np.ceil(np.log(1 - MASS) / np.log(rho)), rel=0.03)
    assert span.censor == within.censor == "none"
    assert span.low is not None
    assert span.high is not None
    assert span.low < last < span.high
    assert span.text() == f"{last} [{span.low:.0f}, {span.high:.0f}]{'*' * (last > 4096)} (1 seed)"


def test_a_decay_that_crosses_at_a_whole_lag_counts_it() -> None:
    lags = np.array([1.0, 2, 3, 4, 6, 8])
    assert faint(lags, 0.1 ** (lags - 1)) == 3
    assert mass(np.array([1.0, 20]), np.ones(2)) == 19


@given(
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=8),
    values=st.lists(st.sampled_from([0.0, 1e-6, 0.01, 0.3, 0.3, 1.0, 2.5]), min_size=9, max_size=9),
    first=st.integers(1, 5),
)
@settings(deadline=None)
def test_any_curve_is_read_as_a_sum_over_every_lag_would_be(widths: list[int], values: list[float], first: int) -> None:
    lags = np.cumsum([first, *widths]).tolist()
    influence = values[: len(lags)]
    if not any(influence):
        return
    each = by_lag(lags, influence)
    share = np.cumsum(each) / each.sum()
    within = int(mass(np.array(lags, dtype=float), np.array(influence))) - first
    assert share[within] >= MASS - 1e-6
    assert within == 0 or share[within - 1] <= MASS + 1e-6
    last = int(faint(np.array(lags, dtype=float), np.array(influence))) - first
    level = FAINT * max(influence)
    assert each[last] >= level * (1 - 1e-6)
    assert not (each[last + 1 :] >= level * (1 + 1e-6)).any()


@pytest.mark.parametrize("reach", [1, 5, 33, 90, 127, 1000])
def test_a_window_is_never_exceeded_and_its_interval_holds_it(reach: int) -> None:
    span = faint_span([alike([float(lag <= reach) for lag in GRID], seed=seed) for seed in range(3)])
    assert span.censor == "none"
    assert span.value == max(lag for lag in GRID if lag <= reach)
    assert span.low is not None
    assert span.high is not None
    assert span.low <= reach <= span.high * (1 + 1e-9)


def test_an_influence_that_comes_back_counts_to_its_last_lag() -> None:
    curve = [1.0 if lag in (1, 256) else 1e-4 for lag in GRID]
    span = faint_span([alike(curve)])
    assert span.value is not None
    assert 256 <= span.value < 362
    assert by_lag(GRID, curve)[int(span.value) - 1] >= FAINT > by_lag(GRID, curve)[int(span.value)]


def test_what_is_not_faint_at_the_end_of_the_grid_is_a_bound() -> None:
    full = [alike(np.ones(len(GRID)), seed=seed) for seed in range(3)]
    assert faint_span(full).text() == "> 8192*"
    assert mass_span(full).censor == "open"
    assert mass_span(full).high == np.inf
    mixed = [full[0], alike(0.9 ** (np.array(GRID) - 1), seed=1)]
    assert faint_span(mixed).censor == "open"
    nearly = faint_span([alike(0.01 ** ((np.array(GRID) - 1) / 7600))])  # within half a step of the end
    assert nearly.censor == "open"
    assert nearly.value == pytest.approx(7601)


def test_no_influence_at_all_is_not_learned() -> None:
    silent = [alike(np.zeros(len(GRID)), seed=seed) for seed in range(2)]
    assert faint_span(silent).text() == mass_span(silent).text() == "not learned"
    curve = influence_curve(silent)
    assert curve is not None
    assert curve.leak == 0
    half = faint_span([silent[0], alike([float(lag <= 16) for lag in GRID], seed=1)])
    assert half.log2_seeds == (pytest.approx(-0.5), 4.0)  # half a grid step before the first lag, as in recall
    assert half.value == pytest.approx(2**1.75)


def test_targets_that_are_not_moved_are_left_out_of_their_lag() -> None:
    curve = [moved(4, [1.0, None, 3.0, 2.0], actual=4.5), moved(8, [None] * 4), moved(16, [None, None, 0.5, None])]
    found = influence_curve([measured(Influence(documents=[0, 0, 1, 2], curve=curve, leaks=[0.0, 0.002]))])
    assert found is not None
    assert found.n_documents == 3
    assert found.influence.tolist() == [2.0, 0.5]
    assert found.n_moved.tolist() == [3, 1]
    assert found.lags == pytest.approx([14 / 3, 16])
    assert found.leak == pytest.approx(0.001 / 2)
    assert not found.leaks


def test_a_model_that_sees_the_future_leaks() -> None:
    found = Influence(documents=[0, 1], curve=[moved(2, [1.0, 0.6])], leaks=[0.0, 0.01])
    curve = influence_curve([measured(found)])
    assert curve is not None
    assert curve.leak == pytest.approx(0.005 / 0.8)
    assert curve.leaks


def test_lags_that_fall_together_are_one() -> None:
    curve = [moved(1, [1.0, 1.0], actual=3), moved(2, [1.0, 1.0], actual=3), moved(4, [0.1, 0.1], actual=4)]
    found = influence_curve([measured(Influence(documents=[0, 1], curve=curve, leaks=[]))])
    assert found is not None
    assert found.lags.tolist() == [3, 4]
    assert found.leak is None


def test_bytes_are_told_in_tokens() -> None:
    curve = [moved(lag, [0.9 ** (lag - 1)] * 4, kappa=2.5) for lag in GRID]
    span = faint_span([measured(Influence(documents=[0, 1, 2, 3], curve=curve, leaks=[]), 2.5)])
    assert span.unit == "bytes"
    assert span.tokens == pytest.approx(44 / 2.5, rel=0.02)
    assert "tokens" in span.text(tokens=True)


def test_cells_without_influence_have_no_curve_and_no_span() -> None:
    lost = [record({}, status="diverged", seed=0), measured(None, seed=1)]
    assert influence_curve(lost) is None
    assert faint_span(lost).n_seeds == 0
    assert faint_span(lost).text() == "diverged 1/1"
    kept = faint_span([*lost, alike(0.9 ** (np.array(GRID) - 1), seed=2)])
    assert (kept.n_seeds, kept.n_diverged, kept.value) == (1, 1, 44)


def test_one_document_of_one_seed_has_no_interval() -> None:
    alone = alike(0.9 ** (np.array(GRID) - 1), documents=1)
    assert faint_span([alone]).text() == "44 (1 seed)"
    curve = influence_curve([alone])
    assert curve is not None
    assert curve.low is None


def test_documents_shared_by_seeds_are_drawn_together() -> None:
    """Three seeds that agree on every document are no surer of the documents than one; three that share none are."""
    rng = np.random.default_rng(0)
    lags = np.array(GRID)
    one = np.exp(rng.normal(0, 1, (60, 1)) - (lags - 1) / 50)
    curves = [influence_curve([seed_of(one, seed=s) for s in range(n)]) for n in (1, 3)]
    apart = [seed_of(one, seed=s) for s in range(3)]
    for s, each in enumerate(apart):
        assert each.influence is not None
        own = each.influence.model_copy(update={"documents": [1000 * s + d for d in each.influence.documents]})
        apart[s] = each.model_copy(update={"influence": own})
    curves.append(influence_curve(apart))
    width = []
    for curve in curves:
        assert curve is not None
        assert curve.low is not None
        assert curve.high is not None
        width.append(float((curve.high - curve.low)[0]))
    assert width[1] == pytest.approx(width[0])
    assert width[2] == pytest.approx(width[0] / 3**0.5, rel=0.15)


def test_targets_of_one_document_are_not_independent() -> None:
    rng = np.random.default_rng(1)
    once = np.exp(rng.normal(0, 1, (50, 1)) - np.arange(len(GRID)))
    thrice = np.repeat(once, 3, axis=0)
    curve = [moved(lag, each.tolist()) for lag, each in zip(GRID, thrice.T, strict=True)]
    found = Influence(documents=np.repeat(np.arange(50), 3).tolist(), curve=curve, leaks=[])
    a, b = influence_curve([seed_of(once)]), influence_curve([measured(found)])
    assert a is not None
    assert b is not None
    assert a.low == pytest.approx(b.low)


def simulated(rng: np.random.Generator, seeds: int, scatter: float) -> list[Record]:
    """100 documents of I = level · noise · e^{−(lag − 1)/(100 · own · seed's)}, lags 16 to 2048.

    Level and noise are lognormal (.7), a document's own length is too (.4), and a seed's has `scatter` in octaves.
    """
    lags = np.array([lag for lag in GRID if 16 <= lag <= 2048])
    level, own = np.exp(rng.normal(0, 0.7, (100, 1))), np.exp(rng.normal(0, 0.4, (100, 1)))
    return [
        seed_of(
            level
            * np.exp(rng.normal(0, 0.7, (100, len(lags))) - (lags - 1) / (own * 100 * 2 ** rng.normal(0, scatter))),
            lags.tolist(),
            seed,
        )
        for seed in range(seeds)
    ]


def truth() -> tuple[float, float]:
    """Both spans of the mean over all documents, by quadrature over their lengths, at every lag."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    lags = np.arange(16, 2049)
    mean = np.exp(-(lags[:, None] - 1) / (100 * np.exp(0.4 * nodes))) @ weights / weights.sum()
    return float(lags[mean >= FAINT][-1]), float(lags[np.cumsum(mean) >= MASS * mean.sum()][0])


def test_intervals_cover_the_span_of_all_documents() -> None:
    rng, known = np.random.default_rng(2), truth()
    for seeds, scatter in ((1, 0.0), (3, 0.5)):
        covered = np.zeros(2)
        for _ in range(300):
            records = simulated(rng, seeds, scatter)
            covered += [_holds(read(records), value) for read, value in zip(READ, known, strict=True)]
        assert (covered / 300 >= 0.93).all(), (seeds, covered / 300)


def test_pointwise_limits_cover_the_mean() -> None:
    """Lags that are independent of one another, so that 30 trials of 12 lags are 360."""
    rng, lags = np.random.default_rng(3), GRID[:12]
    for seeds in (1, 3):
        hits = 0
        for _ in range(30):
            documents, scatter = np.exp(rng.normal(0, 0.7, (100, 12))), 0.2 * (seeds > 1)
            level = [documents * np.exp(rng.normal(0, scatter, 12)) for _ in range(seeds)]
            curve = influence_curve([seed_of(each, lags, s) for s, each in enumerate(level)])
            assert curve is not None
            assert curve.low is not None
            assert curve.high is not None
            known = np.exp((0.7**2 + scatter**2) / 2)
            hits += int(((curve.low <= known) & (known <= curve.high)).sum())
        assert hits / 360 >= 0.92, (seeds, hits / 360)


READ: tuple[Callable[[Sequence[Record]], Span], ...] = (faint_span, mass_span)


def _holds(span: Span, value: float) -> bool:
    return span.low is not None and span.high is not None and span.low <= value <= span.high


def test_the_unit_is_the_tasks() -> None:
    curve = influence_curve([alike(np.ones(len(GRID))).model_copy(update={"facts": facts(lag_unit="tokens")})])
    assert curve is not None
    assert curve.unit == "tokens"
