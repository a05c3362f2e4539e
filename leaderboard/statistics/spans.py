"""Spans: what the seeds of one cell say together, with t intervals over seeds and censoring at the grid's ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal

import numpy as np

from leaderboard.cell import Cell
from leaderboard.protocol import EXTENSION, FIRM, REACHED, TRACE
from leaderboard.record import Record
from leaderboard.statistics.curves import (
    Array,
    finished,
    in_common,
    log2_span,
    of_one_grid,
    seed_curve,
    step_around,
    t_interval,
    to_tokens,
)

Censor = Literal["none", "above", "open", "below", "not learned", "failed"]
Curve = tuple[Array, Array]  # one seed's lags and s


@dataclass(frozen=True)
class Span:
    """What the seeds of one cell say together. Lags in `unit`; limits at 95%; None: not to be had.

    `value` is the geometric mean over seeds or, where `censor` says so, the grid's end that bounds it.
    """

    unit: Literal[
        "steps", "bytes", "tokens", "none"
    ]  # none: a task without a single source has a score by length alone
    horizon: int  # T
    first_lag: int
    last_lag: int  # C
    n_seeds: int  # finished, the ones averaged
    n_diverged: int
    n_failed: int
    censor: Censor = "failed"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    tokens: float | None = None  # value, low and high in tokens
    tokens_low: float | None = None
    tokens_high: float | None = None
    s85: int | None = None
    recall: float | None = None  # mean of s over the grid, in [0, 1]
    recall_low: float | None = None
    recall_high: float | None = None
    recall_seeds: tuple[float, ...] = ()  # the recall score of each finished seed, over its own lags
    s_first: float | None = None  # s at the shortest lag
    log2_seeds: tuple[float, ...] = ()  # log2 S, a seed each, never beyond the grid's ends
    receptive_field: int | None = None  # inputs an output can depend on; None: no bound
    exploratory: bool = False  # of text: the documents are too few
    nothing: str = "not learned"  # what is said where no value is known

    @property
    def extrapolated(self) -> bool:
        """Whether the span lies beyond the longest lag met in training."""
        return self.value is not None and self.value > self.horizon

    def text(self, tokens: bool = False) -> str:
        """`64 [45, 91]`, `> 512`, `[91, ∞)`, `< 16`, `not learned`, `64 (1 seed)`, `diverged 3/3`.

        `*` marks extrapolation, `†` few documents. A limit outside the grid prints as a bound; `≥` is an open interval
        of one seed. `–` is a span that was not measured.
        """
        notes = self._in_tokens() if tokens else []
        notes += ["1 seed"] if self.n_seeds == 1 else []
        notes += ["no interval"] if self.n_seeds > 1 and self.value is not None and self.low is None else []
        marks = "*" * self.extrapolated + "†" * (self.exploratory and self.censor != "failed")
        core = self._core() + marks + (f" ({', '.join(notes)})" if notes else "")
        return "; ".join([core] * (self.n_seeds > 0) + failures(self.n_seeds, self.n_diverged, self.n_failed))

    def _core(self) -> str:
        if self.unit == "none":
            return _score(self.recall, self.recall_low, self.recall_high)
        if self.value is None:
            return self.nothing if self.censor == "not learned" else "–"
        if self.censor in ("above", "below") and not self._vague:
            return f"{'>' if self.censor == 'above' else '<'} {_number(self.value)}"
        if self.low is None or self.high is None:
            return f"{'≥ ' * (self.censor == 'open')}{_number(self.value)}"
        low = f"< {self.first_lag}" if self.low < self.first_lag else _number(self.low)
        if np.isinf(self.high):
            return f"[{low}, ∞)"
        high = f"> {self.last_lag}" if self.high > self.last_lag else _number(self.high)
        return f"{_number(self.value)} [{low}, {high}]" if self.censor == "none" else f"[{low}, {high}]"

    @property
    def _vague(self) -> bool:
        """Whether the interval of a span beyond one end of the grid reaches back into it."""
        limit = self.low if self.censor == "above" else self.high
        return limit is not None and limit != self.value

    def _in_tokens(self) -> list[str]:
        """The span in tokens, or the bound that the interval leaves where it is open."""
        sign, shown = {"above": "> ", "below": "< "}.get(self.censor, ""), self.tokens
        if self.censor == "open" or (self.censor == "above" and self._vague):
            sign, shown = "≥ ", self.tokens if self.tokens_low is None else self.tokens_low
        elif self.censor == "below" and self._vague:
            sign, shown = "≤ ", self.tokens_high
        return [f"{sign}{_number(shown)} tokens"] if shown and np.isfinite(shown) else []


def failures(n_seeds: int, n_diverged: int, n_failed: int) -> list[str]:
    """`diverged 1/3`, `failed 1/3`: what is left out of the averages."""
    seeds = n_seeds + n_diverged + n_failed
    return [f"{name} {n}/{seeds}" for name, n in {"diverged": n_diverged, "failed": n_failed}.items() if n]


def _number(lag: float) -> str:
    return f"{lag:.0f}" if lag >= 9.95 else f"{lag:.1f}".removesuffix(".0")


def _score(mean: float | None, low: float | None, high: float | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else "")


def measure_span(records: Sequence[Record]) -> Span:
    """The span of one cell from its seeds. Only finished ones are averaged; the others are counted.

    Raises ValueError for text to predict (regime language), which has bits per byte instead.
    """
    if records[0].cell.regime == "language":
        raise ValueError(f"record {records[0].id}: regime language has no span")
    ok = finished(records)
    curves = [seed_curve(r) for r in ok]
    found = _located(records, curves)
    if not ok:
        return Span(**found)
    return _with_tokens(Span(**found, **_scored(records[0].cell, curves)), ok)


def lone_span(record: Record, curve: Curve) -> Span:
    """The span of one finished seed, whose curve is given, without score or tokens."""
    return Span(**_located([record], [curve]))


def _located(records: Sequence[Record], curves: Sequence[Curve]) -> dict[str, Any]:
    """Where a span lies, `curves` being those of the finished seeds."""
    cell = records[0].cell
    facts = next((r.facts for r in [*finished(records), *records] if r.facts), None)
    lags = [float(at) for grid, _ in curves for at in (grid[0], grid[-1])] or cell.lags
    first, last = int(min(lags)), int(max(lags))
    found: dict[str, Any] = {
        "unit": facts.lag_unit if facts else "steps",
        "horizon": cell.horizon,
        "first_lag": first,
        "last_lag": last,
        "n_seeds": len(curves),
        "n_diverged": sum(r.status == "diverged" for r in records),
        "n_failed": sum(r.status == "failed" for r in records),
        "receptive_field": facts.receptive_field if facts else None,
    }
    if not curves:
        return found
    return found | ({"censor": "none"} if found["unit"] == "none" else _interval(first, last, curves))


def _interval(first: int, last: int, curves: Sequence[Curve]) -> dict[str, Any]:
    """The span between the grid's ends, its limits, and whether it is a bound."""
    if of_one_grid(curves):
        grid = np.log2(curves[0][0])
        log2_seeds = log2_span(grid, np.array([s for _, s in curves])).tolist()
        step = step_around(grid, log2_seeds)
    else:
        grids = [np.log2(lags) for lags, _ in curves]
        log2_seeds = [float(log2_span(grid, s)) for grid, (_, s) in zip(grids, curves, strict=True)]
        step = max(step_around(grid, at) for grid, at in zip(grids, log2_seeds, strict=True))
    centre = fmean(log2_seeds)
    half = float(t_interval(log2_seeds, step / 2)[1]) if len(curves) > 1 else None
    low, high = (None, None) if half is None else (2 ** (centre - half), 2 ** (centre + half))
    censor = _censor(first, last, curves, centre)
    limits = {
        "not learned": (None, None, None),
        "above": (float(last), float(last), np.inf),
        "below": (float(first), 0.0, float(first)),
        "open": (2**centre, low, np.inf),
    }.get(censor, (2**centre, low, high))
    return {"censor": censor, "log2_seeds": tuple(log2_seeds)} | dict(
        zip(("value", "low", "high"), limits, strict=True)
    )


def _censor(first: int, last: int, curves: Sequence[Curve], centre: float) -> Censor:
    """Whether a span of log2 `centre` is known, or only bounded by the grid's ends."""
    at_first = fmean([s[0] for _, s in curves])
    if at_first < TRACE and (2**centre < first or fmean([s.mean() for _, s in curves]) < TRACE):
        return "not learned"
    if fmean([s[-1] if lags[-1] == last else 0.0 for lags, s in curves]) >= REACHED:
        return "above"
    if 2**centre < first:
        return "below"
    return "open" if fmean([s[-1] for _, s in curves]) >= TRACE else "none"


def recall_scores(cell: Cell, lags: Array, s: Array) -> Array:
    """The recall score of each seed (S,) of a cell, from s (S, K) at the lags (K,) that its seeds have in common.

    The score's grid is one that every seed of every model shares: the octaves to climb, or the lags up to 4 T.
    """
    last = EXTENSION * cell.horizon
    shared = [i for i, lag in enumerate(lags.tolist()) if (lag in cell.lags if cell.regime == "learn" else lag <= last)]
    return np.clip(s[:, shared], 0, 1).mean(axis=1)


def _scored(cell: Cell, curves: Sequence[Curve]) -> dict[str, Any]:
    """The recall score, s at the shortest lag and S85."""
    lags, s = in_common(curves)
    scores, s = recall_scores(cell, lags, s), np.clip(s, 0, 1)
    recall = float(scores.mean())
    whole = all(len(own) == len(lags) for own, _ in curves)
    seeds = scores.tolist() if whole else [float(recall_scores(cell, own, each[None])[0]) for own, each in curves]
    found = {"recall": recall, "recall_seeds": tuple(seeds), "s_first": fmean([float(own[0]) for _, own in curves])}
    if len(curves) == 1:
        return found
    half = float(t_interval(scores)[1])
    mean, margin = t_interval(s.T)
    firm = int(np.argmin([*(mean - margin >= FIRM), False]))  # how many lags, from the shortest, are firm
    limits = {"recall_low": max(0.0, recall - half), "recall_high": min(1.0, recall + half)}
    return found | limits | {"s85": int(lags[firm - 1]) if firm else None}


def _with_tokens(span: Span, ok: list[Record]) -> Span:
    """Add the span in tokens, where lags are bytes."""
    if span.unit != "bytes":
        return span

    def tokens(n_bytes: float | None) -> float | None:
        value = np.nan if n_bytes is None else float(to_tokens(ok, n_bytes))
        return None if np.isnan(value) else value

    return replace(span, tokens=tokens(span.value), tokens_low=tokens(span.low), tokens_high=tokens(span.high))
