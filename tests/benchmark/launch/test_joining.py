"""Which clusters are joined, and how many cells they have room for."""

import socket
import subprocess
import sys
import time
from typing import Any

import pytest

pytest.importorskip("ray")

from benchmark.launch import joining
from benchmark.launch.joining import check_address, ray, room_of, share_of
from benchmark.launch.manner import Resources
from benchmark.registry import UsageError
from tests.benchmark.cells import TOP


@pytest.mark.parametrize("address", ["nowhere", "ray://there:10001", "127.0.0.1:99999", "no.such.host.invalid:6379"])
def test_a_bad_address_is_refused_in_one_line(address: str) -> None:
    begin = time.monotonic()
    with pytest.raises(UsageError) as caught:
        check_address(address)
    assert time.monotonic() - begin < 15
    assert "\n" not in str(caught.value)
    assert address in str(caught.value)


def test_an_address_where_nobody_or_somebody_else_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "REPLY", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match="no Ray cluster answered in 4 s"):
            check_address(address)
    with pytest.raises(UsageError, match="no Ray cluster answers at 127"):
        check_address(address)
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
