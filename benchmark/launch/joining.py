"""Ray, kept quiet; the cluster that this process is a driver of, and how many cells it has room for."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmark.launch.manner import Resources
from benchmark.registry import UsageError

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what its nodes say of each other stays in their logs
}
for _key, _value in QUIET.items():  # read when Ray is imported
    os.environ.setdefault(_key, _value)
try:
    import ray
    import ray.exceptions
    import ray.util.scheduling_strategies
except ImportError:
    raise UsageError("--launcher ray needs Ray: .venv/bin/pip install -c constraints.txt -e '.[ray]'") from None

ANSWER, REPLY = 5.0, 30.0  # seconds that a cluster has to take a call, and to say how it is
STORE = 100_000_000  # bytes of a local object store: records are small


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Connected to the cluster at `address`, or at $RAY_ADDRESS; without either, one is started and shut down again.

    Raises UsageError where no cluster can be joined.
    """
    where = _place(address)
    named = "--launcher ray" if where == "local" else f"--address {where}"
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE} if where == "local" else {}
    usual = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise UsageError(f"{named}: {str(error).strip().splitlines()[0]}") from None
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, usual)  # Ray has put its own in its place
        yield
    finally:
        ray.shutdown()


def _place(address: str | None) -> str:
    return address or os.environ.get("RAY_ADDRESS") or "local"


def check_address(address: str | None) -> None:
    """Raise UsageError where no cluster answers, or none that lets us in: Ray itself would try for minutes."""
    address = _place(address)
    if address == "local":
        return
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdigit():
            raise UsageError(f'--address: expected auto or HOST:PORT, as `ray start --head` prints it, got "{address}"')
        try:
            socket.create_connection((host, int(port)), timeout=ANSWER).close()
        except (OSError, OverflowError) as error:
            raise UsageError(f"--address: no Ray cluster answers at {address}: {error}") from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=REPLY)
    except subprocess.TimeoutExpired:
        raise UsageError(f"--address {address}: no Ray cluster answered in {REPLY:.0f} s") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()[-1]
        raise UsageError(f"--address: no Ray cluster answers at {address}: {said[:200]}") from None


def share_of(resources: Resources, nodes: list[dict[str, Any]]) -> tuple[float, float]:
    """CPUs and GPUs of a cell. Raises UsageError where none of the nodes has as much."""
    cpu, gpu = resources.cpu, resources.gpu
    if gpu is None:
        gpu = float(any(node["Alive"] and node["Resources"].get("GPU", 0) for node in nodes))
    if gpu > 1 and gpu % 1:
        raise UsageError(f"--resources.gpu: on Ray more than 1 must be a whole number, got {gpu:g}")
    if not room_of(nodes, cpu, gpu):
        has = ", ".join(
            f"{node['Resources'].get('CPU', 0):g} CPUs and {node['Resources'].get('GPU', 0):g} GPUs"
            for node in nodes
            if node["Alive"]
        )
        raise UsageError(f"--resources: no node has {cpu:g} CPUs and {gpu:g} GPUs for a cell; the nodes have: {has}")
    return cpu, gpu


def room_of(nodes: list[dict[str, Any]], cpu: float, gpu: float) -> int:
    """How many cells fit on the nodes at once; a fraction of a GPU is of one GPU."""

    def on(has: dict[str, float]) -> int:
        by_cpu = int(has.get("CPU", 0) / cpu + 1e-6)
        if not gpu:
            return by_cpu
        gpus = has.get("GPU", 0)
        return min(by_cpu, int(gpus) * int(1 / gpu + 1e-6) if gpu < 1 else int(gpus / gpu))

    return sum(on(node["Resources"]) for node in nodes if node["Alive"])
