"""Cells on a pool of spawned processes, one thread each: faster than threads, and a crash takes one cell with it."""

import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from benchmark import environment
from benchmark.display import duration
from benchmark.launch.manner import Manner, Resources
from benchmark.launch.queue import AGAIN, Queue
from benchmark.launch.watch import Watch
from benchmark.launch.worker import BEGINS, STOP, work
from benchmark.registry import UsageError
from benchmark.running import record_failure
from leaderboard.cell import Cell
from leaderboard.record import Record

PATIENCE = 5.0  # seconds that workers have to save what they can, once they are asked to stop


@dataclass
class Worker:
    """A process, the pipe to it, and the cell it has."""

    process: BaseProcess
    pipe: Connection
    cell: Cell | None = None
    begin: float = field(default_factory=time.monotonic)
    last: str = ""  # what was said of the cell last
    is_up: bool = False  # it has begun a cell
    has_begun: bool = False  # the one it has

    @property
    def seconds(self) -> float:
        """Since it began its cell; a process that is not up yet has not begun."""
        return time.monotonic() - self.begin if self.is_up else 0.0


def refuse_too_large(resources: Resources) -> None:
    """Raise UsageError where this machine has no room for a single cell."""
    if resources.cpu > (cores := os.cpu_count() or 1):
        raise UsageError(f"--resources.cpu: this machine has {cores} cores, got {resources.cpu:g}")
    if resources.gpu and resources.gpu > (gpus := torch.cuda.device_count()):
        raise UsageError(f"--resources.gpu: this machine has {gpus} GPUs, got {resources.gpu:g}")


class Pool:
    """Workers that take cells from a queue until it is empty."""

    def __init__(self, queue: Queue, manner: Manner, watch: Watch) -> None:
        self.queue, self.manner, self.watch = queue, manner, watch
        self.share = (
            (1.0 if torch.cuda.is_available() else 0.0) if manner.resources.gpu is None else manner.resources.gpu
        )
        room = self._room()
        self.size = min(manner.workers or room, len(queue.waiting))
        self.team: dict[int, Worker] = {}

    def run(self) -> None:
        """Run every cell; each leaves a record, whatever becomes of it. Raises OSError where the machine fails."""
        with self._ended():
            while True:
                self._hand_out()
                busy = {number: worker for number, worker in self.team.items() if worker.cell}
                if not busy and self.queue.is_empty:
                    return
                for number in self._heard(busy):
                    self._listen(number)
                for number, worker in busy.items():
                    if worker.cell and worker.seconds > self.manner.time_limit:
                        limit = duration(self.manner.time_limit)
                        self._lost(number, f"took longer than its time limit of {limit}{worker.last}")

    def _hand_out(self) -> None:
        """A cell for every worker that has none; a worker is started when there is one for it."""
        for number in range(self.size):
            worker = self.team.get(number)
            if (worker is None or worker.cell is None) and (cell := self.queue.take()):
                worker = self.team[number] = worker or self._spawn(number)
                worker.cell, worker.has_begun, worker.begin, worker.last = cell, False, time.monotonic(), ""
                with suppress(BrokenPipeError, ConnectionResetError):  # it has died, as will be heard
                    worker.pipe.send(cell)

    def _heard(self, busy: dict[int, Worker]) -> list[int]:
        """Workers that have something to say, or have died; after a while none, so that others' cells are looked at."""
        ends = [end for worker in busy.values() for end in (worker.pipe, worker.process.sentinel)]
        left = [self.manner.time_limit - worker.seconds for worker in busy.values()]
        if not self.queue.is_empty:
            left.append(AGAIN)
        if not ends:
            time.sleep(AGAIN)
            return []
        ready = wait(ends, timeout=max(0.0, min(left)))
        return [number for number, worker in busy.items() if worker.pipe in ready or worker.process.sentinel in ready]

    def _listen(self, number: int) -> None:
        worker = self.team[number]
        assert worker.cell is not None
        try:
            message = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            if worker.is_up and not worker.has_begun:  # it died between two cells
                self.queue.put_back(worker.cell)
                del self.team[number]
                return
            self._lost(number, f"the worker process {ending(worker.process.exitcode or 0)}{worker.last}")
            return
        if isinstance(message, OSError):
            raise message
        if message == BEGINS:
            worker.begin, worker.is_up, worker.has_begun = time.monotonic(), True, True
            self.watch.begun(number, worker.cell)
        elif isinstance(message, Record):
            self._done(number, message)
        else:
            worker.last = f" (last: {message[0]}, {message[1]:.0%} done)"
            self.watch.progress(number, worker.cell, *message)

    def _lost(self, number: int, reason: str) -> None:
        """Its worker is no use any more."""
        worker = self.team[number]
        assert worker.cell is not None
        worker.process.kill()
        worker.process.join()
        self._done(number, record_failure(worker.cell, self.queue.options, reason, worker.seconds))
        del self.team[number]

    def _done(self, number: int, record: Record) -> None:
        worker = self.team[number]
        assert worker.cell is not None
        self.queue.done(worker.cell)
        worker.cell = None
        self.watch.done(number, record)

    def _spawn(self, number: int) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, round(self.manner.resources.cpu))
        process = context.Process(target=work, args=(theirs, self.queue.options, threads), daemon=True)
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: the parent decides what an interrupt means
        try:
            with environment.for_workers({"OMP_NUM_THREADS": str(threads)} | self._devices(number)):
                process.start()
        finally:
            signal.signal(signal.SIGINT, usual)
        theirs.close()
        return Worker(process, ours)

    def _room(self) -> int:
        """How many cells the machine has room for at once."""
        by_cpu = (os.cpu_count() or 1) / self.manner.resources.cpu
        by_gpu = torch.cuda.device_count() / self.share if self.share else by_cpu
        return max(1, int(min(by_cpu, by_gpu)))

    def _devices(self, number: int) -> dict[str, str]:
        """The GPUs that a worker sees: its own, or a share of one; none where cells stay on the CPU."""
        if not torch.cuda.is_available():
            return {}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
        first, n = int(number * self.share), math.ceil(self.share)  # a fraction is of one device
        named = visible.split(",")
        return {"CUDA_VISIBLE_DEVICES": ",".join(named[i % len(named)] for i in range(first, first + n))}

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """No worker outlives the block. On an interrupt each has a while to save what it can; another ends that."""
        try:
            yield
            self._tell(None)
            self._wait()
        except KeyboardInterrupt:
            self.watch.stopping()
            self._tell(STOP)
            self._wait()
            raise
        finally:
            for worker in self.team.values():
                worker.process.kill()
                worker.process.join()

    def _tell(self, message: str | None) -> None:
        for worker in self.team.values():
            with suppress(BrokenPipeError, ConnectionResetError):  # it is dead, which is all that is asked of it
                worker.pipe.send(message)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        for worker in self.team.values():
            worker.process.join(max(0.0, deadline - time.monotonic()))


def ending(code: int) -> str:
    """How a process ended, as told by its exit code."""
    if code >= 0:
        return f"exited with {code}"
    hint = " (the system does so when memory runs out)" if -code == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{hint}"
