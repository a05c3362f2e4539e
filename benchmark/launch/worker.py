"""A worker's life: cells come in, progress and records go out."""

import os
import queue
import threading
from multiprocessing.connection import Connection

from benchmark.checkpoint import Stopped
from benchmark.run_options import RunOptions
from benchmark.running import run_cell
from leaderboard.cell import Cell

STOP = "stop"  # sent to a worker that should save what it can and end
BEGINS = "begins"  # sent by a worker that has a cell, once it is up


class Inbox:
    """What the parent sends, read by a thread: a training need not look, and the parent's death is noticed at once."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.cells = pipe, queue.SimpleQueue[Cell | None]()
        self.stopped = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                message = self.pipe.recv()
                if message == STOP:
                    self.stopped.set()
                    self.cells.put(None)
                else:
                    self.cells.put(message)
        except (EOFError, OSError):
            os._exit(1)  # the parent is gone: no record of an unfinished cell


def work(pipe: Connection, options: RunOptions, threads: int) -> None:
    """Run cells until None comes, a stop is asked for, or the parent is gone. A fault of the machine is sent back."""
    import torch

    torch.set_num_threads(threads)
    inbox = Inbox(pipe)

    def progress(what: str, share: float) -> None:
        try:
            pipe.send((what, share))
        except BrokenPipeError:
            os._exit(1)

    try:
        while (cell := inbox.cells.get()) is not None and not inbox.stopped.is_set():
            pipe.send(BEGINS)
            pipe.send(run_cell(cell, options, progress, inbox.stopped.is_set))
    except Stopped:
        return
    except OSError as error:
        pipe.send(error)
