"""Standings against scipy, closed forms, every possible order, and simulated boards whose true ranks are known."""

import time
from collections.abc import Callable
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import stats

from leaderboard.protocol import COVERS, FALSE, LEVEL, TRIALS
from leaderboard.statistics import paired, standing
from leaderboard.statistics.curves import Array
from leaderboard.statistics.standing import cell_intervals, mean_interval, rank_intervals, tied_with_leader

Draw = Callable[[np.random.Generator, int, int, int], Array]  # rows (N, C, S), their means all the same


def board(scores: Array) -> dict[str, Array]:
    return {f"m{k:02}": row for k, row in enumerate(scores)}


def test_a_cells_interval_is_the_t_interval_of_scipy() -> None:
    scores = np.random.default_rng(0).normal(0.5, 0.2, (5, 3))
    mean, low, high = cell_intervals(scores)
    ends = stats.t.interval(LEVEL, 2, scores.mean(1), stats.sem(scores, axis=1))
    assert mean == pytest.approx(scores.mean(1))
    assert (low, high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    mean, low, high = cell_intervals(scores[:, :1])
    assert mean == pytest.approx(scores[:, 0])
    assert np.isnan([low, high]).all()


def test_two_seeds_in_one_cell_have_a_closed_form() -> None:
    """Drawn anew, the mean of two is either of them in a quarter of draws, a residual r away, times √2."""
    mean, low, high = mean_interval([[0.2, 0.6]])
    half = 0.2 * 2**0.5 * stats.t.ppf(0.975, 1) / stats.norm.ppf(0.975)
    assert (mean, low, high) == pytest.approx((0.4, 0.4 - half, 0.4 + half))


def test_of_many_cells_the_interval_is_that_of_satterthwaite() -> None:
    scores = np.random.default_rng(1).normal(0.5, 0.2, (40, 3))
    mean, low, high = mean_interval(scores)
    assert low is not None
    assert high is not None
    variances = scores.var(1, ddof=1) / 3
    freedom = variances.sum() ** 2 / (variances**2 / 2).sum()
    half = stats.t.ppf(0.975, freedom) * variances.sum() ** 0.5 / 40
    assert mean == pytest.approx(scores.mean())
    assert (mean - low, high - mean) == (pytest.approx(half, rel=0.1), pytest.approx(half, rel=0.1))
    assert mean_interval(scores) == (mean, low, high)
    twice = mean_interval(2 * scores + 1)
    assert twice == pytest.approx((2 * mean + 1, 2 * low + 1, 2 * high + 1))


def test_without_scatter_an_interval_has_no_width_and_with_one_seed_there_is_none() -> None:
    assert mean_interval(np.ones((4, 3))) == (1.0, 1.0, 1.0)
    assert mean_interval([[0.25], [0.75]]) == (0.5, None, None)


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize("n_cells", [4, 12])
@pytest.mark.parametrize("skewed", [False, True])
def test_the_interval_holds_the_mean_as_often_as_it_says(n_cells: int, n_seeds: int, skewed: bool) -> None:
    """Variances differ over cells, the first is saturated; skewed: scores that pile up below 1."""
    rng = np.random.default_rng(n_cells + n_seeds)
    width, shape = np.linspace(0, 1, n_cells)[:, None], (TRIALS, n_cells, n_seeds)
    drawn = 1 - width * rng.beta(1, 5, shape) if skewed else 1 + width * rng.normal(0, 1, shape)
    truth = float(1 - (width / 6).mean()) if skewed else 1.0
    intervals = np.array([mean_interval(scores)[1:] for scores in drawn], dtype=float)
    covers = ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean()
    assert COVERS <= covers <= 0.985


def as_said(monkeypatch: pytest.MonkeyPatch, n: int, significant: set[tuple[int, int]]) -> None:
    """Row i is significantly better than row j for these pairs, and no others; i < j, the means descend."""
    p, apart = np.ones((n, n)), np.subtract.outer(-np.arange(n), -np.arange(n)).astype(float)
    for i, j in significant:
        p[i, j] = p[j, i] = 1e-6
    monkeypatch.setattr(standing, "pairwise", lambda scores: (apart, p))


PATTERNS: list[set[tuple[int, int]]] = [
    set(),
    set(combinations(range(5), 2)),
    {(0, 1), (0, 2), (0, 3), (0, 4)},
    {(0, 4), (1, 4), (2, 4), (3, 4)},
    {(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)},
    {(0, 3), (1, 4)},
    {(0, 1), (1, 2), (2, 3)},  # 0 is better than 3 by what follows
]


@pytest.mark.parametrize("significant", PATTERNS)
def test_ranks_are_those_of_all_orders_that_agree(
    significant: set[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_said(monkeypatch, 5, significant)
    places: list[set[int]] = [set() for _ in range(5)]
    for order in permutations(range(5)):
        if all(order.index(i) < order.index(j) for i, j in significant):
            for row in range(5):
                places[row].add(order.index(row) + 1)
    rows = board(np.linspace(5, 1, 5)[:, None, None] * np.ones((5, 1, 2)))
    ranks = rank_intervals(rows)
    assert ranks == {f"m{k:02}": (min(each), max(each)) for k, each in enumerate(places)}
    tied = tied_with_leader(rows)
    assert "m00" in tied
    assert {name for name, (first, _) in ranks.items() if first == 1} <= tied


def test_holm_steps_down_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pairs at p = .01, .02, .04: .03, .04, .04, though .04 is more than .05 / 3."""
    apart = np.array([[0.0, 1, 2], [-1, 0, 1], [-2, -1, 0]])
    p = np.array([[1.0, 0.02, 0.01], [0.02, 1, 0.04], [0.01, 0.04, 1]])
    monkeypatch.setattr(standing, "pairwise", lambda scores: (apart, p))
    rows = board(np.array([3.0, 2.0, 1.0])[:, None, None] * np.ones((3, 1, 2)))
    assert rank_intervals(rows) == {"m00": (1, 1), "m01": (2, 2), "m02": (3, 3)}
    p[1, 2] = p[2, 1] = 0.06
    assert rank_intervals(rows) == {"m00": (1, 1), "m01": (2, 3), "m02": (2, 3)}
    assert tied_with_leader(rows) == {"m00"}


def test_names_and_their_order_do_not_matter_nor_does_a_new_row_to_the_others_scores() -> None:
    scores = 0.3 * np.arange(6)[:, None, None] + np.random.default_rng(3).normal(0, 0.5, (6, 12, 3))
    rows = board(scores)
    ranks, tied = rank_intervals(rows), tied_with_leader(rows)
    assert len(set(ranks.values())) > 2
    assert rank_intervals(dict(reversed(rows.items()))) == ranks
    assert tied_with_leader(dict(reversed(rows.items()))) == tied
    renamed = {f"z{9 - k}": row for k, row in enumerate(scores)}
    assert [rank_intervals(renamed)[f"z{9 - k}"] for k in range(6)] == [ranks[name] for name in rows]
    before = {name: mean_interval(row) for name, row in rows.items()}
    rank_intervals(rows | {"new": scores[0] + 9})
    assert {name: mean_interval(row) for name, row in rows.items()} == before


def test_small_boards_and_single_seeds() -> None:
    assert rank_intervals({}) == {}
    assert tied_with_leader({}) == set()
    assert rank_intervals({"a": np.ones((2, 3))}) == {"a": (1, 1)}
    one = {"a": np.ones((2, 1)), "b": np.zeros((2, 1))}
    assert rank_intervals(one) == {"a": (1, 2), "b": (1, 2)}
    assert tied_with_leader(one) == {"a", "b"}
    equal = {"a": np.ones((2, 3)), "b": np.ones((2, 3)), "c": np.zeros((2, 3)) - np.eye(2, 3)}
    assert rank_intervals(equal) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert tied_with_leader(equal) == {"a", "b"}
    with pytest.raises(ValueError, match=r"'a' has shape \(2, 1\), 'b' \(3, 1\)"):
        rank_intervals({"b": np.ones((3, 1)), "a": np.ones((2, 1))})


def normal(rng: np.random.Generator, n_rows: int, n_cells: int, n_seeds: int) -> Array:
    return rng.normal(0, np.linspace(0.1, 1, n_cells)[:, None], (n_rows, n_cells, n_seeds))


def one_cell(rng: np.random.Generator, n_rows: int, n_cells: int, n_seeds: int) -> Array:
    return rng.normal(0, np.where(np.arange(n_cells) == 0, 1, 0.1)[:, None], (n_rows, n_cells, n_seeds))


def failing(rng: np.random.Generator, n_rows: int, n_cells: int, n_seeds: int) -> Array:
    scores = rng.normal(0, 0.03, (n_rows, n_cells, n_seeds))
    scores[:, 0] += rng.random((n_rows, n_seeds)) < 0.5  # solved or not
    return scores


def all_covered(draw: Draw, shift: Array, trials: int, n_cells: int, n_seeds: int) -> float:
    """Share of boards where every row's interval holds all its true ranks. `shift` (N,) are the true means."""
    rng, n, held = np.random.default_rng(len(shift) + n_cells), len(shift), 0
    first = 1 + (shift[:, None] > shift).sum(0)
    last = n - (shift[:, None] < shift).sum(0)
    for _ in range(trials):
        ranks = rank_intervals(board(draw(rng, n, n_cells, n_seeds) + shift[:, None, None]))
        ends = np.array([ranks[f"m{k:02}"] for k in range(n)])
        held += bool(((ends[:, 0] <= first) & (last <= ends[:, 1])).all())
    return held / trials


@pytest.mark.parametrize("shift", [np.zeros(6), np.array([0, 0, 0.3, 0.3, 0.6, 0.9])])
@pytest.mark.parametrize("draw", [normal, one_cell, failing])
@pytest.mark.parametrize("n_cells", [4, 12])
def test_all_true_ranks_are_held_at_once(draw: Draw, shift: Array, n_cells: int) -> None:
    assert all_covered(draw, shift, 400, n_cells, 3) >= LEVEL


def test_by_their_own_variances_alone_they_would_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "_of_the_others", lambda scores, squares: np.zeros_like(squares))
    assert all_covered(one_cell, np.zeros(6), 200, 12, 3) < 0.9
    assert all_covered(failing, np.zeros(6), 200, 12, 3) < 0.85


def test_rows_that_lie_apart_are_told_apart() -> None:
    rng, exact = np.random.default_rng(5), 0
    for _ in range(50):
        rows = board(np.arange(6)[::-1, None, None] * 0.5 + normal(rng, 6, 12, 3) / 3)
        exact += rank_intervals(rows) == {f"m{k:02}": (k + 1, k + 1) for k in range(6)}
        assert tied_with_leader(rows) <= {"m00", "m01"}
    assert exact >= 45


@pytest.mark.parametrize(("n_rows", "n_cells", "least"), [(2, 1, 0.03), (6, 12, 0.0), (20, 12, 0.0)])
def test_equal_rows_rarely_lose_their_tie(n_rows: int, n_cells: int, least: float) -> None:
    rng, trials, lost = np.random.default_rng(n_rows), 1200 // n_rows, 0
    for _ in range(trials):
        lost += len(tied_with_leader(board(normal(rng, n_rows, n_cells, 5)))) < n_rows
    assert least <= lost / trials <= FALSE + 2 * (FALSE / trials) ** 0.5


def test_a_board_of_twenty_takes_no_time() -> None:
    rows, best = board(np.random.default_rng(0).normal(0, 1, (20, 12, 3))), np.inf
    for _ in range(3):
        start = time.perf_counter()
        for row in rows.values():
            cell_intervals(row)
            mean_interval(row)
        rank_intervals(rows)
        tied_with_leader(rows)
        best = min(best, time.perf_counter() - start)
    assert best <= 0.3
