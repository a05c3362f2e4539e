"""Context span of text: how far back does more context still help? L(c), its gains, and the spans read off them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from leaderboard.measured import Losses
from leaderboard.protocol import EPSILON, EPSILON_CURVE, MANY
from leaderboard.record import Record
from leaderboard.statistics.bits import Mask, document_half, document_sums, kept_blocks, losses_of, seed_half
from leaderboard.statistics.curves import Array, finished
from leaderboard.statistics.simultaneous import simultaneous
from leaderboard.statistics.spans import Censor, Span


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True)
class Reliance:
    """R(c) = F(c) − L(T), bits per byte: what it costs that all of T but the last `context` is another document's.

    Mean over seeds; limits at 95%, pointwise, over seeds and documents. None: nothing to judge it by.
    """

    context: int
    value: float
    low: float | None
    high: float | None
    n_documents: int
    n_blocks: int  # scored both ways


@dataclass(frozen=True)
class ContextCurve:
    """L(c) of one cell in bits per byte, mean over seeds, and G(c) = L(c // 2) − L(c) wherever both were scored.

    Over the blocks kept after every context; arrays are empty where there is nothing to say.
    """

    unit: Literal["steps", "bytes", "tokens", "none"]
    horizon: int  # T
    n_seeds: int  # finished, the ones averaged
    n_diverged: int
    n_failed: int
    contexts: tuple[int, ...]  # K, ascending, in `unit`
    n_blocks: int  # kept
    n_dropped: int  # left out, because some tokenizer does not keep their edges after some context
    receptive_field: int | None = None
    n_documents: int = 0
    bits: Array = field(default_factory=_nothing)  # (K,) L(c)
    tokens: Array = field(default_factory=_nothing)  # (K,) mean number of tokens before a block
    gain_contexts: tuple[int, ...] = ()  # M
    gains: Array = field(default_factory=_nothing)  # (M,) G(c)
    errors: Array = field(default_factory=_nothing)  # (M,) pointwise standard errors; NaN of one document
    margins: Array | None = None  # (M,) half-widths that hold at all M at once; None: nothing to judge by
    seed_gains: Array = field(default_factory=lambda: np.zeros((0, 0)))  # (seeds, M)
    reliance: tuple[Reliance, ...] = ()

    @property
    def lows(self) -> Array | None:
        """Lower simultaneous 95% limits of G (M,); None of one document, or where nothing varies."""
        return None if self.margins is None else self.gains - self.margins

    @property
    def highs(self) -> Array | None:
        """Upper ones."""
        return None if self.margins is None else self.gains + self.margins

    @property
    def drop_rate(self) -> float:
        """Share of the target blocks that is left out."""
        return self.n_dropped / max(1, self.n_blocks + self.n_dropped)

    @property
    def exploratory(self) -> bool:
        """Whether the documents are too few."""
        return self.n_documents < MANY


def context_curve(records: Sequence[Record], kept: Mask | None = None, judged: bool = True) -> ContextCurve:
    """What the finished seeds of one cell say of their target blocks after each context.

    Its gains have limits only where they are to be `judged`: those take most of the time.

    Over the blocks `kept` (N,), where several tokenizers must share them; by default those that this cell keeps.
    Raises ValueError where seeds differ in blocks or contexts, and where a block to be kept was not scored.
    """
    ok = finished(records)
    own = kept_blocks(ok)
    kept = own if kept is None else kept
    _refuse(ok, own, kept)
    facts = next((r.facts for r in [*ok, *records] if r.facts), None)
    curve = ContextCurve(
        unit=facts.lag_unit if facts else "bytes",
        horizon=records[0].cell.horizon,
        n_seeds=len(ok),
        n_diverged=sum(r.status == "diverged" for r in records),
        n_failed=sum(r.status == "failed" for r in records),
        contexts=_contexts(ok[0]) if ok else tuple(records[0].cell.lags),
        n_blocks=int(kept.sum()) if ok else 0,
        n_dropped=int((~kept).sum()) if ok else 0,
        receptive_field=facts.receptive_field if facts else None,
    )
    return _with_losses(curve, ok, kept, judged) if curve.n_blocks else curve


def _contexts(record: Record, foreign: bool = False) -> tuple[int, ...]:
    return tuple(sorted(losses.context for losses in record.losses if losses.foreign == foreign))


def _refuse(ok: Sequence[Record], own: Mask, kept: Mask) -> None:
    for r in ok:
        if any(_contexts(r, foreign) != _contexts(ok[0], foreign) for foreign in (False, True)):
            raise ValueError(f"records {ok[0].id} and {r.id} were scored after different contexts")
    if ok and (len(kept) != len(own) or (kept & ~own).any()):
        raise ValueError(f"record {ok[0].id}: some blocks to be kept were not scored after every context")


def _with_losses(curve: ContextCurve, ok: Sequence[Record], kept: Mask, judged: bool) -> ContextCurve:
    """Add all that the losses say."""
    rows = [[losses_of(r, context) for context in curve.contexts] for r in ok]
    bits, sizes = _by_document(ok, rows, kept)
    place = {context: k for k, context in enumerate(curve.contexts)}
    having = tuple(context for context in place if context // 2 in place)
    gained = bits[:, [place[c // 2] for c in having]] - bits[:, [place[c] for c in having]]  # (S, M, D)
    curve = replace(
        curve,
        n_documents=len(sizes),
        bits=bits.sum(-1).mean(0) / sizes.sum(),
        tokens=np.array([_mean_tokens(seeds, curve.n_dropped > 0) for seeds in zip(*rows, strict=True)]),
        reliance=tuple(_reliance(ok, context, kept) for context in _contexts(ok[0], foreign=True)),
    )
    if not having:
        return curve
    curve = replace(curve, gain_contexts=having, seed_gains=gained.sum(-1) / sizes.sum())
    if not judged:
        return replace(curve, gains=curve.seed_gains.mean(0))
    gains, errors, margins = simultaneous(gained, sizes)
    return replace(curve, gains=gains, errors=errors, margins=margins)


def _by_document(ok: Sequence[Record], rows: Sequence[Sequence[Losses]], kept: Mask) -> tuple[Array, Array]:
    """Bits (S, K, D) of each document, from a row of losses for each seed, and bytes (D,)."""
    blocks = ok[0].blocks
    assert blocks is not None
    sums = [document_sums(row, blocks, kept) for row in rows]
    return np.array([bits for bits, _ in sums]), sums[0][1]


def _mean_tokens(seeds: Sequence[Losses], some_missing: bool) -> float:
    """Tokens before a block, on average over the blocks scored."""
    scored = sum(len(losses.nats) - (losses.nats.count(None) if some_missing else 0) for losses in seeds)
    return sum(losses.context_tokens for losses in seeds) / max(1, scored)


def _reliance(ok: Sequence[Record], context: int, kept: Mask) -> Reliance:
    """R at one context, paired by block: over the kept blocks that every seed also scored after foreign text."""
    found = [next(each for each in r.losses if each.foreign and each.context == context) for r in ok]
    both = kept & np.all([[nats is not None for nats in losses.nats] for losses in found], axis=0)
    if not both.any():
        return Reliance(context, np.nan, None, None, 0, 0)
    bits, sizes = _by_document(ok, [[far, losses_of(r)] for r, far in zip(ok, found, strict=True)], both)
    lost = bits[:, 0] - bits[:, 1]  # (S, D)
    by_seed = lost.sum(-1) / sizes.sum()
    value, half = float(by_seed.mean()), float(np.hypot(seed_half(by_seed), document_half(lost.mean(0), sizes)))
    limits = (value - half, value + half) if half else (None, None)
    return Reliance(context, value, *limits, len(sizes), int(both.sum()))


def context_span(records: Sequence[Record], epsilon: float = EPSILON, kept: Mask | None = None) -> Span:
    """S_ε of one cell, the largest c with G(c) ≥ ε: see `read_span`. Raises ValueError as `context_curve` does."""
    return read_span(context_curve(records, kept), epsilon)


def epsilon_curve(records: Sequence[Record], kept: Mask | None = None) -> list[tuple[float, Span]]:
    """(ε, S_ε) for every ε of the protocol, ascending: the spans never grow."""
    curve = context_curve(records, kept)
    return [(epsilon, read_span(curve, epsilon)) for epsilon in EPSILON_CURVE]


def read_span(curve: ContextCurve, epsilon: float = EPSILON) -> Span:
    """The largest c with G(c) ≥ ε, not the one before the first failure: a long dependency may stand alone.

    Limits are the same rule on the simultaneous limits of G: 0 where no lower one reaches ε, infinite where the upper
    one does at the last context. Censored `above` where G itself does there, `open` where only its upper limit does,
    `below` where no G reaches ε but some upper limit does, or where there are no limits. Where every upper limit stays
    below ε there is no trace of use: `not learned`, as of a recall without a trace.
    """
    span = _unread(curve)
    if not curve.gain_contexts:
        return span
    span = replace(span, log2_seeds=tuple(at for at, _ in seed_spans(curve, epsilon)))
    value, low, high = (_largest(curve, gains, epsilon) for gains in (curve.gains, curve.lows, curve.highs))
    if high == 0:
        return replace(span, censor="not learned")
    high = np.inf if high == span.last_lag else high
    censor: Censor = "open" if high == np.inf else "none"
    if value in (0, span.last_lag):
        censor = "above" if value else "below"
    value = value or float(span.first_lag)
    if curve.unit == "bytes":
        tokens = dict(zip(curve.contexts, curve.tokens.tolist(), strict=True)) | {0: 0.0, np.inf: np.inf, None: None}
        span = replace(span, tokens=tokens[value], tokens_low=tokens[low], tokens_high=tokens[high])
    return replace(span, censor=censor, value=value, low=low, high=high)


def _unread(curve: ContextCurve) -> Span:
    """What is known of a span before its gains are looked at."""
    grid = curve.gain_contexts or curve.contexts
    return Span(
        unit=curve.unit,
        horizon=curve.horizon,
        first_lag=grid[0],
        last_lag=grid[-1],
        n_seeds=curve.n_seeds,
        n_diverged=curve.n_diverged,
        n_failed=curve.n_failed,
        receptive_field=curve.receptive_field,
        exploratory=curve.exploratory,
        nothing="no gain",
    )


def _largest(curve: ContextCurve, gains: Array | None, epsilon: float) -> float | None:
    """The largest context whose gain (M,) reaches ε; 0 where none does, None without gains."""
    if gains is None:
        return None
    (reached,) = np.nonzero(gains >= epsilon)
    return float(curve.gain_contexts[reached[-1]]) if len(reached) else 0.0


def seed_spans(curve: ContextCurve, epsilon: float = EPSILON) -> list[tuple[float, int]]:
    """log2 of each seed's own S_ε and what it bounds: 1 at the last context, −1 at the first where no gain is ε."""
    found = []
    for gains in curve.seed_gains:
        context = _largest(curve, gains, epsilon)
        bound = -1 if not context else int(context == curve.gain_contexts[-1])
        found.append((float(np.log2(context or curve.gain_contexts[0])), bound))
    return found
