"""One cell in one line."""

from collections.abc import Sequence

from leaderboard.record import Record
from leaderboard.statistics.bits import measure_bits
from leaderboard.statistics.spans import measure_span


def headline(records: Sequence[Record]) -> str:
    """What the seeds of one cell found: `91 [64, 128] (50 tokens)`, `1.93 [1.90, 1.96] bits/byte`, `failed 3/3`."""
    if records[0].cell.regime == "language":
        bits = measure_bits(records)
        return bits.text() + " bits/byte" * (bits.value is not None)
    return measure_span(records).text(tokens=True)
