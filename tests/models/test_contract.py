"""Every YAML in configs/models keeps the contract of models/base.py."""

import pytest
import torch

from benchmark.registry import entry, load_class, names
from models.base import SequenceModel, StreamingModel


def build(name: str, **arguments: int) -> SequenceModel:
    found = entry("models", name)
    torch.manual_seed(0)
    return load_class(found["class_path"])(**found["init_args"] | arguments)


@pytest.fixture(params=names("models"))
def model(request: pytest.FixtureRequest) -> SequenceModel:
    return build(request.param, dim=16)


@pytest.mark.parametrize("length", [1, 2, 257])
def test_shape_and_width(model: SequenceModel, length: int) -> None:
    assert model.dim == 16
    assert model(torch.randn(3, length, 16)).shape == (3, length, 16)


def test_the_future_is_not_seen(model: SequenceModel) -> None:
    assert model.causal
    x = torch.randn(2, 70, 16)
    later = x.clone()
    later[:, 41:] = torch.randn(2, 29, 16)
    difference = (model(x) - model(later)).abs().amax((0, 2))
    assert difference[:41].max() < 1e-6
    assert difference[41] > 1e-4


def test_gradient_reaches_every_parameter_and_every_input(model: SequenceModel) -> None:
    x = torch.randn(2, 30, 16, requires_grad=True)
    model(x)[:, -1].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert x.grad is not None
    assert (x.grad.abs().amax((0, 2)) > 0).all()


def test_steps_equal_forward(model: SequenceModel) -> None:
    if not isinstance(model, StreamingModel):
        assert not hasattr(model, "step")
        return
    x = torch.randn(3, 90, 16)
    state, outputs = model.init_state(3), []
    for x_t in x.unbind(1):
        y, state = model.step(x_t, state)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, 1), model(x), rtol=1e-5, atol=2e-5)


def test_same_output_from_reloaded_weights(model: SequenceModel, request: pytest.FixtureRequest) -> None:
    x = torch.randn(2, 20, 16)
    name = request.node.callspec.params["model"]
    torch.manual_seed(1)
    found = entry("models", name)
    other = load_class(found["class_path"])(**found["init_args"] | {"dim": 16})
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x), other(x))


def test_receptive_field_is_exact(model: SequenceModel) -> None:
    """An input just inside it moves the last output, one just outside does not."""
    reach = model.receptive_field(600)
    if reach is None:
        return
    x = torch.randn(1, reach + 3, 16)
    moved = []
    for lag in (reach - 1, reach):
        other = x.clone()
        other[:, -1 - lag] = 10 * torch.randn(16)
        moved.append(bool((model(other)[:, -1] != model(x)[:, -1]).any()))
    assert moved == [True, False]


@pytest.mark.parametrize("name", names("models"))
def test_width_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match="dim"):
        build(name, dim=0)
