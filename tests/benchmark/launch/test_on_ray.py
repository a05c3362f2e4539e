"""Cells on a real Ray cluster: two nodes on this machine, and what is killed is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
from ray.cluster_utils import Cluster as Nodes

from benchmark.launch import joining, on_ray
from benchmark.launch.joining import joined, ray, room_of, share_of
from benchmark.launch.manner import Manner, Resources
from benchmark.launch.on_ray import Cluster
from benchmark.launch.queue import queue_of
from benchmark.registry import UsageError, source_of
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


class OnNodes(Watching):
    """Sees the cluster as well."""

    cluster: Cluster

    def flight(self, cell: Cell) -> on_ray.Flight:
        return next(flight for flight in self.cluster.flights.values() if flight.cell == cell)


def clustered(cells: list[Cell], folder: Path, nodes: Nodes, watch: OnNodes, **how: Any) -> None:
    with queue_of(cells, RunOptions(folder), watch.elsewhere) as queue:
        watch.cluster = Cluster(queue, Manner("ray", address=nodes.address, **how), watch)
        watch.cluster.run()


def test_four_cells_share_a_gpu_and_a_core_at_once(tmp_path: Path, nodes: Nodes) -> None:
    """Each goes on only where the other three are there too; processes serve one cell after another."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    cells = [special("Meets", seed, place=str(meeting), n=4) for seed in range(4)]
    watch = OnNodes()
    clustered([*cells, cell(budget=SHORT)], tmp_path, nodes, watch, resources=Resources(cpu=0.25, gpu=0.25))
    assert [record.status for record in watch.records] == ["ok"] * 5, [record.reason for record in watch.records]
    assert [path.read_text() for path in meeting.iterdir()] == ["0"] * 4


class Killer(OnNodes):
    """Kills a node as soon as one of its cells is in training; opens `early` then, `late` after 3 records."""

    def __init__(self, nodes: Nodes, early: Path, late: Path) -> None:
        super().__init__()
        self.nodes, self.early, self.late = nodes, early, late
        self.victims: set[str] = set()
        self.attempts: dict[str, int] = {}

    def act(self, worker: int, cell: Cell) -> None:
        (node,) = self.nodes.worker_nodes or [None]
        flights = list(self.cluster.flights.values())
        if node and self.flight(cell).node == node.node_id:
            self.victims = {flight.cell.id for flight in flights if flight.node == node.node_id}
            self.nodes.remove_node(node, allow_graceful=False)
            self.early.touch()
        self.attempts |= {flight.cell.id: flight.attempt for flight in flights}

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
    assert all(watch.attempts[victim] == 2 for victim in watch.victims)
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
    clustered(cells, tmp_path, nodes, watch, resources=Resources(cpu=0.25, gpu=0), time_limit=15.0)
    found = {record.id: record for record in watch.records}
    once, ever, raises, hangs = (found[each.id] for each in cells)
    assert once.status == "ok"
    assert str(ever.reason).startswith("its worker process died, in the last of 2 attempts")
    assert [len(list(place.iterdir())) for place in places] == [1, 2]
    assert raises.reason == "ZeroDivisionError: on purpose"
    assert str(hangs.reason).startswith("took longer than its time limit of 15 s (last: lag 2 s=")
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


@pytest.mark.parametrize("address", ["nowhere", "ray://there:10001", "127.0.0.1:99999", "no.such.host.invalid:6379"])
def test_a_bad_address_is_refused_in_one_line(address: str) -> None:
    begin = time.monotonic()
    with pytest.raises(UsageError) as caught, joined(address):
        pass
    assert time.monotonic() - begin < 15
    assert "\n" not in str(caught.value)
    assert address in str(caught.value)


def test_an_address_where_nobody_or_somebody_else_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "REPLY", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        with pytest.raises(UsageError, match="no Ray cluster answered in 4 s"), joined(address):
            pass
    with pytest.raises(UsageError, match="no Ray cluster answers at 127"), joined(address):
        pass
    assert not ray.is_initialized()


def test_without_ray_one_line_says_how_to_get_it() -> None:
    code = "import sys; sys.modules['ray'] = None; import benchmark.launch.joining"
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, text=True, capture_output=True, check=False)
    assert "UsageError: --launcher ray needs Ray: .venv/bin/pip install" in done.stderr


def node(cpu: float, gpu: float = 0, there: bool = True) -> dict[str, Any]:
    return {"Alive": there, "Resources": {"CPU": cpu} | ({"GPU": gpu} if gpu else {})}


@pytest.mark.parametrize(
    ("cpu", "gpu", "room"),
    [(1, 0, 12), (0.5, 0, 24), (3, 0, 3), (1, 0.25, 8), (1, 0.3, 6), (0.1, 0.1, 20), (1, 1, 2), (1, 2, 1), (9, 0, 0)],
)
def test_room_is_counted_node_by_node_and_gpu_by_gpu(cpu: float, gpu: float, room: int) -> None:
    assert room_of([node(4), node(8, 2), node(64, 8, there=False)], cpu, gpu) == room


def test_a_cell_takes_a_gpu_where_there_are_gpus() -> None:
    assert share_of(Resources(), [node(4), node(8, 2)]) == (1, 1)
    assert share_of(Resources(), [node(4)]) == (1, 0)
    assert share_of(Resources(gpu=0), [node(8, 2)]) == (1, 0)


def test_a_cell_that_no_node_has_room_for_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"no node has 16 CPUs and 0 GPUs for a cell; the nodes have: 4 CPUs and 0 GPU"
    ):
        share_of(Resources(cpu=16), [node(4), node(64, there=False)])
    with pytest.raises(UsageError, match=r"more than 1 must be a whole number, got 1.5"):
        share_of(Resources(gpu=1.5), [node(8, 2)])
