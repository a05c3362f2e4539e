"""Who is told what happens while cells run."""

from typing import Protocol

from leaderboard.cell import Cell
from leaderboard.record import Record


class Watch(Protocol):
    """Who is told what happens. Workers are numbered."""

    def begun(self, worker: int, cell: Cell) -> None:
        """A worker has begun a cell."""

    def progress(self, worker: int, cell: Cell, what: str, share: float) -> None:
        """A worker is doing `what`, and has done `share` of its cell."""

    def done(self, worker: int, record: Record) -> None:
        """A cell has its record."""

    def elsewhere(self, record: Record) -> None:
        """Another process has made a cell's record meanwhile."""

    def stopping(self) -> None:
        """Workers are asked to save what they can."""
