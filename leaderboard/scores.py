"""What a seed scores in an official cell, raw and normalised to the suite's anchors."""

import math

from leaderboard.record import Record
from leaderboard.statistics.spans import measure_span
from leaderboard.suite import OfficialCell, Suite


def raw_score(official: OfficialCell, record: Record, suite: Suite) -> float | None:
    """The recall score, or bits per byte at T; None of a seed that did not finish.

    Bits count the bytes of the suite's own blocks, those that every tokenizer keeps.
    """
    if record.status != "ok":
        return None
    if not official.is_text:
        return measure_span([record]).recall
    losses = next(each for each in record.losses if each.context == record.cell.horizon and not each.foreign)
    nats = sum(losses.nats[block] or 0.0 for block in suite.kept)
    return nats / math.log(2) / sum(suite.blocks.n_bytes[block] for block in suite.kept)


def normalised_score(official: OfficialCell, record: Record, suite: Suite) -> float | None:
    """0 at chance, 1 at the reference; a seed that diverged is at chance, one that failed has none."""
    if record.status == "diverged":
        return 0.0
    raw = raw_score(official, record, suite)
    return None if raw is None else official.normalised(raw)


def mean_score(seeds: list[float | None]) -> float | None:
    """The mean over seeds; None unless every one has a score."""
    found = [score for score in seeds if score is not None]
    return math.fsum(found) / len(found) if found and len(found) == len(seeds) else None
