"""Recall: oracles with a window, a blanked cue, and simulated curves."""

import numpy as np

from benchmark.calibration.frozen import SEEDS, Checked, cell_of, record_of, trained
from benchmark.calibration.sources import Prose
from benchmark.calibration.systems import Windowed
from benchmark.measures.recall import feed_for, recall_at, retention_curve
from leaderboard.calibration import Trace, number, word
from leaderboard.cell import Budget
from leaderboard.protocol import COVERS, TRIALS
from leaderboard.record import Record
from leaderboard.statistics.curves import log2_span, seed_curve, t_interval
from leaderboard.statistics.spans import measure_span
from tasks.base import Task
from tasks.delayed_recall import DelayedRecall
from tasks.planted import Planted
from tasks.tokenizers import Byte

OCTAVES = [16, 32, 64, 128, 256, 512]


def retained(task: Task, window: int, unit: str, lags: list[int], seed: int, n_test: int) -> Record:
    """A windowed oracle's retention curve, in a record."""
    cell = cell_of(f"window of {window}", task, "retain", lags, seed, budget=Budget(n_test=n_test))
    lit = Windowed(task, window, unit)
    feed = feed_for(cell, (lags[0], lags[1]), (lags[0],))
    return record_of(cell, task, lit, retention_curve(trained(lit), task, feed))


def learned(task: Task, window: int, seed: int, n_test: int) -> Record:
    """The same on the octaves of a climb, all of which it is tested at."""
    cell = cell_of(f"window of {window}", task, "learn", OCTAVES, seed, budget=Budget(n_test=n_test))
    lit = Windowed(task, window)
    return record_of(cell, task, lit, recall_at(trained(lit), task, feed_for(cell, (16, 16), (16,)), OCTAVES))


def windows(reduced: bool) -> Checked:
    """A step at W, to half a step of the grid; the last lag that is firm lies at W or just below."""
    task, n_test = DelayedRecall(), 128 if reduced else 512
    for window in (75,) if reduced else (20, 75, 300):
        name = f"oracle with a window of {window}, retention"
        yield from stepped(name, [retained(task, window, "steps", [2, 128], s, n_test) for s in range(SEEDS)], window)
    name = "oracle with a window of 100, learning"
    yield from stepped(name, [learned(task, 100, seed, n_test) for seed in range(SEEDS)], 100)


def stepped(name: str, records: list[Record], window: int) -> Checked:
    """A curve that is 1 up to the window, and 0 beyond."""
    span = measure_span(records)
    curves = [seed_curve(record) for record in records]
    lags, s = curves[0][0], np.mean([curve for _, curve in curves], axis=0)
    right = lags <= window
    yield Trace(
        measure="recall", system=name, x=lags.tolist(), found=s.tolist(), expected=right.astype(float).tolist()
    )  # fmt: skip
    here = int(np.searchsorted(lags, window, side="right"))
    within = float(np.log2(lags[here] / lags[here - 1])) / 2 + 0.1  # chance, clipped at 0, adds a little
    ends = (window * 2**-within, window * 2**within)
    yield number("recall", name, "span S", span.value or 0.0, *ends, f"{window}, to half a step of the grid")
    holds = span.low is not None and span.high is not None and span.low <= 1.07 * window and span.high >= window / 1.07
    yield word("recall", name, "window within the limits", "yes" if holds else "no", "yes")
    yield number("recall", name, "S85", span.s85 or 0, lags[here - 1], lags[here - 1])
    yield number("recall", name, "least s within the window", float(s[right].min()), 1, 1)
    yield number("recall", name, "greatest s beyond it", float(s[~right].max()), None, 0.1)


def blanked(reduced: bool) -> Checked:
    """A cue that says nothing: chance at every lag, whoever is asked."""
    task, name = Planted(Prose(400, 400), Byte(), blank=True), "oracle on a blanked cue"
    n_test = 128 if reduced else 512
    records = [retained(task, 10**6, "bytes", [16, 128], seed, n_test) for seed in range(SEEDS)]
    span = measure_span(records)
    yield word("recall", name, "span", span.text(), "not learned")
    chance = task.spec.chance
    noise = (chance / (1 - chance) / (SEEDS * n_test)) ** 0.5  # standard error of s
    worst = max(abs(np.mean([seed_curve(record)[1] for record in records], axis=0)))
    yield number("recall", name, "greatest |s|, in standard errors", float(worst / noise), None, 4)


def coverage(reduced: bool) -> Checked:
    """Curves that fall smoothly, seeds scattered in log2 S, answers drawn, at three numbers of seeds."""
    lags = np.unique(np.rint(2 ** (np.arange(2, 23) / 2)))
    x = np.log2(lags)
    for n_seeds in (3, 5, 10):
        for truth in (40.0, 100.0):
            rng = np.random.default_rng([n_seeds, int(truth)])
            own = np.log2(truth) + rng.normal(0, 0.4, (TRIALS, n_seeds, 1))
            s = 1 / (1 + 2 ** (3 * (x - own)))
            seen = (rng.binomial(256, 0.125 + 0.875 * s) / 256 - 0.125) / 0.875
            centre, half = t_interval(log2_span(x, seen), least=0.25)
            held = float((np.abs(centre - np.log2(truth)) <= half).mean())
            said = f"≥ {COVERS} of {TRIALS} trials"
            yield number("recall", f"simulated, {n_seeds} seeds, S = {truth:.0f}", "coverage", held, COVERS, None, said)


PARTS = (windows, blanked, coverage)
