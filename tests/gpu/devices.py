"""Where the tests of this folder run, and what several of them do there."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmark.registry import entry, load_class
from models.base import SequenceModel

EVERYWHERE = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def built(name: str, **changes: int) -> SequenceModel:
    """A model of the suite, its weights drawn from seed 0."""
    torch.manual_seed(0)
    given = entry("models", name)
    model = load_class(given["class_path"])(**given["init_args"] | changes)
    assert isinstance(model, SequenceModel)
    return model


def with_gradients(function: Callable[..., Tensor], inputs: list[Tensor], device: str) -> list[Tensor]:
    """On the CPU again: what a function gives on `device`, and the gradients of its inputs under a fixed weighting."""
    given = [each.detach().to(device).requires_grad_() for each in inputs]
    output = function(*given)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
    output.backward(weights.to(device, output.dtype))
    return [output.detach().cpu(), *(each.grad.cpu() for each in given if each.grad is not None)]


def of_model(model: SequenceModel, x: Tensor, device: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """A model's output and the gradients of its parameters and its input, on the CPU; under autocast to `dtype`."""
    model = copy.deepcopy(model).to(device)
    x = x.detach().to(device).requires_grad_()
    with torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
        y = model(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    y.float().backward(weights.to(device))
    slopes = {name: p.grad for name, p in [*model.named_parameters(), ("input", x)] if p.grad is not None}
    return {"output": y.detach().float().cpu()} | {name: slope.float().cpu() for name, slope in slopes.items()}


def near(found: dict[str, Tensor], expected: dict[str, Tensor], share: float) -> None:
    """Every tensor within `share` of the expected one's size, as norms go."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        apart = (found[name] - tensor).norm() / tensor.norm().clamp(min=1e-6)
        assert apart <= share, f"{name} is off by {float(apart):.1e} of its size"
