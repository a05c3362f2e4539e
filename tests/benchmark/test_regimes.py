"""The protocols, on a trainer that knows in advance what it will learn."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from benchmark import regimes
from benchmark.measures import recall
from leaderboard.measured import Outcome
from tasks.delayed_recall import DelayedRecall
from tests.benchmark.cells import cell


def outcome(lag: int, s: float, **extra: Any) -> Outcome:
    return Outcome(lag=lag, n=1000, total=1000 * (0.125 + 0.875 * s), lag_tokens=lag * 1000, **extra)


class Known:
    """Stands for a trained module whose s at every lag is given."""

    sequences, solved = 320, True

    def __init__(self, strength: Callable[[int], float]) -> None:
        self.strength = strength

    def test(self, task: Any, feed: Any) -> list[dict[str, float]]:
        found = [outcome(lag, self.strength(lag)) for lag in feed.test_lags]
        return [{"n": each.n, "total": each.total, "lag_tokens": each.lag_tokens} for each in found]


def climb(strength: Callable[[int], float], lags: Sequence[int], bisect: bool = False) -> list[int]:
    trained: list[int] = []

    def train(feed: Any, lag: int | None) -> Any:
        assert feed.train_lags == (lag, lag)
        trained.append(lag or 0)
        return Known(strength)

    task, given = DelayedRecall(), cell(lags=list(lags), bisect=bisect)
    curve = list(regimes.learn(given, task, train, lambda lag, make: make()))
    assert [point.lag for point in curve] == trained
    return trained


def test_a_climb_ends_after_two_failures_in_a_row() -> None:
    lags = [16, 32, 64, 128, 256, 512]
    assert climb(lambda lag: lag <= 64, lags) == [16, 32, 64, 128, 256]
    assert climb(lambda lag: 0, lags) == [16, 32]
    assert climb(lambda lag: 1, lags) == lags
    assert climb(lambda lag: 0.3, lags) == lags  # weak, but not lost
    assert climb(lambda lag: lag != 64, lags) == lags  # one failure alone ends nothing


@pytest.mark.parametrize("edge", [70, 80, 100, 127])
def test_bisection_finds_the_edge_to_a_quarter_octave(edge: int) -> None:
    trained = climb(lambda lag: lag <= edge, [16, 32, 64, 128, 256], bisect=True)
    learned = max(lag for lag in trained if lag <= edge)
    failed = min(lag for lag in trained if lag > edge)
    assert failed / learned <= 2**0.25 * 1.01
    assert len(trained) == 5 + 2


def test_bisection_without_an_edge_adds_nothing() -> None:
    assert climb(lambda lag: 1, [16, 32], bisect=True) == [16, 32]
    assert climb(lambda lag: 0, [16, 32], bisect=True) == [16, 32]


def retention(strength: Callable[[int], float]) -> list[int]:
    feed = recall.feed_for(cell(regime="retain", lags=[2, 64]), (2, 64), (2, 64))
    return [point.lag for point in recall.retention_curve(Known(strength), DelayedRecall(), feed)]  # pyright: ignore


def test_retention_is_followed_by_octaves_while_it_holds() -> None:
    base = recall.half_octaves(2, 256)
    assert base[0] == 2
    assert base[-1] == 256
    assert retention(lambda lag: 0) == base
    assert retention(lambda lag: 1) == [*base, 512, 1024, 2048]
    assert retention(lambda lag: lag <= 600) == [*base, 512, 1024]


def test_grids_are_half_octaves_and_octaves() -> None:
    steps = np.diff(np.log2(recall.half_octaves(16, 4096)))
    assert np.allclose(steps, 0.5, atol=0.04)
    assert recall.octaves(16, 128) == [16, 32, 64, 128]
    assert recall.octaves(5, 5) == [5]


def test_retention_ends_where_the_text_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DelayedRecall, "longest_lag", lambda self, split: {"test": 1500}[split])
    assert retention(lambda lag: 1) == [*recall.half_octaves(2, 256), 512, 1024]
