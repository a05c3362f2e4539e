"""Limits of many ratios at once: against Student's t, Bonferroni's bound, and simulation with a known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.statistics.simultaneous import simultaneous


def test_limits_of_one_gain_are_those_of_students_t() -> None:
    """With a single context the joint deviate is one t variable; with several the limits are wider, not endlessly."""
    rng = np.random.default_rng(1)
    bits, sizes = rng.normal(0, 1, (1, 8, 10)), np.full(10, 5.0)
    _, error, margin = simultaneous(bits[:, :1], sizes, 200_000)
    assert margin is not None
    assert margin / error == pytest.approx(stats.t.ppf(0.975, 9), rel=0.02)
    _, errors, margins = simultaneous(bits, sizes, 200_000)
    assert margins is not None
    assert errors[0] == error
    bonferroni = stats.t.ppf(1 - 0.025 / 8, 9)
    assert stats.t.ppf(0.975, 9) < margins[0] / errors[0] < bonferroni
    again = simultaneous(np.repeat(bits[:, :1], 8, axis=1), sizes, 200_000)[2]  # 8 times the same gain is one gain
    assert again == pytest.approx(np.repeat(margin, 8), rel=0.02)
    assert simultaneous(bits[..., :1], sizes[:1])[2] is None  # one document
    assert simultaneous(np.zeros((3, 8, 10)), sizes)[2] is None  # no scatter


def test_limits_are_the_same_whatever_was_asked_before() -> None:
    rng = np.random.default_rng(2)
    given = [(rng.normal(0, 1, (n, 4, 30)), np.full(30, 5.0)) for n in (1, 2, 3, 5, 7)]
    first = [simultaneous(*each) for each in given]
    for expected, each in zip(reversed(first), reversed(given), strict=True):
        for a, b in zip(simultaneous(*each), expected, strict=True):
            assert a is not None
            assert b is not None
            assert np.array_equal(a, b)


def heavy(rng: np.random.Generator, n_seeds: int, apart: float, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bits gained (seeds, M, 200 documents) and bytes, of expectation `truth` (M,) a byte.

    Documents of 100 to 700 bytes differ by a t(3) variable correlated by .6 between neighbouring contexts, and do so
    for every seed alike; each loss has noise of its own; seeds differ, at each context independently, by `apart`
    times what the documents leave uncertain.
    """
    n, m = 200, len(truth)
    sizes = rng.integers(100, 700, n).astype(float)
    correlated = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(np.arange(m), np.arange(m))))
    hard = 0.05 * correlated @ rng.standard_normal((m, n)) / np.sqrt(rng.chisquare(3, n) / 3)
    error = 0.05 * math.sqrt(3) * np.sqrt((sizes**2).sum()) / sizes.sum()
    seeds = apart * error * math.sqrt(n_seeds) * rng.standard_normal((n_seeds, m, 1))
    return (truth[:, None] + hard + seeds + rng.normal(0, 0.02, (n_seeds, m, n))) * sizes, sizes


@pytest.mark.parametrize(("n_seeds", "apart"), [(1, 0.0), (3, 1.0), (5, 1.0), (3, 8.0), (5, 8.0)])
def test_simultaneous_limits_cover_every_gain_at_once(n_seeds: int, apart: float) -> None:
    rng, truth, covered, wide = np.random.default_rng(n_seeds), 0.2 * 0.5 ** np.arange(8), 0, []
    for _ in range(1000):
        bits, sizes = heavy(rng, n_seeds, apart, truth)
        gains, errors, margins = simultaneous(bits, sizes, 1000)
        assert margins is not None
        covered += (np.abs(gains - truth) <= margins).all()
        wide.append(margins[0] / errors[0])
    assert covered >= 930
    assert np.median(wide) < {1: 3.2, 3: 6.5, 5: 4.7}[n_seeds]  # and not by being endless
