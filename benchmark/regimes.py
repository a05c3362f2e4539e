"""The questions: across what distance can a dependency be learned, how far does it hold once learned, how well is
text predicted?"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from benchmark.extras import extras, scored_contexts
from benchmark.measures.context import block_losses
from benchmark.measures.recall import feed_for, octaves, recall_at, retention_curve
from benchmark.training import Trained
from leaderboard.cell import Cell
from leaderboard.measured import Found, Outcome
from leaderboard.protocol import FINEST, LEARNED, LOST
from tasks.base import Task
from tasks.feeds import Feed


class Train(Protocol):
    """Trains a fresh model on what a feed hands out; `lag` is the fixed one, None where lags are mixed."""

    def __call__(self, feed: Feed, lag: int | None) -> Trained:
        """Train."""
        ...


Saved = Callable[[int, Callable[[], Outcome]], Outcome]  # an outcome already on disk, or made now and put there


def learn(cell: Cell, task: Task, train: Train, saved: Saved) -> Iterator[Outcome]:
    """Climb the octaves: at each lag train from scratch on that lag alone, and test there.

    Two lags in a row with s < .25 end the climb. With `bisect`, the gap between the last lag learned and the next is
    halved (on a log scale) down to a quarter octave.
    """

    def strength(outcome: Outcome) -> float:
        return task.spec.strength(outcome.total / outcome.n)

    def at(lag: int) -> Outcome:
        def climb() -> Outcome:
            feed = feed_for(cell, (lag, lag), (lag,))
            trained = train(feed, lag)
            (outcome,) = recall_at(trained, task, feed, (lag,))
            return replace(outcome, sequences=trained.sequences, solved=trained.solved)

        return saved(lag, climb)

    climbed: list[Outcome] = []
    for lag in cell.lags:
        climbed.append(at(lag))
        yield climbed[-1]
        if len(climbed) > 1 and all(strength(outcome) < LOST for outcome in climbed[-2:]):
            break
    learned = [outcome.lag for outcome in climbed if strength(outcome) >= LEARNED]
    failed = [
        outcome.lag for outcome in climbed if strength(outcome) < LEARNED and outcome.lag > max(learned, default=0)
    ]
    if not (cell.bisect and learned and failed):
        return
    low, high = max(learned), min(failed)
    while high / low > FINEST and (lag := round((low * high) ** 0.5)) not in (low, high):
        outcome = at(lag)
        yield outcome
        low, high = (lag, high) if strength(outcome) >= LEARNED else (low, lag)


def retain(cell: Cell, task: Task, train: Train, saved: Saved) -> Iterator[Found]:
    """Train on mixed lags, log-uniform in [lag_min, T], then follow the memory out beyond T."""
    low, high = cell.lags
    feed = feed_for(cell, (low, high), octaves(low, high))
    trained = train(feed, None)
    yield from retention_curve(trained, task, feed)
    yield from extras(cell, task, trained)


def language(cell: Cell, task: Task, train: Train, saved: Saved) -> Iterator[Found]:
    """Train on text at context T, and score the same target blocks after each context."""
    feed = feed_for(cell, (cell.horizon, cell.horizon), (cell.horizon,))
    trained = train(feed, None)
    yield from block_losses(trained, task, feed, scored_contexts(cell, task))
    yield from extras(cell, task, trained)


REGIMES: dict[str, Callable[[Cell, Task, Train, Saved], Iterator[Found]]] = {
    "learn": learn,
    "retain": retain,
    "language": language,
}
