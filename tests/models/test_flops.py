"""Operations counted: closed forms against torch's counter, Fourier transforms against their formula."""

import math

import pytest
import torch

from benchmark.budget import part_named
from benchmark.cells import build
from benchmark.registry import names
from models.base import SequenceModel
from models.flops import count
from models.tcn import Tcn
from models.transformer import Transformer


@pytest.mark.parametrize("name", names("models"))
def test_every_model_says_what_torch_counts(name: str) -> None:
    model = build(part_named(name))
    assert model.flops(16) == SequenceModel.flops(model, 16) > 0


def test_by_hand() -> None:
    """Per position 12 d² weights a layer; scores and sums over all L positions."""
    assert Transformer(dim=32, layers=2).flops(100) == 2 * 100 * (2 * 12 * 32**2) + 2 * (2 * 2 * 100 * 100 * 32)
    assert Tcn(dim=8, levels=3, kernel=4).flops(50) == 2 * 50 * (3 * 4 * 8 * 8)


@pytest.mark.parametrize("real", [True, False])
def test_fourier_transforms(real: bool) -> None:
    class Transform(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if real:
                return torch.fft.irfft(torch.fft.rfft(x, 64, dim=1), 64, dim=1)
            return torch.fft.ifft(torch.fft.fft(x, 64, dim=1), 64, dim=1)

    found = count(Transform(), torch.randn(3, 10, 4, dtype=torch.float32 if real else torch.complex64))
    assert found == 2 * 12 * (2.5 if real else 5) * 64 * math.log2(64)
