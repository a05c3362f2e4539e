"""What a training process must find in its environment when it starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Big tensors come and go at every step: glibc must keep their memory instead of mapping it anew (up to 3 times faster).
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it CUDA's matrix products are not the same twice
}


def missing() -> dict[str, str]:
    """What of it the environment says nothing about yet."""
    return {key: value for key, value in WORKER_ENVIRONMENT.items() if key not in os.environ}


@contextmanager
def for_workers(own: dict[str, str]) -> Iterator[None]:
    """All of it in the environment, and a worker's `own` instead of what is there, for processes started meanwhile."""
    before = dict(os.environ)
    os.environ.update(missing() | own)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
