import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tasks.draws import Draws


@given(first=st.integers(0, 10**12), cut=st.integers(0, 20), width=st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_rows_do_not_depend_on_the_batch(first: int, cut: int, width: int) -> None:
    def draw(first: int, n: int) -> list[np.ndarray]:
        draws = Draws((1, 2, 3), first, n)
        return [draws.words(width), draws.below(7, width), draws.uniform(width), draws.distinct(50, width)]

    for whole, head, tail in zip(draw(first, 20), draw(first, cut), draw(first + cut, 20 - cut), strict=True):
        assert np.array_equal(whole, np.concatenate([head, tail]))


def test_streams_and_calls_differ() -> None:
    draws = Draws((0, 1), 0, 4)
    a, b, c = draws.words(8), draws.words(8), Draws((0, 2), 0, 4).words(8)
    assert len({x.tobytes() for x in (a, b, c)}) == 3
    assert Draws((0, 1), 0, 4).words(8).tobytes() == a.tobytes()


def test_below_is_uniform_and_takes_limits_a_row() -> None:
    counts = np.bincount(Draws((5,), 0, 20_000).below(7, 3).ravel(), minlength=7)
    assert len(counts) == 7
    assert chisquare(counts).pvalue > 1e-4
    limits = np.arange(1, 101)[:, None]
    assert (Draws((6,), 0, 100).below(limits, 50) < limits).all()


def test_uniform_has_the_right_moments() -> None:
    u = Draws((7,), 0, 50_000).uniform(2)
    assert u.dtype == np.float32
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002


@pytest.mark.parametrize(("high", "width"), [(5, 5), (9, 4), (8192, 3)])
def test_distinct_is_distinct_and_uniform_in_every_place(high: int, width: int) -> None:
    rows = Draws((8, high), 0, 20_000).distinct(high, width)
    assert all(len(set(row)) == width for row in rows[:2000].tolist())
    for place in range(width):
        counts = np.bincount(rows[:, place] * min(high, 16) // high, minlength=min(high, 16))
        expected = np.bincount(np.arange(high) * min(high, 16) // high) / high * len(rows)
        assert chisquare(counts, expected).pvalue > 1e-4


def test_distinct_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="4 distinct"):
        Draws((0,), 0, 1).distinct(3, 4)
