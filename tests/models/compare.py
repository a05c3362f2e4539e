"""How tests compare two ways to compute one thing."""

import torch
from torch import Tensor


def same_with_gradients(ours: Tensor, theirs: Tensor, wanted: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    weight = torch.randn_like(ours)
    for a, b in zip(*(torch.autograd.grad(y, wanted, weight) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))
