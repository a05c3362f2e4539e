"""Tests on GPUs: skipped, with the reason, where there is none. What they do runs on a CPU too."""

import os

import pytest
import torch

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at its first product: without it, sums vary
MISSING = f"no CUDA device: torch {torch.__version__} sees {torch.cuda.device_count()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`gpu` asks for one device, `gpu(n=2)` for two."""
    for item in items:
        wanted = item.get_closest_marker("gpu")
        if wanted is not None:
            needed = wanted.kwargs.get("n", 1)
            what = MISSING if needed == 1 else f"needs {needed} CUDA devices, torch sees {torch.cuda.device_count()}"
            item.add_marker(pytest.mark.skipif(torch.cuda.device_count() < needed, reason=what))
