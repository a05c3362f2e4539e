"""Boards: every row's normalised score with its interval, its rank interval, and who is tied with the leader.

A score is measured against anchors of the suite, never against other rows: a new row reorders nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from leaderboard.ranking.entrants import Entrant
from leaderboard.ranking.ledger import UNRANKED
from leaderboard.scores import normalised_score, raw_score
from leaderboard.statistics.curves import Array
from leaderboard.statistics.standing import cell_intervals, mean_interval, rank_intervals, tied_with_leader
from leaderboard.suite import Board, OfficialCell, Suite


@dataclass(frozen=True)
class CellScore:
    """One row in one cell. Seeds are in the order of the suite; None: a seed without a score."""

    official: OfficialCell
    raw: tuple[float | None, ...]
    normalised: tuple[float | None, ...]  # a seed that diverged is at chance
    statuses: tuple[str, ...]
    value: float | None  # mean of `normalised`, with its t interval over seeds; None: a seed failed
    low: float | None
    high: float | None

    @property
    def raw_mean(self) -> float | None:
        """Over the seeds that have a score."""
        found = [score for score in self.raw if score is not None]
        return fmean(found) if found else None


@dataclass(frozen=True)
class Row:
    """One submission on one board. Without a `score` or a `rank` it is shown, not ranked, and `why` says why."""

    entrant: Entrant
    cells: tuple[CellScore, ...]
    score: float | None
    low: float | None
    high: float | None
    rank: tuple[int, int] | None = None
    tied: bool = False  # the leader, or not told apart from it
    why: str = ""


@dataclass(frozen=True)
class Ranking:
    """One board: ranked rows best first, then the others by name."""

    suite: Suite
    board: Board
    rows: tuple[Row, ...]


def rank(entrants: Sequence[Entrant], suite: Suite) -> list[Ranking]:
    """Every board of a suite, from the submissions to it."""
    ours = [e for e in entrants if (e.submission.suite, e.submission.revision) == (suite.name, suite.revision)]
    return [_ranking(ours, suite, board) for board in suite.boards]


def _ranking(entrants: Sequence[Entrant], suite: Suite, board: Board) -> Ranking:
    rows = {entrant.id: _row(entrant, suite, suite.on(board.name)) for entrant in entrants}
    scores = {key: _normalised(row.cells) for key, row in rows.items() if not row.why}
    ranks, tied = rank_intervals(scores), tied_with_leader(scores)

    def place(row: Row) -> tuple[bool, float, str]:
        return bool(row.why), -(row.score or 0.0), row.entrant.submission.name.casefold()

    placed = [
        Row(r.entrant, r.cells, r.score, r.low, r.high, ranks.get(key), key in tied, r.why) for key, r in rows.items()
    ]
    return Ranking(suite, board, tuple(sorted(placed, key=place)))


def _row(entrant: Entrant, suite: Suite, officials: Sequence[OfficialCell]) -> Row:
    cells = tuple(cell_score(entrant, official, suite) for official in officials)
    failed = sum(status == "failed" for cell in cells for status in cell.statuses)
    if failed:
        n = len(suite.seeds) * len(cells)
        return Row(entrant, cells, None, None, None, why=f"incomplete: {failed} of {n} trainings failed")
    mean, low, high = mean_interval(_normalised(cells))
    why = entrant.tier if entrant.tier in UNRANKED else ""
    return Row(entrant, cells, mean, low, high, why=why)


def cell_score(entrant: Entrant, official: OfficialCell, suite: Suite) -> CellScore:
    """What a submission scores in one cell."""
    records = entrant.records[official.key]
    raw = tuple(raw_score(official, record, suite) for record in records)
    normalised = tuple(normalised_score(official, record, suite) for record in records)
    statuses = tuple(record.status for record in records)
    if None in normalised:
        return CellScore(official, raw, normalised, statuses, None, None, None)
    mean, low, high = (float(each[0]) for each in cell_intervals(np.array([normalised], dtype=float)))
    return CellScore(official, raw, normalised, statuses, mean, low, high)


def _normalised(cells: Sequence[CellScore]) -> Array:
    """(C, S)."""
    return np.array([cell.normalised for cell in cells], dtype=float)
