"""Whether two cells differ in bits per byte of the same blocks: documents paired, seeds not."""

import numpy as np
from scipy import optimize, special

from leaderboard.protocol import LEVEL
from leaderboard.statistics.bits import Bits, document_half
from leaderboard.statistics.curves import Array


def difference(a: Bits, b: Bits, error_rate: float = 1 - LEVEL) -> tuple[float, float, float] | None:
    """a − b in bits per byte with its limits, documents paired and seeds not (Welch); None: nothing to judge it by."""
    if a.value is None or b.value is None:
        return None
    middle, half = a.value - b.value, _difference_half(a, b, error_rate)
    return (middle, middle - half, middle + half) if half else None


def p_value(a: Bits, b: Bits) -> float:
    """Two-sided p of a − b: the error rate at which the limits of `difference` reach 0; 1: nothing to judge it by."""
    apart = difference(a, b)
    if apart is None:
        return 1.0

    def beyond(log10_p: float) -> float:
        return _difference_half(a, b, 10**log10_p) - abs(apart[0])

    least = -300.0  # near the smallest number there is
    return 10 ** float(optimize.brentq(beyond, least, 0.0)) if beyond(least) > 0 else 0.0  # pyright: ignore


def _difference_half(a: Bits, b: Bits, error_rate: float) -> float:
    if not np.array_equal(a.document_bytes, b.document_bytes):
        raise ValueError("bits per byte of different blocks do not compare")
    documents = document_half(a.document_bits - b.document_bits, a.document_bytes, error_rate)
    return float(np.hypot(documents, _welch_half(np.array(a.seeds), np.array(b.seeds), error_rate)))


def _welch_half(a: Array, b: Array, error_rate: float) -> float:
    """Half-width for the difference of two means; seeds of a side with only one of them cannot be judged: 0."""
    parts = [(float(side.var(ddof=1)) / len(side), len(side) - 1) for side in (a, b) if len(side) > 1]
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / df for variance, df in parts)
    return float(-special.stdtrit(freedom, error_rate / 2) * total**0.5)
