"""Other people's GPU kernels, where they are installed: the outputs of our plain torch, sooner.

Up to rounding: in float32 they may round what they multiply to TF32.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

HALF = (torch.bfloat16, torch.float16)
KERNELS = {  # name: module, function, the precisions it takes
    "gla": ("fla.ops.gla", "chunk_gla", (*HALF, torch.float32)),
    "gated_delta_rule": ("fla.ops.gated_delta_rule", "chunk_gated_delta_rule", HALF),
    "ssd": ("mamba_ssm.ops.triton.ssd_combined", "mamba_chunk_scan_combined", (*HALF, torch.float32)),
}


def kernel(name: str, like: Tensor) -> Callable[..., Any] | None:
    """The kernel called `name`, where its package is installed and it takes tensors such as `like`; else None."""
    return load(name) if like.is_cuda and like.dtype in KERNELS[name][2] else None


@cache
def load(name: str) -> Callable[..., Any] | None:
    """The kernel called `name`, or None where its package is not installed."""
    module, function, _ = KERNELS[name]
    return getattr(import_module(module), function) if find_spec(module.partition(".")[0]) else None
