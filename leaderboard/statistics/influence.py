"""How far back a change still moves a prediction: I(lag) = √KL of the prediction before and after it, by lag.

Between the lags of the grid ln I is linear in the lag, which is exact for a decaying recurrence, I ∝ ρ^(lag − 1); a gap
that ends at I = 0 is empty. Spans are whole lags, and I is read at lags rounded to whole ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leaderboard.measured import Influence
from leaderboard.protocol import FAINT, LEAK, MASS
from leaderboard.record import Record
from leaderboard.statistics.bootstrap import by_document, joined, resampled
from leaderboard.statistics.curves import Array, finished, step_around
from leaderboard.statistics.spans import Span

NEAR = 1e-9  # what rounding may take from a whole lag


@dataclass(frozen=True)
class InfluenceCurve:
    """I(lag) in √nats, mean over the targets moved and over seeds, with pointwise 95% limits. Arrays are (K,)."""

    unit: str
    horizon: int  # T
    n_seeds: int
    n_documents: int
    lags: Array  # in `unit`, mean over the targets moved
    lags_tokens: Array  # the same in tokens, or steps
    n_moved: NDArray[np.int64]  # targets, over all seeds
    influence: Array
    low: Array | None  # None: one document and one seed
    high: Array | None
    leak: float | None  # mean √KL after a change of the future ÷ the greatest influence; None: not asked

    @property
    def leaks(self) -> bool:
        """Whether the future moves predictions by more than rounding."""
        return self.leak is not None and self.leak > LEAK


@dataclass(frozen=True)
class _Seeds:
    """What the finished seeds have, at the lags where each of them has a target moved."""

    records: list[Record]
    lags: Array  # (K,) ascending, distinct also when rounded
    tokens: Array  # (K,)
    sums: Array  # (S, D, K) of √KL over the targets of a document
    counts: Array  # (S, D, K)

    @property
    def influence(self) -> Array:  # (S, K)
        return self.sums.sum(1) / self.counts.sum(1)

    @property
    def judged(self) -> bool:  # is there scatter to judge by?
        return self.sums.shape[0] > 1 or self.sums.shape[1] > 1


def influence_curve(records: Sequence[Record]) -> InfluenceCurve | None:
    """The influence curve of one cell from its seeds; None where no finished one has it.

    Limits join the scatter of documents (bootstrap) and of seeds (t) in quadrature.
    """
    seeds = _seeds(records)
    if seeds is None:
        return None
    facts, influence = seeds.records[0].facts, seeds.influence
    mean = influence.mean(0)
    below, above = joined(resampled(seeds.sums, seeds.counts), influence, seeds.sums.shape[1])
    leaks = [leak for r in seeds.records if r.influence for leak in r.influence.leaks]
    leak, most = float(np.mean(leaks)) if leaks else None, float(mean.max())
    return InfluenceCurve(
        unit=facts.lag_unit if facts else "steps",
        horizon=seeds.records[0].cell.horizon,
        n_seeds=len(seeds.records),
        n_documents=seeds.sums.shape[1],
        lags=seeds.lags,
        lags_tokens=seeds.tokens,
        n_moved=seeds.counts.sum((0, 1)).astype(np.int64),
        influence=mean,
        low=np.maximum(mean - below, 0) if seeds.judged else None,
        high=mean + above if seeds.judged else None,
        leak=leak if not leak else leak / most if most else np.inf,
    )


def faint_span(records: Sequence[Record]) -> Span:
    """The last lag at which I is at least FAINT of its maximum: 1 + ⌊ln FAINT / ln ρ⌋ where I ∝ ρ^(lag − 1).

    `> C` where every seed's reaches the end of the grid, an open interval where some seed's or the upper limit does.
    """
    return _span(records, faint)


def mass_span(records: Sequence[Record]) -> Span:
    """The lag within which MASS of all influence lies, summed over whole lags: ⌈ln(1 − MASS) / ln ρ⌉ for ρ^(lag − 1).

    Of the sum up to the end of the grid: an open interval where I is not faint there yet.
    """
    return _span(records, mass)


def faint(lags: Array, influence: Array) -> Array:
    """The last whole lag (...,) with I ≥ FAINT · max I; `lags` (K,) are whole, I is (..., K). Never beyond the grid.

    A curve that is zero throughout ends half a step before the grid, as a recall span does.
    """
    most = influence.max(-1, keepdims=True)
    last = len(lags) - 1 - np.argmax((influence >= FAINT * most)[..., ::-1], axis=-1)
    after = np.minimum(last + 1, len(lags) - 1)
    here, then = (np.take_along_axis(influence, at[..., None], -1)[..., 0] for at in (last, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(here / (FAINT * most[..., 0])) / np.log(here / then)
        found = np.floor(lags[last] + np.where(after > last, share, 0) * (lags[after] - lags[last]) + NEAR)
    return np.where(most[..., 0] > 0, found, _before(lags))


def mass(lags: Array, influence: Array) -> Array:
    """The least whole lag L (...,) with Σ_{lag ≤ L} I ≥ MASS · Σ I; arguments and zero curves as for `faint`.

    A gap from a to b holds the n = b − a lags a … b − 1, whose I sum to I_a (r^n − 1) / (r − 1), r^n = I_b / I_a.
    """
    widths = np.append(np.diff(lags), 1.0)
    start, end = influence, np.concatenate([influence[..., 1:], np.zeros_like(influence[..., :1])], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.where(start > 0, np.log(end / start), 0.0)  # ln r^n, −∞ where the gap is empty
        rate = whole / widths
        terms = np.where(rate == 0, widths, np.expm1(whole) / np.expm1(rate))  # Σ of the gap's I ÷ I_a
        sums = np.cumsum(start * terms, axis=-1)
        asked = MASS * sums[..., -1:]
        gap = np.argmax(sums >= asked * (1 - NEAR), axis=-1)[..., None]
        a, rate, before = (np.take_along_axis(each, gap, -1)[..., 0] for each in (start, rate, sums - start * terms))
        rest = (asked[..., 0] - before) / a  # Σ still missing at the gap's first lag, ÷ I_a
        n = np.where(rate == 0, rest, np.log1p(rest * np.expm1(rate)) / rate)
    n = np.where(np.isfinite(rate), np.ceil(n - NEAR), 1)
    found = lags[gap[..., 0]] + np.clip(n, 1, widths[gap[..., 0]]) - 1
    return np.where(influence.max(-1) > 0, found, _before(lags))


def _before(lags: Array) -> float:
    step = step_around(np.log2(lags), 0)
    return float(lags[0] / 2 ** (step / 2))


def _seeds(records: Sequence[Record]) -> _Seeds | None:
    ok = [(r, r.influence) for r in finished([r for r in records if r.influence]) if r.influence]
    moved = [{m.lag: np.array(m.amplitudes, dtype=float) for m in found.curve} for _, found in ok]
    asked = [{lag for lag, each in by_lag.items() if not np.isnan(each).all()} for by_lag in moved]
    common = sorted(set.intersection(*asked)) if asked else []
    if not common:
        return None
    values = [np.stack([by_lag[lag] for lag in common], axis=1) for by_lag in moved]
    sums, counts = by_document([found.documents for _, found in ok], values)
    n = counts.sum((0, 1))
    lags, tokens = (_total([found for _, found in ok], common, name) / n for name in ("lag_sum", "lag_tokens"))
    _, first = np.unique(np.rint(lags), return_index=True)  # long tokens give one block for several lags asked for
    return _Seeds([r for r, _ in ok], lags[first], tokens[first], sums[..., first], counts[..., first])


def _total(found: list[Influence], lags: list[int], name: str) -> Array:
    return np.array([sum(getattr(m, name) for each in found for m in each.curve if m.lag == lag) for lag in lags])


def _span(records: Sequence[Record], read: Callable[[Array, Array], Array]) -> Span:
    """A span as `read` off each seed's curve: the mean of log2 over seeds, with limits and censoring."""
    seeds, cell = _seeds(records), records[0].cell
    facts = next((r.facts for r in [*finished(records), *records] if r.facts), None)
    lags = np.rint(seeds.lags) if seeds else np.array([min(cell.lags), max(cell.lags)], dtype=float)
    span = Span(
        unit=facts.lag_unit if facts else "steps",
        horizon=cell.horizon,
        first_lag=int(lags[0]),
        last_lag=int(lags[-1]),
        n_seeds=len(seeds.records) if seeds else 0,
        n_diverged=sum(r.status == "diverged" for r in records),
        n_failed=sum(r.status == "failed" for r in records),
        receptive_field=facts.receptive_field if facts else None,
    )
    if seeds is None:
        return span
    influence = seeds.influence
    if not influence.any():
        return replace(span, censor="not learned")
    found = np.log2(read(lags, influence))
    value, low, high = round(float(2 ** found.mean()), 9), *_limits(lags, seeds, found, read)
    span = replace(span, censor="none", value=value, low=low, high=high, log2_seeds=tuple(found.tolist()))
    full = faint(lags, influence) >= lags[-1]  # seeds whose influence is not faint at the end of the grid
    if full.all() and read is faint:
        span = replace(span, censor="above", value=value, low=value, high=np.inf)
    elif full.any() or (high is not None and high >= lags[-1]):
        span = replace(span, censor="open", high=np.inf)
    return _with_tokens(span, seeds)


def _limits(
    lags: Array, seeds: _Seeds, found: Array, read: Callable[[Array, Array], Array]
) -> tuple[float | None, float | None]:
    """95% limits, half a grid step away at least; where the next lag has no influence, the upper just before it."""
    if not seeds.judged:
        return None, None
    drawn = np.log2(read(lags, resampled(seeds.sums, seeds.counts)))
    below, above = joined(drawn, found, seeds.sums.shape[1])
    least = step_around(np.log2(lags), found) / 2
    gap = float((_emptied(lags, seeds.influence, found) - found).mean())
    below, above = max(float(below), least), max(float(above), least, gap)
    return float(2 ** (found.mean() - below)), float(2 ** (found.mean() + above))


def _emptied(lags: Array, influence: Array, found: Array) -> Array:
    """log2 of the lag before the grid's next one, where influence is nil there: a span may end anywhere in the gap."""
    after = np.minimum(np.searchsorted(lags, 2**found + NEAR, side="right"), len(lags) - 1)
    empty = influence[np.arange(len(found)), after] == 0
    return np.where(empty, np.log2(np.maximum(lags[after] - 1, 2**found)), found)


def _with_tokens(span: Span, seeds: _Seeds) -> Span:
    """Add the span in tokens, log-log between the lags replaced, where lags are bytes."""
    known = seeds.tokens > 0
    if span.unit != "bytes" or not known.any():
        return span
    log2_lags, log2_ratios = np.log2(seeds.lags[known]), np.log2((seeds.tokens / seeds.lags)[known])

    def tokens(n_bytes: float | None) -> float | None:
        return None if n_bytes is None else float(n_bytes * 2 ** np.interp(np.log2(n_bytes), log2_lags, log2_ratios))

    return replace(span, tokens=tokens(span.value), tokens_low=tokens(span.low), tokens_high=tokens(span.high))
