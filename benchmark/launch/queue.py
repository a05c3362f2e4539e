"""The cells that wait, as one of possibly several tables on a folder sees them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from benchmark.launch.claims import Claims
from benchmark.launch.finish import path_of
from benchmark.run_options import RunOptions
from benchmark.running import clear_up
from leaderboard.cell import Cell
from leaderboard.record import Record, read_record

AGAIN = 1.0  # seconds after which a cell that another process has is looked at again


class Queue:
    """Cells in their order; one that another process runs goes to the end, until its record is there.

    `elsewhere` is told of a record that another process has made meanwhile.
    """

    def __init__(self, cells: Iterable[Cell], options: RunOptions, elsewhere: Callable[[Record], None]) -> None:
        self.waiting, self.options, self.elsewhere = deque(cells), options, elsewhere
        self.claims = Claims(options.folder)

    @property
    def is_empty(self) -> bool:
        """Whether every cell has been taken or has its record."""
        return not self.waiting

    def take(self) -> Cell | None:
        """The next cell that nobody runs and that has no record, claimed; None where all that wait are others'."""
        for _ in range(len(self.waiting)):
            cell = self.waiting.popleft()
            if not self.claims.take(cell.id):
                self.waiting.append(cell)
                continue
            path = path_of(cell.id, self.options.folder)
            if path.exists():  # made by another process since the table began
                self.claims.drop(cell.id)
                self.elsewhere(read_record(path))
                continue
            clear_up(cell, self.options)
            return cell
        return None

    def done(self, cell: Cell) -> None:
        """Its record is there."""
        self.claims.drop(cell.id)

    def put_back(self, cell: Cell) -> None:
        """It was not begun, and waits again."""
        self.claims.drop(cell.id)
        self.waiting.appendleft(cell)


@contextmanager
def queue_of(cells: Iterable[Cell], options: RunOptions, elsewhere: Callable[[Record], None]) -> Iterator[Queue]:
    """A queue whose claims are given back in the end."""
    queue = Queue(cells, options, elsewhere)
    try:
        yield queue
    finally:
        queue.claims.drop_all()
