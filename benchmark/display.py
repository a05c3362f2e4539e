"""What a user sees while cells run: live bars on a terminal, plain lines elsewhere."""

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from leaderboard.cell import Cell
from leaderboard.record import Record


def title(cell: Cell) -> str:
    """gru on planted@bpe-512, learn, seed 0."""
    task = f"{cell.task.name}@{cell.tokenizer.name}" if cell.tokenizer else cell.task.name
    return f"{cell.model.name} on {task}, {cell.regime}, seed {cell.seed}"


def duration(seconds: float) -> str:
    """0.2 s, 45 s, 12 min, 3.4 h or 5.6 days."""
    if seconds < 1:
        return f"{seconds:.1g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.1f} days"


class Display(AbstractContextManager):
    """Watches workers go through `total` cells."""

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total, self.finished = console, total, 0
        self.shares: dict[int, float] = {}
        self.begin = time.monotonic()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[said]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.all = self.bars.add_task("cells", total=total, said=f"0/{total}")
        self.rows: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def begun(self, worker: int, cell: Cell) -> None:
        """A worker has begun a cell."""
        self.progress(worker, cell, "begins", 0.0)

    def progress(self, worker: int, cell: Cell, what: str, share: float) -> None:
        """A worker is doing `what`, and has done `share` of its cell."""
        self.shares[worker] = share
        if worker not in self.rows:
            self.rows[worker] = self.bars.add_task("", total=1.0, said="")
        self.bars.update(
            self.rows[worker], description=f"{title(cell)}: {what}", completed=share, said=f"{100 * share:.0f}%"
        )
        self._advance()

    def done(self, worker: int, record: Record) -> None:
        """A cell has its record: a line of its own."""
        self.shares.pop(worker, None)
        self._line(record, duration(record.host.seconds))

    def elsewhere(self, record: Record) -> None:
        """Another process has made a cell's record meanwhile."""
        self._line(record, "by another spanbench")

    def stopping(self) -> None:
        """Workers are asked to save what they can."""
        self.console.print("interrupted: saving what is in training; again to stop at once", highlight=False)

    def _line(self, record: Record, how: str) -> None:
        """What became of a cell."""
        from leaderboard.reports.headline import headline  # brings scipy, for which no other line waits

        self.finished += 1
        self._advance()
        said = headline([record]) if record.status == "ok" else f"{record.status}: {record.reason}"
        left = "" if self.console.is_terminal else self._left()
        line = f"[{self.finished}/{self.total}] {title(record.cell)}: {said}, {how}{left}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _advance(self) -> None:
        said = f"{self.finished}/{self.total}{self._left()}"
        self.bars.update(self.all, completed=self.finished + sum(self.shares.values()), said=said)

    def _left(self) -> str:
        done = self.finished + sum(self.shares.values())
        if done < 0.05 or self.finished == self.total:
            return ""
        left = (time.monotonic() - self.begin) * (self.total - done) / done
        return f", about {duration(left)} left"
