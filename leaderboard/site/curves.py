"""Every cell's curve: recall against lag, or bits per byte against context, each seed's and their mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.ranking.entrants import Entrant
from leaderboard.ranking.readings import kept_mask
from leaderboard.statistics.bits import Mask, measure_bits
from leaderboard.statistics.curves import common_curve, finished, seed_curve, t_interval
from leaderboard.suite import OfficialCell, Suite


@dataclass(frozen=True)
class Point:
    """One lag or context of a model in a cell. Limits at 95%, over seeds and, of bits, documents; None: one seed."""

    at: float
    value: float
    low: float | None
    high: float | None
    seeds: dict[int, float]


Curves = dict[str, dict[str, list[Point]]]  # by the key of the cell, and the submission's id


def curves(entrants: Sequence[Entrant], suite: Suite) -> Curves:
    """Those of a suite's submissions; a cell in which no seed finished has none."""
    kept = kept_mask(suite)
    return {
        official.key: {entrant.id: found for entrant in entrants if (found := _curve(entrant, official, kept))}
        for official in suite.cells
    }


def _curve(entrant: Entrant, official: OfficialCell, kept: Mask) -> list[Point]:
    records = finished(entrant.records[official.key])
    if not records:
        return []
    if official.is_text:
        return [_read(entrant, official, read.context, kept) for read in official.reads if not read.foreign]
    lags, s = common_curve(records)
    seeds = [record.cell.seed for record in records]
    several = len(seeds) > 1
    means, halves = t_interval(s.T) if several else (s.mean(0), None)
    points = []
    for k, lag in enumerate(lags):
        ends = (None, None) if halves is None else (float(means[k] - halves[k]), float(means[k] + halves[k]))
        points.append(Point(float(lag), float(means[k]), *ends, dict(zip(seeds, s[:, k].tolist(), strict=True))))
    return points


def _read(entrant: Entrant, official: OfficialCell, context: int, kept: Mask) -> Point:
    records = finished(entrant.records[official.key])
    bits = measure_bits(records, kept, context)
    assert bits.value is not None  # a suite keeps some blocks
    seeds = [record.cell.seed for record in records]
    return Point(float(context), bits.value, bits.low, bits.high, dict(zip(seeds, bits.seeds, strict=True)))


def curve_rows(entrants: Sequence[Entrant], suite: Suite) -> list[list[Any]]:
    """curves.csv: suite, revision, cell, id, name, seed, lag or context, value, one row each.

    Every seed on its own lags: of the mean, those that all seeds have.
    """
    kept, rows = kept_mask(suite), []
    for official in suite.cells:
        for entrant in entrants:
            head = [suite.name, suite.revision, official.key, entrant.id, entrant.submission.name]
            for record in finished(entrant.records[official.key]):
                if official.is_text:
                    reads = [read.context for read in official.reads if not read.foreign]
                    points = [(context, measure_bits([record], kept, context).value) for context in reads]
                else:
                    lags, s = seed_curve(record)
                    points = list(zip(map(int, lags), map(float, s), strict=True))
                rows += [[*head, record.cell.seed, lag, value] for lag, value in points]
    return rows
