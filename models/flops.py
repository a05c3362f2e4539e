"""Counting operations."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count(module: nn.Module, x: Tensor) -> int:
    """What torch's counter finds in a forward pass, Fourier transforms with it."""
    counter = FlopCounterMode(display=False, custom_mapping=FOURIER)
    with counter, torch.no_grad():
        module(x)
    return counter.get_total_flops()


def _fourier(share: float) -> Callable[..., int]:
    """What a transform along one dimension costs, from the shapes before and after: the longer one counts."""

    def cost(shape: torch.Size, dims: list[int], *_: Any, out_shape: torch.Size, **__: Any) -> int:
        n = max(shape[dims[0]], out_shape[dims[0]])
        if share < 1:  # a real transform keeps n/2 + 1 complex points
            n = 2 * (min(shape[dims[0]], out_shape[dims[0]]) - 1)
        return round(share * 5 * n * math.log2(max(n, 2)) * math.prod(shape) / shape[dims[0]])

    return cost


FOURIER = {
    torch.ops.aten._fft_c2c: _fourier(1),
    torch.ops.aten._fft_r2c: _fourier(0.5),
    torch.ops.aten._fft_c2r: _fourier(0.5),
}
