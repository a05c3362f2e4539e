"""The recall curve: is the answer still there when its source lies exactly `lag` back?"""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.training import Trained
from leaderboard.cell import Cell
from leaderboard.measured import Outcome
from leaderboard.protocol import EXTENSION, HOLDS, LIMIT
from tasks.base import Task
from tasks.feeds import Feed


def feed_for(cell: Cell, train_lags: tuple[int, int], val_lags: Sequence[int]) -> Feed:
    """What a task hands out for one training of this cell."""
    budget = cell.budget
    return Feed(cell.seed, budget.batch_size, train_lags, val_lags, (), n_val=budget.n_val, n_test=budget.n_test)


def recall_at(trained: Trained, task: Task, feed: Feed, lags: Sequence[int]) -> list[Outcome]:
    """Test `trained` once on `feed.n_test` examples at each lag."""
    sums = trained.test(task, replace(feed, test_lags=lags))
    return [Outcome(lag=lag, **found) for lag, found in zip(lags, sums, strict=True)]


def retention_curve(trained: Trained, task: Task, feed: Feed) -> list[Outcome]:
    """Recall from the shortest training lag to 4T by half octaves, and on by octaves to 32T while s ≥ .5.

    A text too short for that ends it earlier.
    """
    low, high = feed.train_lags
    curve = recall_at(trained, task, feed, half_octaves(low, EXTENSION * high))
    limit = min(LIMIT * high, task.longest_lag("test") or LIMIT * high)
    while 2 * curve[-1].lag <= limit and task.spec.strength(curve[-1].total / curve[-1].n) >= HOLDS:
        curve += recall_at(trained, task, feed, [2 * curve[-1].lag])
    return curve


def half_octaves(low: int, high: int) -> list[int]:
    """The distinct whole numbers nearest to low · 2^(i/2), up to `high`.

    >>> half_octaves(2, 16)
    [2, 3, 4, 6, 8, 11, 16]
    """
    grid, i = [low], 1
    while (lag := round(low * 2 ** (i / 2))) <= high:
        grid += [lag] if lag > grid[-1] else []
        i += 1
    return grid


def octaves(low: int, high: int) -> list[int]:
    """low, 2 low, 4 low … and `high` itself.

    >>> octaves(2, 20)
    [2, 4, 8, 16, 20]
    """
    grid = [low]
    while 2 * grid[-1] < high:
        grid.append(2 * grid[-1])
    return grid + [high] * (high > low)
