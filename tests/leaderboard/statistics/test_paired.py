"""Paired tests of rows against scipy's tests, Fisher's exact test and explicit contrasts."""

import doctest

import numpy as np
import pytest
from scipy import stats

from leaderboard.statistics import paired
from leaderboard.statistics.curves import Array
from leaderboard.statistics.paired import paired_p, pairwise, satterthwaite


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0.5, 0.2, shape)


def test_examples_of_the_docstrings_hold() -> None:
    found = doctest.testmod(paired)
    assert found.attempted >= 2
    assert not found.failed


@pytest.mark.parametrize(("n_cells", "n_seeds"), [(1, 3), (4, 3), (12, 5)])
def test_equal_variances_have_all_degrees_of_freedom_and_one_alone_its_own(n_cells: int, n_seeds: int) -> None:
    alike, alone = np.full(n_cells, 0.3), np.eye(n_cells)
    assert satterthwaite(alike, n_seeds - 1) == pytest.approx(n_cells * (n_seeds - 1))
    assert satterthwaite(alone, n_seeds - 1) == pytest.approx(np.full(n_cells, n_seeds - 1))
    assert np.isinf(satterthwaite(np.zeros(n_cells), n_seeds - 1))


def test_one_cell_is_the_paired_t_test() -> None:
    a, b = drawn(2, 1, 5)
    assert paired_p(a, b) == pytest.approx(stats.ttest_rel(a[0], b[0]).pvalue)  # pyright: ignore


def test_two_cells_are_welchs_test_of_one_difference_against_the_other_turned_round() -> None:
    """(d̄1 + d̄2) / 2 = 0 just where d̄1 = −d̄2, and Welch's degrees of freedom are Satterthwaite's."""
    a, b = drawn(2, 2, 4, seed=3) * np.array([[1.0], [3.0]])
    d = a - b
    assert paired_p(a, b) == pytest.approx(stats.ttest_ind(d[0], -d[1], equal_var=False).pvalue)  # pyright: ignore


def test_p_is_the_same_both_ways_and_in_any_unit() -> None:
    a, b = drawn(2, 4, 3)
    p = paired_p(a, b)
    assert paired_p(b, a) == p
    assert paired_p(7 * a + 1, 7 * b + 1) == pytest.approx(p)
    assert paired_p(a[::-1], b[::-1]) == pytest.approx(p)


def test_what_two_rows_share_at_a_seed_cancels() -> None:
    a, b = drawn(2, 4, 3)
    shared = 10 * drawn(4, 3, seed=1)
    assert paired_p(a + shared, b + shared) == pytest.approx(paired_p(a, b))


def test_a_cell_saturated_by_both_changes_nothing() -> None:
    a, b = drawn(2, 4, 3)
    full = np.ones((1, 3))
    assert paired_p(np.vstack([a, full]), np.vstack([b, full])) == pytest.approx(paired_p(a, b))


@pytest.mark.parametrize("n_seeds", [3, 4, 5])
def test_solved_at_every_seed_against_never_is_about_fishers_exact_test(n_seeds: int) -> None:
    exact = stats.fisher_exact([[n_seeds, 0], [0, n_seeds]])[1]
    p = paired_p(np.ones((1, n_seeds)), np.zeros((1, n_seeds)))
    assert p == pytest.approx(exact, rel=0.06)
    assert p == pytest.approx(2 * stats.t.sf(n_seeds, n_seeds - 1))


def test_many_cells_without_scatter_say_more_than_one_and_rounding_says_nothing() -> None:
    ones, zeros = np.ones((6, 3)), np.zeros((6, 3))
    assert 0 < paired_p(ones, zeros) < 1e-4 < paired_p(ones[:1], zeros[:1])
    assert paired_p(ones, ones) == 1.0
    assert paired_p(np.full((6, 3), 0.1 + 0.2), np.full((6, 3), 0.3)) == 1.0  # not the same float
    hard = drawn(1, 3)
    assert paired_p(hard, hard - 0.1) == pytest.approx(paired_p(np.full((1, 3), 0.1), np.zeros((1, 3))))


def test_a_single_seed_tells_nothing() -> None:
    assert paired_p([[1.0], [1.0]], [[0.0], [0.0]]) == 1.0


def by_contrasts(scores: Array, i: int, j: int) -> float:
    """The p of one pair from explicit contrasts between rows, cell by cell."""
    n_rows, n_cells, n_seeds = scores.shape
    between = np.zeros(n_rows)
    between[[i, j]] = 1, -1
    start = np.column_stack([np.ones(n_rows), between, np.eye(n_rows)])
    outside = np.linalg.qr(start)[0][:, 2:n_rows]  # orthonormal, orthogonal to the mean and to the pair
    total, weighted = 0.0, 0.0
    for c in range(n_cells):
        own = float(np.var(scores[i, c] - scores[j, c], ddof=1))
        others = 2 * float(np.mean([np.var(k @ scores[:, c], ddof=1) for k in outside.T]))
        v, freedom = ((own + others) / 2, 2 * (n_seeds - 1)) if own < others else (own, n_seeds - 1)
        total, weighted = total + v, weighted + v**2 / freedom
    t = (scores[i].mean() - scores[j].mean()) / np.sqrt(total / n_seeds / n_cells**2)
    return float(2 * stats.t.sf(abs(t), total**2 / weighted))


@pytest.mark.parametrize("n_rows", [3, 6])
def test_a_variance_below_the_others_is_the_mean_of_both(n_rows: int) -> None:
    scores = drawn(n_rows, 4, 3, seed=n_rows) * np.random.default_rng(1).uniform(0.2, 3, (n_rows, 4, 1))
    apart, p = pairwise(scores)
    for i in range(n_rows):
        assert p[i, i] == 1.0
        for j in set(range(n_rows)) - {i}:
            assert p[i, j] == pytest.approx(by_contrasts(scores, i, j))
            assert apart[i, j] == pytest.approx(scores[i].mean() - scores[j].mean())


def test_what_a_seed_does_to_all_rows_is_no_scatter_of_theirs() -> None:
    scores, shared = drawn(5, 4, 3), 10 * drawn(4, 3, seed=1)
    assert pairwise(scores + shared)[1] == pytest.approx(pairwise(scores)[1])


def test_others_do_not_scatter_for_a_pair_that_saturates_a_cell() -> None:
    scores = drawn(5, 4, 3)
    scores[:2, 0] = 1.0
    without = pairwise(scores[:, 1:])[1][0, 1]
    assert pairwise(scores)[1][0, 1] == pytest.approx(without)


def test_damaged_scores_are_refused() -> None:
    good = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"same cells and seeds, got shapes \(2, 3\) and \(3, 2\)"):
        paired_p(good, good.T)
    with pytest.raises(ValueError, match=r"\(cells, seeds\).*got shape \(3,\)"):
        paired_p(good[0], good)
    with pytest.raises(ValueError, match="got nan in cell 1 at seed 2"):
        paired_p(good, [[1, 1, 1], [1, 1, np.nan]])
