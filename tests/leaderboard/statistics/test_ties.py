"""Corrected paired tests against closed testing, published numbers and simulation."""

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from leaderboard.comparison.compared import compared
from leaderboard.comparison.findings import findings
from leaderboard.record import Record
from leaderboard.statistics.bits import Bits, measure_bits
from leaderboard.statistics.bits_difference import difference, p_value
from leaderboard.statistics.ties import holm, tied_with_best
from tests.leaderboard.statistics.test_bits import scored
from tests.leaderboard.synthetic_records import language, part


def closed_testing(p_values: list[float]) -> list[float]:
    """Marcus, Peritz & Gabriel 1976: a hypothesis is as significant as the least significant set that holds it.

    A set is judged by Bonferroni.
    """
    n = len(p_values)
    sets = [each for size in range(1, n + 1) for each in combinations(range(n), size)]
    judged = {each: min(1.0, len(each) * min(p_values[i] for i in each)) for each in sets}
    return [max(p for each, p in judged.items() if i in each) for i in range(n)]


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05])), max_size=7))
def test_holm_is_closed_testing_by_bonferroni(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed_testing(p_values))


def test_holm_gives_the_textbook_answer() -> None:
    """R's p.adjust(c(.01, .04, .03, .005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with pytest.raises(ValueError, match=r"within \[0, 1\]"):
        holm([0.5, float("nan")])


def test_pairs_are_told_apart_that_means_are_not() -> None:
    hard = dict(enumerate([0.1, 0.5, 0.9, 0.3, 0.7]))
    scores = {
        "best": hard,
        "near": {seed: s - 0.02 * (-1) ** seed for seed, s in hard.items()},
        "worse": {seed: s - 0.05 - 0.001 * seed for seed, s in hard.items()},
        "alone": {0: 0.0},  # too little to judge it by
        "elsewhere": {7: 0.0, 8: 0.0},
        "failed": {},
    }
    assert tied_with_best(scores) == {"best", "near", "alone", "elsewhere"}
    losses = {name: {seed: -s for seed, s in each.items()} for name, each in scores.items()}
    assert tied_with_best(losses, greater_is_better=False) == {"best", "near", "alone", "elsewhere"}
    assert tied_with_best({"failed": {}}) == set()


def test_the_same_distance_at_every_seed_is_a_difference_and_none_is_a_tie() -> None:
    scores = {"best": {0: 0.5, 1: 0.75}, "worse": {0: 0.25, 1: 0.5}, "same": {1: 0.75, 0: 0.5}}
    assert tied_with_best(scores) == {"best", "same"}


def test_the_level_is_that_of_the_paired_t_test_over_all_comparisons() -> None:
    rng = np.random.default_rng(0)
    scores = {f"m{k}": dict(enumerate(rng.normal(-0.05 * k, 0.05, 4))) for k in range(6)}
    best = max(scores, key=lambda name: np.mean(list(scores[name].values())))
    others = [name for name in scores if name != best]
    p = [float(stats.ttest_rel(list(scores[best].values()), list(scores[o].values())).pvalue) for o in others]
    ties = {best} | {o for o, adjusted in zip(others, closed_testing(p), strict=True) if adjusted > 0.05}
    assert tied_with_best(scores) == ties
    assert 1 < len(ties) < 6


@pytest.mark.parametrize(("n", "least", "most"), [(2, 0.03, 0.07), (5, 0.03, 0.12)])
def test_equal_models_are_rarely_told_apart(n: int, least: float, most: float) -> None:
    """One of two equal models loses its tie in 5%; that the best is chosen by the same scores adds to it with more."""
    rng, trials, told = np.random.default_rng(n), 800, 0
    for _ in range(trials):
        told += len(tied_with_best({str(k): dict(enumerate(rng.normal(3, 1, 5))) for k in range(n)})) < n
    assert least <= told / trials <= most


def test_p_of_documents_alone_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(2)
    nats = rng.normal(70, 5, (2, 30)) + rng.normal(0, 20, 30)
    sizes, documents = [100] * 30, list(range(30))
    a, b = (measure_bits([scored(row.tolist(), sizes, documents)]) for row in nats)
    assert p_value(a, b) == pytest.approx(stats.ttest_rel(*nats).pvalue)
    assert p_value(a, a) == 1.0


def test_p_of_seeds_alone_is_that_of_welch() -> None:
    seeds = [[2.0, 2.1, 2.3], [2.2, 2.5, 2.4, 2.9]]
    sides = []
    for bits in seeds:
        rows = [scored([b * np.log(2) * 100] * 3, [100] * 3, [0, 1, 2], seed) for seed, b in enumerate(bits)]
        sides.append(measure_bits(rows))
    welch = stats.ttest_ind(*seeds, equal_var=False).pvalue  # pyright: ignore
    assert p_value(*sides) == pytest.approx(welch)


def test_p_is_where_the_limits_reach_zero() -> None:
    a, b, far = (measure_bits([language(at, documents=50, seed=s) for s in range(3)]) for at in (2.0, 2.03, 5.0))
    p = p_value(a, b)
    assert 0 < p < 1
    reached = difference(a, b, p)
    assert reached is not None
    assert reached[2] == pytest.approx(0, abs=1e-9)
    assert p_value(a, far) < p_value(a, b)
    assert p_value(a, Bits(0, 0, 3)) == 1.0


def test_findings_step_down_where_equal_shares_would_see_a_tie() -> None:
    """Once the far model is told apart the near one needs p < .05, no longer .025."""

    def of(name: str, bits: float) -> list[Record]:
        return [language(bits, model=part(name), seed=seed, documents=200) for seed in range(3)]

    best = of("best", 2.0)
    near = next(
        near
        for bits in np.linspace(2.0, 2.1, 400)
        if 0.025 < p_value(measure_bits(near := of("near", float(bits))), measure_bits(best)) < 0.05
    )
    said = "\n".join(findings(compared([*best, *near, *of("far", 3.0)], "bytes")))
    assert re.search(r"Fewest bits per byte: best@byte, .*, fewer than any other", said)
