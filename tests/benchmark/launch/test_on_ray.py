"""Cells on a real Ray cluster: two nodes on this machine, and what is killed is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
from ray.cluster_utils import Cluster as Nodes

from benchmark.launch import on_ray
from benchmark.launch.manner import Manner, Resources
from benchmark.launch.on_ray import Cluster
from benchmark.launch.queue import Queue, queue_of
from benchmark.registry import source_of
from benchmark.run_options import RunOptions
from leaderboard.cell import Cell, Part
from leaderboard.record import Record, read_record, read_records
from tests.benchmark.cells import TINY, TOP, cell, run, without_host
from tests.benchmark.launch.company import wait_until
from tests.benchmark.launch.test_local import Watching

COMPANY, FAULTY = Path(__file__).with_name("company.py"), Path(__file__).with_name("faulty.py")
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
SHORT = TINY.model_copy(update={"sequences": 320})


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head and another node, which has what passes for a GPU."""
    cluster = Nodes(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    cluster.add_node(**NODE, num_gpus=1)
    yield cluster
    cluster.shutdown()


def special(name: str, seed: int = 0, source: Path = COMPANY, **init_args: Any) -> Cell:
    place = f"{source}:{name}"
    part = Part(name=name, class_path=place, init_args={"dim": 8} | init_args, source=source_of(place, {}))
    return cell(model=part, seed=seed, budget=SHORT)


class Counting(Cluster):
    """Knows how often each cell was handed out."""

    def __init__(self, queue: Queue, manner: Manner, watch: "OnNodes") -> None:
        super().__init__(queue, manner, watch)
        self.attempts, watch.cluster = Counter[str](), self

    def _launch(self, flight: on_ray.Flight) -> None:
        self.attempts[flight.cell.id] += 1
        super()._launch(flight)


class OnNodes(Watching):
    """Sees the cluster as well."""

    cluster: Counting

    def flight(self, cell: Cell) -> on_ray.Flight:
        return next(flight for flight in self.cluster.flights.values() if flight.cell == cell)


def clustered(cells: list[Cell], folder: Path, nodes: Nodes, watch: OnNodes, **how: Any) -> None:
    with queue_of(cells, RunOptions(folder), watch.elsewhere) as queue:
        Counting(queue, Manner("ray", address=nodes.address, **how), watch).run()


def test_four_cells_share_a_gpu_and_a_core_at_once(tmp_path: Path, nodes: Nodes) -> None:
    """None goes on before there are four; the fifth is served by one of their processes."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    cells = [special("Meets", seed, place=str(meeting), n=4) for seed in range(5)]
    watch = OnNodes()
    clustered(cells, tmp_path, nodes, watch, resources=Resources(cpu=0.25, gpu=0.25))
    assert [record.status for record in watch.records] == ["ok"] * 5, [record.reason for record in watch.records]
    assert [path.read_text() for path in meeting.iterdir()] == ["0"] * 4


class Killer(OnNodes):
    """Kills a node as soon as one of its cells is in training.

    Opens `early` once all cells of that node are under way again, for none is to end with its last breath; `late` after
    three records.
    """

    def __init__(self, nodes: Nodes, early: Path, late: Path) -> None:
        super().__init__()
        self.nodes, self.early, self.late = nodes, early, late
        self.victims: set[str] = set()

    def act(self, worker: int, cell: Cell) -> None:
        (node,) = self.nodes.worker_nodes or [None]
        if node and self.flight(cell).node == node.node_id:
            self.victims = {flight.cell.id for flight in self.cluster.flights.values() if flight.node == node.node_id}
            self.nodes.remove_node(node, allow_graceful=False)
            threading.Thread(target=self.reopen, daemon=True).start()

    def reopen(self) -> None:
        wait_until(lambda: all(self.cluster.attempts[victim] > 1 for victim in self.victims))
        self.early.touch()

    def done(self, worker: int, record: Record) -> None:
        super().done(worker, record)
        if len(self.records) == 3:
            self.late.touch()


def test_a_lost_node_costs_no_cell(tmp_path: Path, nodes: Nodes) -> None:
    """Records arrive as they are made, the first cell's not first, and are those that a machine by itself makes."""
    early, late = tmp_path / "early", tmp_path / "late"
    cells = [special("Waits", gate=str(late)), *(special("Waits", seed, gate=str(early)) for seed in (1, 2, 3))]
    cells += [cell(budget=SHORT, seed=seed) for seed in (4, 5)]
    watch = Killer(nodes, early, late)
    try:
        clustered(cells, tmp_path / "ray", nodes, watch, resources=Resources(cpu=0.5, gpu=0))
    finally:
        nodes.add_node(**NODE, num_gpus=1)
    assert watch.victims
    assert [watch.cluster.attempts[victim] for victim in watch.victims] == [2] * len(watch.victims)
    assert [record.id for record in watch.records].index(cells[0].id) >= 3
    assert sorted(record.id for record in watch.records) == sorted(each.id for each in cells)
    for each in cells:
        record = read_record(tmp_path / "ray" / "records" / f"{each.id}.json")
        assert record.status == "ok"
        assert without_host(record) == without_host(run(each, tmp_path / "here"))


def test_what_dies_is_tried_again_but_not_for_ever_and_what_raises_or_hangs_is_not(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "RETRIES", 1)
    places = [tmp_path / "once", tmp_path / "ever"]
    for place in places:
        place.mkdir()
    cells = [special("Dies", place=str(place), often=often) for place, often in zip(places, (1, 9), strict=True)]
    cells += [special("Raises", source=FAULTY), special("Hangs", source=FAULTY, steps=15)]
    watch = OnNodes()
    clustered(cells, tmp_path, nodes, watch, resources=Resources(cpu=0.25, gpu=0), time_limit=10.0)
    found = {record.id: record for record in watch.records}
    once, ever, raises, hangs = (found[each.id] for each in cells)
    assert once.status == "ok"
    assert str(ever.reason).startswith("its worker process died, in the last of 2 attempts")
    assert [len(list(place.iterdir())) for place in places] == [1, 2]
    assert raises.reason == "ZeroDivisionError: on purpose"
    assert str(hangs.reason).startswith("took longer than its time limit of 10 s (last: lag 2 s=")
    assert {record.id for record in read_records(tmp_path / "records")} == set(found)


def test_a_record_of_a_node_that_does_not_share_the_folder_arrives(tmp_path: Path) -> None:
    record = run(cell(budget=SHORT), tmp_path / "node")
    watch = OnNodes()
    with queue_of([record.cell], RunOptions(tmp_path / "driver"), watch.elsewhere) as queue:
        cluster = Cluster(queue, Manner("ray"), watch)
        taken = queue.take()
        assert taken is not None
        cluster._done(on_ray.Flight(taken, 0), record)
    assert read_record(tmp_path / "driver" / "records" / f"{record.id}.json") == record
    assert watch.records == [record]


def table(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A table of one endless cell, as a user starts it, in training."""
    path = folder / "endless.yaml"
    path.write_text("cells: [{model: rnn, task: delayed_recall, lags: 500, budget.sequences: 16000000}]\n")
    command = [sys.executable, "-m", "benchmark", "table", str(path), "--launcher", "ray", "--output", str(folder)]
    pipes: dict[str, Any] = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, *words], cwd=TOP, start_new_session=True, **pipes)
    try:
        wait_until(lambda: any(folder.glob("endless/cells/*/metrics*/metrics.csv")) or process.poll() is not None)
    except TimeoutError:
        process.kill()
        raise
    return process


def below(pid: int) -> set[int]:
    """Processes that descend from one."""
    children: dict[int, set[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), set()).add(int(path.parent.name))
    found, new = set(), {pid}
    while new := set[int]().union(*(children.get(each, set()) for each in new)):
        found |= new
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()}


needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes in /proc")


@needs_proc
def test_ctrl_c_saves_what_is_in_training_and_leaves_no_process(tmp_path: Path) -> None:
    process = table(tmp_path)
    started = below(process.pid)
    assert started
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted: saving what is in training" in out
    assert err == "spanbench: interrupted: 0 of 1 cells are done, and the same command goes on from here\n"
    assert list(tmp_path.glob("endless/cells/*/training*.ckpt"))
    wait_until(lambda: not alive(started))


@needs_proc
def test_cells_end_with_their_driver(tmp_path: Path, nodes: Nodes) -> None:
    def training() -> set[int]:
        return {pid for pid in alive(below(os.getpid())) if b"train" in Path(f"/proc/{pid}/cmdline").read_bytes()[:16]}

    process = table(tmp_path, "--address", str(nodes.address))
    assert training()
    process.kill()
    process.communicate()
    begin = time.monotonic()
    wait_until(lambda: not training())
    assert time.monotonic() - begin < 10
