"""Models that wait for each other, or for the test, and such as take their process down."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from tests.benchmark.launch.faulty import Faulty

PATIENCE = 120.0  # seconds, on a busy machine


class Meets(Faulty):
    """Leaves a file in `place` that says which GPUs it sees, and goes on once there are `n` of them."""

    def __init__(self, dim: int = 8, steps: int = 3, place: str = "", n: int = 1) -> None:
        super().__init__(dim, steps)
        self.place, self.n = Path(place), n

    def fault(self, y: Tensor) -> Tensor:
        (self.place / str(os.getpid())).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
        wait_until(lambda: len(list(self.place.iterdir())) >= self.n)
        return y


class Waits(Faulty):
    """Goes on once there is a file at `gate`."""

    def __init__(self, dim: int = 8, steps: int = 15, gate: str = "") -> None:
        super().__init__(dim, steps)
        self.gate = Path(gate)

    def fault(self, y: Tensor) -> Tensor:
        wait_until(self.gate.exists)
        return y


class Dies(Faulty):
    """Takes its process down with it, `often` times in all, which are counted in `place`."""

    def __init__(self, dim: int = 8, steps: int = 3, place: str = "", often: int = 1) -> None:
        super().__init__(dim, steps)
        self.place, self.often = Path(place), often

    def fault(self, y: Tensor) -> Tensor:
        if len(list(self.place.iterdir())) < self.often:
            (self.place / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return y


def wait_until(so: Callable[[], bool]) -> None:
    """Raises TimeoutError where it never is."""
    end = time.monotonic() + PATIENCE
    while not so():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {PATIENCE:.0f} s")
        time.sleep(0.05)
