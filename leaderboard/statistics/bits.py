"""Bits per byte of the same target blocks of text: means over seeds, intervals over seeds and documents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from leaderboard.measured import Blocks, Losses
from leaderboard.protocol import LEVEL, MANY
from leaderboard.record import Record
from leaderboard.statistics.curves import Array, finished
from leaderboard.statistics.spans import failures

Mask = NDArray[np.bool_]  # of target blocks, (N,)


@dataclass(frozen=True)
class Bits:
    """What the seeds of one cell say of the blocks kept: nats ÷ (ln 2 · bytes), with 95% limits. None: not to be had.

    One seed has limits over documents alone; several have both kinds of scatter in theirs.
    """

    n_seeds: int  # finished, the ones averaged
    n_diverged: int
    n_failed: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    context: int | None = None
    n_documents: int = 0
    n_blocks: int = 0  # kept
    n_dropped: int = 0  # left out, because some tokenizer does not keep their edges
    seeds: tuple[float, ...] = ()
    document_bits: Array = field(default_factory=lambda: np.zeros(0))  # (D,) of each document, mean over seeds
    document_bytes: Array = field(default_factory=lambda: np.zeros(0))  # (D,)

    def text(self) -> str:
        """1.93 [1.90, 1.96]; a † where documents are few."""
        if self.value is None:
            return "; ".join(failures(self.n_seeds, self.n_diverged, self.n_failed)) or "–"
        interval = f" [{self.low:.2f}, {self.high:.2f}]" if self.low is not None else ""
        core = f"{self.value:.2f}{interval}{'†' * (self.n_documents < MANY)}{' (1 seed)' * (self.n_seeds == 1)}"
        return "; ".join([core, *failures(self.n_seeds, self.n_diverged, self.n_failed)])


def losses_of(record: Record, context: int | None = None) -> Losses:
    """A finished record's losses at a context (default: T). Raises ValueError where there are none."""
    for losses in record.losses if record.blocks is not None else ():
        if losses.context == (context or record.cell.horizon) and not losses.foreign:
            return losses
    raise ValueError(f"record {record.id}: status {record.status}, but no losses of target blocks")


def kept_blocks(records: Iterable[Record]) -> Mask:
    """Which target blocks (N,) every finished record has a loss for after every context.

    Raises ValueError where they are not the same.
    """
    ok = finished(list(records))
    own = [losses for record in ok for losses in (losses_of(record), *record.losses) if not losses.foreign]
    strangers = [record.id for record in ok if record.blocks != ok[0].blocks]
    if strangers:
        raise ValueError(
            f"records {ok[0].id} and {strangers[0]} have different target blocks: their bits do not compare"
        )
    kept = np.ones(len(own[0].nats) if own else 0, dtype=bool)
    for nats in (losses.nats for losses in own if None in losses.nats):
        kept &= [each is not None for each in nats]
    return kept


def measure_bits(records: Sequence[Record], kept: Mask | None = None, context: int | None = None) -> Bits:
    """Bits per byte of the seeds of one cell after a context (default: T).

    Over the blocks `kept` (N,); by default over those it keeps itself.
    """
    ok = finished(records)
    n_diverged, n_failed = (sum(r.status == status for r in records) for status in ("diverged", "failed"))
    kept = kept_blocks(ok) if kept is None else kept
    if not ok or not kept.any():
        return Bits(len(ok), n_diverged, n_failed, n_dropped=int((~kept).sum()))
    blocks, losses = ok[0].blocks, [losses_of(record, context) for record in ok]
    assert blocks is not None
    bits, sizes = document_sums(losses, blocks, kept)
    by_seed = bits.sum(1) / sizes.sum()
    mean = bits.mean(0)
    half = np.hypot(seed_half(by_seed), document_half(mean, sizes))
    value = float(by_seed.mean())
    limits = (float(max(0.0, value - half)), float(value + half)) if half else (None, None)
    counts = (len(sizes), int(kept.sum()), int((~kept).sum()))
    seeds = tuple(by_seed.tolist())
    return Bits(len(ok), n_diverged, n_failed, value, *limits, losses[0].context, *counts, seeds, mean, sizes)


def document_sums(rows: Sequence[Losses], blocks: Blocks, kept: Mask) -> tuple[Array, Array]:
    """Bits (rows, D) and bytes (D,) of each document, over the blocks `kept` (N,)."""
    _, document = np.unique(np.array(blocks.documents)[kept], return_inverse=True)
    sizes = np.bincount(document, np.array(blocks.n_bytes)[kept]).astype(float)
    nats = [np.array(losses.nats, dtype=float)[kept] for losses in rows]
    return np.array([np.bincount(document, row) for row in nats]) / np.log(2), sizes


def seed_half(seeds: Array, error_rate: float = 1 - LEVEL) -> float:
    """Half-width of the t interval over seeds; 0 for one."""
    n = len(seeds)
    return float(-special.stdtrit(n - 1, error_rate / 2) * seeds.std(ddof=1) / n**0.5) if n > 1 else 0.0


def document_half(bits: Array, sizes: Array, error_rate: float = 1 - LEVEL) -> float:
    """Half-width of the t interval of the ratio Σ bits / Σ bytes over documents (D,); 0 for one."""
    n = len(sizes)
    if n < 2:
        return 0.0
    error = np.sqrt((document_residuals(bits, sizes) ** 2).sum())
    return float(-special.stdtrit(n - 1, error_rate / 2) * error)


def document_residuals(bits: Array, sizes: Array) -> Array:
    """What each of 2 or more documents adds to the error of Σ bits / Σ bytes: the squares sum to its variance.

    Ratio estimator, documents as clusters (Cochran 1977, 6.3). `bits` and the result are (..., D), `sizes` (D,).
    """
    n, total = len(sizes), sizes.sum()
    return np.sqrt(n / (n - 1)) * (bits - bits.sum(-1, keepdims=True) / total * sizes) / total


def same_blocks(cells: Mapping[Any, Sequence[Record]]) -> dict[Any, Bits]:
    """Bits of several cells. Those scored on the same blocks are compared on the ones that all of them keep."""
    lists: list[Sequence[Any]] = []
    for records in cells.values():
        lists += [r.blocks for r in finished(records)[:1] if r.blocks not in lists]  # pyright: ignore
    kept = [
        kept_blocks(r for records in cells.values() for r in finished(records) if r.blocks == blocks)
        for blocks in lists
    ]
    found = {}
    for key, records in cells.items():
        ok = finished(records)
        found[key] = measure_bits(records, kept[lists.index(ok[0].blocks)] if ok else None)  # pyright: ignore
    return found
