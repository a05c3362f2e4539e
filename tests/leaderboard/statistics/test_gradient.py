"""Shapes of gradient profiles against exponentials and power laws that are known, exact and with noise."""

import numpy as np
import pytest
from scipy import stats

from leaderboard.measured import Gradient, Slope
from leaderboard.record import Record
from leaderboard.statistics.curves import Array
from leaderboard.statistics.gradient import Profile, gradient_profile, shape
from tests.leaderboard.synthetic_records import record

LAGS = np.array(sorted({round(2 ** (k / 2)) for k in range(15)}), dtype=float)  # 1, 2, 3 … 128
LONG = np.array(sorted({round(2 ** (k / 2)) for k in range(23)}), dtype=float)  # … 2048


def decay(rho: float) -> tuple[Array, Array]:
    lags = LONG if rho > 0.99 and rho < 1 else LAGS
    return lags, rho**lags


@pytest.mark.parametrize("rho", [0.9, 0.99, 0.999, 1.02])
def test_exact_exponentials_are_recovered(rho: float) -> None:
    lags, norms = decay(rho)
    found = shape(lags, 3.7 * np.outer([1.0, 5.0, 0.2, 1.0, 2.0], norms))
    assert found.name == "exponential"
    assert found.rho == pytest.approx(rho, rel=1e-9)
    assert found.rho_low is not None
    assert found.rho_high is not None
    assert found.rho_low < rho < found.rho_high
    assert found.rho_high - found.rho_low < 1e-5
    assert found.explodes == (rho > 1)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_exact_power_laws_are_recovered(alpha: float) -> None:
    found = shape(LAGS, np.outer([1.0, 5.0, 0.2, 1.0, 2.0], LAGS**-alpha))
    assert found.name == "power law"
    assert found.alpha == pytest.approx(alpha, rel=1e-9)
    assert found.alpha_low is not None
    assert found.alpha_high is not None
    assert found.alpha_low < alpha < found.alpha_high
    assert not found.explodes


def noise(rng: np.random.Generator, kind: str, logs: Array) -> Array:
    """Lognormal noise (128, K) of a document: one for each lag (1), one in level (1), one in its rate (a tenth)."""
    if kind == "lag":
        return rng.normal(0, 1, (128, len(logs)))
    return rng.normal(0, 1, (128, 1)) if kind == "level" else rng.normal(0, 0.1, (128, 1)) * logs


@pytest.mark.parametrize("kind", ["lag", "level", "rate"])
@pytest.mark.parametrize(("law", "rate"), [("exponential", 0.95), ("exponential", 1.02), ("power law", 1.0)])
def test_noisy_shapes_are_named_right(law: str, rate: float, kind: str) -> None:
    rng = np.random.default_rng(0)
    logs = LAGS * np.log(rate) if law == "exponential" else -rate * np.log(LAGS)
    named = [shape(LAGS, np.exp(logs + noise(rng, kind, logs))).name for _ in range(60)]
    assert np.mean([name == law for name in named]) >= 0.95


def test_intervals_cover() -> None:
    rng = np.random.default_rng(1)
    for law in ("exponential", "power law"):
        logs = LAGS * np.log(0.97) if law == "exponential" else -np.log(LAGS)
        hits = 0
        for _ in range(300):
            found = shape(LAGS, np.exp(logs + rng.normal(0, 0.7, (100, len(LAGS))) + rng.normal(0, 0.7, (100, 1))))
            low, high = (found.rho_low, found.rho_high) if law == "exponential" else (found.alpha_low, found.alpha_high)
            assert low is not None
            assert high is not None
            hits += low <= (0.97 if law == "exponential" else 1.0) <= high
        assert hits / 300 >= 0.93, (law, hits / 300)


def test_the_slope_is_that_of_least_squares_and_the_gain_that_of_the_other_half() -> None:
    """Against scipy, the residuals' own mean and scatter put in by hand."""
    rng = np.random.default_rng(2)
    norms = np.exp(rng.normal(0, 1, (9, len(LAGS))) - 0.02 * LAGS)
    found, log_likelihood = shape(LAGS, norms), {}
    for name, x in (("exponential", LAGS), ("power law", np.log(LAGS))):
        parts = []
        for a, b in ((0, 1), (1, 0)):
            slope = stats.linregress(x, np.log(norms[a::2].mean(0))).slope  # pyright: ignore
            rest = np.log(norms[b::2].mean(0)) - slope * x
            parts.append(stats.norm.logpdf(rest, rest.mean(), rest.std()).mean())
        log_likelihood[name] = np.mean(parts)
    assert found.gain == pytest.approx(log_likelihood["exponential"] - log_likelihood["power law"])
    line = stats.linregress(LAGS, np.log(norms.mean(0)))
    assert found.rho == pytest.approx(np.exp(line.slope))  # pyright: ignore


def test_gradients_that_are_nil_are_left_out_and_counted() -> None:
    norms = np.tile(0.9**LAGS, (6, 1))
    norms[:, -4:] = 0  # out of reach
    norms[0, 2] = 0  # of one document only: it counts in the mean
    found = shape(LAGS, norms)
    assert (found.n_points, found.n_zero) == (len(LAGS) - 4, 4)
    assert found.rho == pytest.approx(0.9, rel=0.02)
    norms[1::2, 0] = 0  # of half the documents: nothing to hold out
    assert shape(LAGS, norms).n_zero == 5


def test_a_lag_that_few_documents_reach_does_not_break_the_draws() -> None:
    norms = np.tile(0.9**LAGS, (40, 1))
    norms[2:, 5:] = 0
    found = shape(LAGS, norms)
    assert found.n_zero == 0
    assert found.rho_low is not None
    assert np.isfinite([found.rho_low, found.rho_high or np.nan]).all()


def test_too_few_points_or_documents_have_a_reason() -> None:
    norms = np.zeros((4, len(LAGS)))
    norms[:, :2] = 1.0
    found = shape(LAGS, norms)
    assert found.name is found.rho is None
    assert found.text() == f"gradients reach 2 of {len(LAGS)} lags"
    assert shape(LAGS, norms[:1] + 1).text() == "one document, and none to hold out"


def test_texts() -> None:
    rng = np.random.default_rng(3)
    scatter = np.exp(rng.normal(0, 0.2, (64, len(LAGS))))
    assert shape(LAGS, scatter * 0.99**LAGS).text().startswith("ρ = 0.99")
    assert shape(LAGS, scatter * 0.99**LAGS).text().endswith("], exponential")
    assert shape(LAGS, scatter * 1.02**LAGS).text().startswith("grows: ρ = 1.0")
    assert shape(LAGS, scatter / LAGS).text().endswith("], power law")
    assert shape(LONG, np.ones((4, 1)) * 0.9996**LONG).text() == "ρ = 0.99960 [0.99960, 0.99960], exponential"


def profiled(before: Array, after: Array, seed: int = 0, gates: Array | None = None, kappa: float = 1.0) -> Record:
    """A seed whose targets, two a document, have these norms (targets, K)."""
    n = len(after)
    curve = [
        Slope(
            lag=int(lag), lag_sum=round(n * lag * kappa), lag_tokens=n * int(lag), before=a.tolist(), after=b.tolist()
        )
        for lag, a, b in zip(LAGS, before.T, after.T, strict=True)
    ]
    rows = None if gates is None else gates.tolist()
    found = Gradient(documents=(np.arange(n) // 2).tolist(), curve=curve, gates=rows)
    return record({8: 1.0}, kappa, regime="retain", lags=[2, 128], seed=seed).model_copy(update={"gradient": found})


def profile(*records: Record) -> Profile:
    found = gradient_profile(records)
    assert found is not None
    return found


def test_a_profile_holds_means_in_both_units() -> None:
    before, after = np.tile(0.9**LAGS, (8, 1)), np.outer([1.0, 3.0] * 4, 1 / LAGS)
    gates = np.stack([0.9**LAGS, 0.5**LAGS])
    found = profile(profiled(before, after, gates=gates, kappa=3), profiled(before, 3 * after, 1, gates / 2, 3))
    assert (found.unit, found.n_seeds, found.n_documents) == ("bytes", 2, 4)
    assert found.lags.tolist() == LAGS.tolist()
    assert found.lags_in_unit == pytest.approx(3 * LAGS)
    assert found.before == pytest.approx(0.9**LAGS)
    assert found.after == pytest.approx(4 / LAGS)
    assert found.gates == pytest.approx(0.75 * gates)
    assert found.shape_before.rho == pytest.approx(0.9)
    assert found.shape_after.name == "power law"
    assert found.shape_after.alpha == pytest.approx(1)
    assert profile(profiled(before, after)).gates is None


def test_seeds_widen_the_interval_by_t() -> None:
    """Seeds without scatter over documents: the mean of ln ρ and its t interval."""
    rates = np.array([0.90, 0.92, 0.95])
    found = profile(*(profiled(np.ones((8, len(LAGS))), np.tile(r**LAGS, (8, 1)), s) for s, r in enumerate(rates)))
    logs = np.log(rates)
    half = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / 3**0.5
    got = found.shape_after
    assert [got.rho, got.rho_low, got.rho_high] == pytest.approx(np.exp(logs.mean() + half * np.array([0, -1, 1])))
    assert not found.shape_before.explodes


def test_cells_without_gradients_have_no_profile() -> None:
    assert gradient_profile([record({8: 1.0}), record({}, status="failed", seed=1)]) is None
