"""Cells on the workers of a Ray cluster: fractions of its CPUs and GPUs, and another try where a node is lost."""

import errno
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from benchmark.display import duration
from benchmark.environment import WORKER_ENVIRONMENT
from benchmark.launch.joining import joined, ray, room_of, share_of
from benchmark.launch.local import PATIENCE
from benchmark.launch.manner import Manner
from benchmark.launch.post import Post
from benchmark.launch.queue import AGAIN, Queue
from benchmark.launch.ray_worker import train
from benchmark.launch.watch import Watch
from benchmark.running import record_failure
from leaderboard.cell import Cell
from leaderboard.record import Record, read_record, write_record

RETRIES = 3  # how often a cell whose worker or node is lost is given to another one
LOST = {
    ray.exceptions.WorkerCrashedError: "its worker process died",
    ray.exceptions.LocalRayletDiedError: "its node was lost",
    ray.exceptions.NodeDiedError: "its node was lost",
    ray.exceptions.ObjectLostError: "its record was lost with its node",
    ray.exceptions.OutOfMemoryError: "out of memory: Ray ended its worker process before the node had none left",
}


@dataclass
class Flight:
    """A cell under way: its number among those that are, its attempt, and what was heard of that."""

    cell: Cell
    number: int
    attempt: int = 1
    begin: float | None = None  # None: it waits for a worker
    node: str = ""
    last: str = ""

    @property
    def name(self) -> str:
        """Of this attempt."""
        return f"{self.cell.id}-{self.attempt}"

    @property
    def seconds(self) -> float:
        """Since this attempt began."""
        return 0.0 if self.begin is None else time.monotonic() - self.begin


class Cluster:
    """A Ray cluster that takes cells from a queue until it is empty."""

    def __init__(self, queue: Queue, manner: Manner, watch: Watch) -> None:
        self.queue, self.manner, self.watch = queue, manner, watch
        self.options = replace(queue.options, folder=queue.options.folder.resolve())
        self.flights: dict[Any, Flight] = {}  # by the reference to what becomes of them

    def run(self) -> None:
        """Run every cell; each leaves a record, whatever becomes of it.

        Raises UsageError where no cluster can be joined or no node of it has room for a cell, OSError where a machine
        fails.
        """
        with joined(self.manner.address):
            self.cpu, self.gpu = share_of(self.manner.resources, ray.nodes())
            self.post, self.train = self._post(), self._remote()
            with self._ended():
                while True:
                    self._hand_out()
                    if not self.flights and self.queue.is_empty:
                        return
                    for ref in self._ready():
                        self._land(ref)
                    self._listen()
                    self._look_after()

    def _post(self) -> Any:
        """On the driver's own node, to be there as long as the driver is."""
        here = ray.get_runtime_context().get_node_id()
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        return ray.remote(Post).options(num_cpus=0, scheduling_strategy=affinity).remote()

    def _remote(self) -> Any:
        """`train` as a task. Its process serves one cell after another, unless each may get a different GPU."""
        several = any(node["Resources"].get("GPU", 0) > 1 for node in ray.nodes())
        own = {"OMP_NUM_THREADS": str(self._threads)} | ({} if self.gpu else {"CUDA_VISIBLE_DEVICES": ""})
        kept = {key: os.environ[key] for key in (*WORKER_ENVIRONMENT, "SPANBENCH_CACHE") if key in os.environ}
        return ray.remote(
            num_cpus=self.cpu,
            num_gpus=self.gpu,
            max_retries=0,
            max_calls=1 if self.gpu and several else 0,
            runtime_env={"env_vars": WORKER_ENVIRONMENT | kept | own},
        )(train)

    @property
    def _threads(self) -> int:
        return max(1, round(self.cpu))

    def _hand_out(self) -> None:
        """As many cells as the cluster has room for now: nodes come and go."""
        room = min(room_of(ray.nodes(), self.cpu, self.gpu), self.manner.workers or math.inf)
        while len(self.flights) < room and (cell := self.queue.take()):
            taken = {flight.number for flight in self.flights.values()}
            self._launch(Flight(cell, min(set(range(len(taken) + 1)) - taken)))

    def _launch(self, flight: Flight) -> None:
        ref = self.train.remote(flight.cell, self.options, self.post, flight.name, self._threads, os.getcwd())
        self.flights[ref] = flight

    def _ready(self) -> list[Any]:
        """Flights that have ended; after a while none, so that nodes, news and others' cells are looked at."""
        if not self.flights:
            time.sleep(AGAIN)
            return []
        return ray.wait(list(self.flights), timeout=AGAIN)[0]

    def _land(self, ref: Any) -> None:
        """What became of a flight: a record, a fault of the machine, a reason why there is no record, or a loss."""
        flight = self.flights.pop(ref)
        try:
            outcome: Any = ray.get(ref)
        except tuple(LOST) as error:
            self._lost(flight, next(reason for kind, reason in LOST.items() if isinstance(error, kind)))
            return
        except ray.exceptions.RayError as error:
            raise OSError(errno.ENOEXEC, f"a worker cannot run cells: {str(error).strip().splitlines()[-1]}") from None
        if isinstance(outcome, OSError):
            raise outcome
        if isinstance(outcome, str):
            self._fail(flight, outcome)
        elif outcome is not None:
            self._done(flight, outcome)

    def _lost(self, flight: Flight, reason: str) -> None:
        """Another try; where the folder is shared, from its checkpoint on."""
        path = self.options.folder / "records" / f"{flight.cell.id}.json"
        if path.exists():
            self._done(flight, read_record(path))
        elif flight.attempt <= RETRIES:
            self._launch(Flight(flight.cell, flight.number, flight.attempt + 1))
        else:
            self._fail(flight, f"{reason}, in the last of {flight.attempt} attempts{flight.last}")

    def _fail(self, flight: Flight, reason: str) -> None:
        self._done(flight, record_failure(flight.cell, self.options, reason, flight.seconds))

    def _done(self, flight: Flight, record: Record) -> None:
        """Its record is there, whether or not its node shares the folder."""
        if not (self.options.folder / "records" / f"{record.id}.json").exists():
            write_record(self.options.folder / "records", record)
        self.queue.done(flight.cell)
        self.watch.done(flight.number, record)

    def _listen(self) -> None:
        """The news of the cells."""
        try:
            heard: Any = ray.get(self.post.heard.remote())
        except ray.exceptions.RayActorError:
            raise OSError(errno.EPIPE, "Ray lost the process that cells report to") from None
        for flight in self.flights.values():
            if (news := heard.get(flight.name)) is None:
                continue
            if flight.begin is None:
                flight.begin, flight.node = time.monotonic(), news.node
                self.watch.begun(flight.number, flight.cell)
            if news.what:
                flight.last = f" (last: {news.what}, {news.share:.0%} done)"
                self.watch.progress(flight.number, flight.cell, news.what, news.share)

    def _look_after(self) -> None:
        """End what takes too long, and what is on a node that is gone: Ray itself may wait for that for minutes."""
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for ref, flight in list(self.flights.items()):
            late = flight.seconds > self.manner.time_limit
            if late or (flight.node and flight.node not in alive):
                del self.flights[ref]
                ray.get(self.post.end.remote(flight.name))
                ray.cancel(ref, force=True)
                ray.wait([ref], timeout=AGAIN)
                if late:
                    limit = duration(self.manner.time_limit)
                    self._fail(flight, f"took longer than its time limit of {limit}{flight.last}")
                else:
                    self._lost(flight, "its node was lost")

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """No cell outlives the block. On an interrupt each has a while to save what it can; another ends that."""
        try:
            yield
        except KeyboardInterrupt:
            self.watch.stopping()
            ray.get(self.post.stop.remote())
            for ref in [ref for ref, flight in self.flights.items() if flight.begin is None]:
                ray.cancel(ref)
                del self.flights[ref]
            begun = list(self.flights)
            for ref in ray.wait(begun, num_returns=len(begun), timeout=PATIENCE)[0] if begun else []:
                self._land(ref)
            raise
        finally:
            for ref in self.flights:
                ray.cancel(ref, force=True)
