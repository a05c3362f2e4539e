"""Kinds of span: how each is read off the seeds of a cell together, and off one seed alone. On text in bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from leaderboard.record import Record
from leaderboard.statistics.bits import Mask
from leaderboard.statistics.context import ContextCurve, context_curve, context_span, seed_spans
from leaderboard.statistics.curves import seed_curve, step_around
from leaderboard.statistics.spans import Span, lone_span, measure_span


class Reading(NamedTuple):
    """One seed's span. bound 1: at least so much, −1: at most; `step` is the grid's around it, in octaves."""

    log2_span: float
    bound: int
    step: float


@dataclass(frozen=True)
class Kind:
    """Two ways to read a span: of all seeds, with limits; of one, for regressions over seeds."""

    span: Callable[[Sequence[Record]], Span]
    reading: Callable[[Record], Reading]


def recall_reading(record: Record) -> Reading:
    """One that reaches the grid's end, or may, is at least that; one below it at most."""
    curve = seed_curve(record)
    span = lone_span(record, curve)
    bound = {"above": 1, "open": 1, "below": -1, "not learned": -1}.get(span.censor, 0)
    at = float(np.log2(span.first_lag if span.value is None else span.value))
    return Reading(at, bound, step_around(np.log2(curve[0]), at))


def context_reading(record: Record, kept: Mask | None = None) -> Reading:
    """The largest context whose own gain reaches ε; at the last one it is at least that, where none does at most."""
    (reading,) = context_readings(context_curve([record], kept, judged=False), [record])
    return reading


def context_readings(curve: ContextCurve, records: Sequence[Record]) -> list[Reading]:
    """The same of each finished seed of `records`, whose curve it is, by seed."""
    log2_kappa = float(np.log2(_kappa(records))) if curve.unit == "tokens" else 0.0
    grid = np.log2(curve.gain_contexts)
    return [Reading(at + log2_kappa, bound, step_around(grid, at)) for at, bound in seed_spans(curve)]


def context_in_bytes(records: Sequence[Record], kept: Mask | None = None) -> Span:
    """The context span; one in tokens is told in bytes at κ each, and in tokens beside it."""
    return told_in_bytes(context_span(records, kept=kept), records)


def told_in_bytes(span: Span, records: Sequence[Record]) -> Span:
    """A context span of `records` in bytes, whatever its unit; one in tokens has those beside it."""
    if span.unit != "tokens":
        return span
    kappa = _kappa(records)

    def told(tokens: float | None) -> float | None:
        return None if tokens is None else tokens * kappa

    ends = {name: round(getattr(span, name) * kappa) for name in ("first_lag", "last_lag", "horizon")}
    limits = {"value": told(span.value), "low": told(span.low), "high": told(span.high)}
    tokens = {"tokens": span.value, "tokens_low": span.low, "tokens_high": span.high}
    seeds = tuple(at + float(np.log2(kappa)) for at in span.log2_seeds)
    return replace(span, unit="bytes", log2_seeds=seeds, **ends, **limits, **tokens)


def kind_of(regime: str, kept: Mask | None = None) -> Kind:
    """The span that a regime has: of recall, or of the context, over the blocks `kept` (default: the cell's own)."""
    if regime == "language":
        return Kind(partial(context_in_bytes, kept=kept), partial(context_reading, kept=kept))
    return RECALL


def _kappa(records: Sequence[Record]) -> float:
    return next((r.facts.bytes_per_token for r in records if r.facts and r.facts.bytes_per_token), 1.0)


RECALL = Kind(measure_span, recall_reading)
