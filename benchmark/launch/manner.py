"""How cells are run, without being part of them."""

import math
from dataclasses import dataclass, field
from typing import Literal

from benchmark.registry import UsageError

Launcher = Literal["local", "ray"]
DAY = 86_400.0


@dataclass(frozen=True)
class Resources:
    """What a cell takes of a machine; fractions share a device.

    Attributes:
        cpu: cores of a cell, and so its threads
        gpu: GPUs of a cell, as 0.25 for four cells on each; 0: cells stay on the CPU (default: 1 where there are GPUs)
    """

    cpu: float = 1
    gpu: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cpu < math.inf:
            raise UsageError(f"--resources.cpu must be above 0, got {self.cpu}")
        if self.gpu is not None and not 0 <= self.gpu < math.inf:
            raise UsageError(f"--resources.gpu must be 0 or more, got {self.gpu}")


@dataclass(frozen=True)
class Manner:
    """How many cells run at once and where, and for how long each may. `time_limit` is in seconds."""

    launcher: Launcher = "local"
    workers: int | None = None
    resources: Resources = field(default_factory=Resources)
    time_limit: float = DAY
    address: str | None = None  # of a Ray cluster

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers must be at least 1, got {self.workers}")
