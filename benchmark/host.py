"""What a record says of the machine that made it."""

import os
import platform
import re
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from leaderboard.record import Host

LIBRARIES = ("torch", "lightning", "torchmetrics", "tokenizers", "numpy")


def forget_peak() -> None:
    """Start counting peak memory anew, where the system can (Linux; elsewhere it counts for the whole process)."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_bytes() -> int:
    """Peak memory: on a GPU what torch allocated there, else what the process held."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def commit() -> str | None:
    """The checkout's commit, with "+" if it has uncommitted changes; None outside a checkout."""
    top = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(top)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return None
    dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False).stdout
    return head.stdout.strip() + "+" * bool(dirty)


def device_name(kind: str) -> str:
    """The GPU's own name, or cpu."""
    return torch.cuda.get_device_name() if kind == "cuda" else kind


def describe(seconds: float, device: str) -> Host:
    """The host part of a record that took `seconds` on `device`."""
    return Host(
        seconds=seconds,
        peak_bytes=peak_bytes(),
        device=device_name(device),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        commit=commit(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
