"""Cells on a pool of spawned processes, one thread each: faster than threads, and a crash takes one cell with it."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from benchmark import environment
from benchmark.running import RunOptions, record_failure, run_cell
from leaderboard.cell import Cell
from leaderboard.record import Record


class Watch(Protocol):
    """Who is told what happens."""

    def progress(self, worker: int, cell: Cell, what: str, share: float) -> None:
        """A worker is doing `what`, and has done `share` of its cell."""

    def done(self, worker: int, record: Record) -> None:
        """A cell has its record."""


@dataclass
class Worker:
    """A process, the pipe to it and the cell it has."""

    process: BaseProcess
    pipe: Connection
    cell: Cell | None = None


def run_cells(cells: Iterable[Cell], options: RunOptions, workers: int, watch: Watch) -> None:
    """Run every cell; each leaves a record under `options.folder`, whatever becomes of it."""
    waiting = deque(cells)
    team = {number: _spawn(options) for number in range(min(workers, len(waiting)))}
    try:
        for number in list(team):
            _give(team, number, waiting)
        while team:
            for number in _heard(team):
                _listen(team, number, waiting, options, watch)
    finally:
        for worker in team.values():
            worker.process.kill()
            worker.process.join()


def _heard(team: dict[int, Worker]) -> list[int]:
    ready = wait([end for worker in team.values() for end in (worker.pipe, worker.process.sentinel)])
    return [number for number, worker in team.items() if worker.pipe in ready or worker.process.sentinel in ready]


def _give(team: dict[int, Worker], number: int, waiting: deque[Cell]) -> None:
    worker = team[number]
    if waiting:
        worker.cell = waiting.popleft()
        worker.pipe.send(worker.cell)
    else:
        worker.pipe.send(None)
        worker.process.join()
        del team[number]


def _listen(team: dict[int, Worker], number: int, waiting: deque[Cell], options: RunOptions, watch: Watch) -> None:
    worker = team[number]
    assert worker.cell is not None
    try:
        message = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        watch.done(number, record_failure(worker.cell, options, f"the worker process {how}"))
        if waiting:
            team[number] = _spawn(options)
            _give(team, number, waiting)
        else:
            del team[number]
        return
    if isinstance(message, Record):
        watch.done(number, message)
        _give(team, number, waiting)
    else:
        watch.progress(number, worker.cell, *message)


def _spawn(options: RunOptions) -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, options), daemon=True)
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: the parent decides what an interrupt means
    try:
        with environment.for_workers():
            process.start()
    finally:
        signal.signal(signal.SIGINT, usual)
    theirs.close()
    return Worker(process, ours)


def work(pipe: Connection, options: RunOptions) -> None:
    """A worker's life: cells come in, progress and records go out, until None comes or the parent is gone."""
    import torch

    torch.set_num_threads(1)

    def progress(what: str, share: float) -> None:
        try:
            pipe.send((what, share))
        except BrokenPipeError:
            os._exit(1)  # the parent is gone: leave no record of an unfinished cell

    try:
        while (cell := pipe.recv()) is not None:
            pipe.send(run_cell(cell, options, progress))
    except (EOFError, BrokenPipeError):
        os._exit(1)
