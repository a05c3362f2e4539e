"""Examples drawn a second by every synthetic task, in batches of 4,096, on one thread."""

from collections.abc import Callable

from benchmark.registry import entry, load_class
from tasks.base import Task
from tests.bench.measures import alternate, clock
from tests.tasks.test_contract import synthetic

BATCH, LENGTHS = 4096, (64, 256)
LOOPED = {"listops", "pathfinder"}  # made one by one


def named(name: str) -> Task:
    found = entry("tasks", name)
    return load_class(found["class_path"])(**found["init_args"])


def examples(name: str) -> str:
    """Lags so long that the input, or the most of it, has 64 and 256 positions."""
    task = named(name)
    n = BATCH // 8 if name in LOOPED else BATCH
    seen = []
    for length in LENGTHS:
        lag = max(task.spec.min_lag, length - 8)
        size = task.examples(0, "train", lag, 0, 1).inputs.shape[1]
        seconds = alternate(lambda lag=lag: clock(lambda: [task.examples(0, "train", lag, n * i, n) for i in range(4)]))
        seen.append(f"{4 * n / seconds[0]:,.0f}/s at {size}")
    return ", ".join(seen)


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    f"{name} batches": (
        lambda name=name: examples(name),
        "≥ 5,000/s" if name in LOOPED else "≥ 400,000/s at 64, 100,000 at 256",
    )
    for name in synthetic()
}
