"""Censored regression against least squares and a plain search for the greatest likelihood."""

import numpy as np
import pytest
from scipy import optimize, stats

from leaderboard.statistics.censored import censored_slopes

X = np.log2([1.0, 1.95, 2.6, 3.4])
LEAST = 0.14


def test_without_bounds_it_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    x, y = np.tile(X, 3), rng.normal(0, 1, 12)
    [found] = censored_slopes(x, y, np.zeros(12), np.ones((1, 12)), LEAST)
    assert found == pytest.approx(np.polyfit(x, y, 1)[0])


def test_weights_of_nothing_leave_points_out() -> None:
    rng = np.random.default_rng(1)
    x, y, bound = np.tile(X, 4), rng.normal(5, 1, 16), np.tile([0, 0, 0, 1], 4)
    weights = np.repeat(1 - np.eye(4), 4, axis=1)  # a row leaves out a seed
    found = censored_slopes(x, y, bound, weights, LEAST)
    for row, slope in zip(weights > 0, found, strict=True):
        assert slope == pytest.approx(censored_slopes(x[row], y[row], bound[row], np.ones((1, 12)), LEAST)[0])


@pytest.mark.parametrize("case", range(12))
def test_it_finds_the_greatest_likelihood(case: int) -> None:
    rng = np.random.default_rng(case)
    n = int(rng.integers(2, 6))
    x = np.tile(X, n)
    y = 5 + rng.uniform(-0.5, 1.5) * x + rng.normal(0, rng.choice([0.05, 0.4, 1.0]), len(x))
    low, high = np.quantile(y, [rng.uniform(0, 0.3), rng.uniform(0.6, 1)])
    bound, y = np.where(y >= high, 1, np.where(y <= low, -1, 0)), np.clip(y, low, high)

    def loss(theta: np.ndarray) -> float:
        sd = max(np.exp(theta[2]), LEAST)
        z = (y - theta[0] - theta[1] * x) / sd
        known = stats.norm.logpdf(z) - np.log(sd)
        return -np.where(bound == 0, known, np.where(bound == 1, stats.norm.logsf(z), stats.norm.logcdf(z))).sum()

    options = {"maxiter": 5000, "maxfev": 10000, "xatol": 1e-9, "fatol": 1e-12}
    best = optimize.minimize(loss, [y.mean(), 0.5, 0.0], method="Nelder-Mead", options=options)
    [found] = censored_slopes(x, y, bound, np.ones((1, len(x))), LEAST)
    assert found == pytest.approx(best.x[1], abs=2e-3)


def test_points_on_a_line_are_a_line_and_one_x_is_none() -> None:
    assert censored_slopes(X, 3 + 2 * X, np.zeros(4), np.ones((1, 4)), LEAST)[0] == pytest.approx(2)
    one = censored_slopes(X, X, np.array([0, 1, 1, 1]), np.ones((1, 4)), LEAST)
    assert np.isnan(one).all()
