"""Forget gates against what they claim: when a state is displaced, `step` keeps of it what the gates say."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.registry import entry, load_class, names
from models.base import GatedModel
from models.gated_deltanet import GatedDeltaNet
from models.gla import Gla
from models.gru import Gru
from models.lstm import Lstm
from models.mamba import Mamba
from models.mamba2 import Mamba2
from models.min_gru import MinGru, MinGruMixer
from models.mlstm import Mlstm, MlstmMixer
from models.residual import GatedStack

BATCH, LENGTH, DIM = 2, 12, 8
Kept = Callable[[Tensor], Tensor]  # gates (B, U) -> what multiplies every number of the state


def whole(gates: Tensor) -> Tensor:
    """A gate for each number of a vector (B, D)."""
    return gates


def heads(gates: Tensor) -> Tensor:
    """A gate for each matrix, (B, H, N, P)."""
    return gates[..., None, None]


def rows(gates: Tensor) -> Tensor:
    """A gate for each row of the two matrices of each sequence, (B, H, N, P)."""
    return gates.unflatten(-1, (2, -1))[..., None]


def channels(gates: Tensor) -> Tensor:
    """A gate for each of the three numbers of each channel, (B, E, N)."""
    return gates.unflatten(-1, (-1, 3))


# A model of two layers, the place of the state among what a layer carries (None: it is all), U, and whose each gate is.
CASES: dict[str, tuple[Callable[[], GatedModel], int | None, int, Kept]] = {
    "lstm": (lambda: Lstm(DIM), 1, DIM, whole),
    "gru": (lambda: Gru(DIM), None, DIM, whole),
    "min_gru": (lambda: MinGru(DIM), None, DIM, whole),
    "min_gru, post": (lambda: GatedStack(DIM, [MinGruMixer(DIM, 0), MinGruMixer(DIM, 1)], 2, "post"), None, DIM, whole),
    "gla": (lambda: Gla(DIM, head_dim=4, mlp=2), None, DIM, rows),
    "mlstm": (lambda: Mlstm(DIM, head_dim=4), 1, 2, heads),
    "mlstm, exp": (lambda: Mlstm(DIM, head_dim=4, forget="exp"), 1, 2, heads),
    "mamba": (lambda: Mamba(DIM, state=3), 1, 2 * DIM * 3, channels),
    "mamba2": (lambda: Mamba2(DIM, state=5, head_dim=4), 1, 4, heads),
    "gated_deltanet": (lambda: GatedDeltaNet(DIM, head_dim=4), 1, 2, heads),
}
DIAGONAL = [name for name in CASES if name != "gated_deltanet"]


def built(name: str) -> tuple[GatedModel, Tensor]:
    """In double precision, no parameter where it started, and an input; of Lstm and Gru no gate sees units 0 to 3."""
    model = CASES[name][0]().double().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.5 * torch.randn_like(parameter))
    if name in ("lstm", "gru"):  # where a gate sees the state, what a displacement does goes beyond the direct path
        for cell in model.cells:  # pyright: ignore
            cell.weight_hh_l0[:, :4] = 0
    if name == "mlstm, exp":  # its gates start beyond 1, where nothing is forgotten
        for layer in (0, 1):
            model.get_parameter(f"blocks.{layer}.mixer.gates.bias")[2:] -= 4.5
    return model, torch.randn(BATCH, LENGTH, DIM, dtype=torch.float64)


def after(model: GatedModel, x: Tensor) -> list[Any]:
    """What the layers carry after these inputs."""
    state = model.init_state(len(x))
    for x_t in x.unbind(1):
        _, state = model.step(x_t, state)
    return state


def displaced(carried: Any, place: int | None, by: Tensor) -> Any:
    if place is None:
        return carried + by
    return tuple(part + by if i == place else part for i, part in enumerate(carried))


def held(carried: Any, place: int | None) -> Tensor:
    return carried if place is None else carried[place]


@pytest.mark.parametrize("name", CASES)
def test_shape_and_range(name: str) -> None:
    (model, x), units = built(name), CASES[name][2]
    gates = model.forget_gates(x)
    assert gates.shape == (2, BATCH, LENGTH, units)
    assert gates.min() > 0
    assert gates.max() <= 1
    assert (gates.std(2).amax(-1) > 1e-3).all()  # they follow the input


@pytest.mark.parametrize("size", [0.0, 1.5])
@pytest.mark.parametrize("name", CASES)
def test_range_where_precision_ends(name: str, size: float) -> None:
    """In single precision, with parameters as they start or large: gates may round to 0, never above 1."""
    model = CASES[name][0]().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.empty_like(parameter).uniform_(-size, size))
    gates = model.forget_gates(30 * torch.randn(BATCH, 300, DIM))
    assert gates.isfinite().all()
    assert gates.min() >= 0
    assert gates.max() <= 1


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", DIAGONAL)
def test_gates_multiply_a_displacement_step_by_step(name: str, layer: int) -> None:
    (model, x), (_, place, _, kept), start = built(name), CASES[name], 4
    gates, plain = model.forget_gates(x)[layer], after(model, x[:, :start])
    expected = torch.randn_like(held(plain[layer], place))
    if name in ("lstm", "gru"):
        expected[:, 4:] = 0
    moved = list(plain)
    moved[layer] = displaced(plain[layer], place, expected)
    for t in range(start, LENGTH):
        (_, plain), (_, moved) = model.step(x[:, t], plain), model.step(x[:, t], moved)
        expected = kept(gates[:, t]) * expected
        torch.testing.assert_close(held(moved[layer], place) - held(plain[layer], place), expected)


@pytest.mark.parametrize("layer", [0, 1])
def test_gated_deltanet_keeps_its_gate_of_all_directions_but_the_keys(layer: int) -> None:
    """A displacement by the identity shows the matrix that a step multiplies S by: α in all directions but one."""
    model, x = built("gated_deltanet")
    gates, plain = model.forget_gates(x)[layer], after(model, x[:, :5])
    moved = list(plain)
    moved[layer] = displaced(plain[layer], 1, torch.eye(4, dtype=torch.float64))
    (_, plain), (_, moved) = model.step(x[:, 5], plain), model.step(x[:, 5], moved)
    matrix = moved[layer][1] - plain[layer][1]  # (B, H, 4, 4)
    torch.testing.assert_close(matrix, matrix.mT)
    values = torch.linalg.eigvalsh(matrix)  # ascending
    torch.testing.assert_close(values[..., 1:], heads(gates[:, 5])[..., 0].expand(-1, -1, 3))
    assert (values[..., 0] < 0.99 * values[..., 1]).all()
    assert (values[..., 0] > 0).all()


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("name", ["mlstm", "mlstm, exp"])
def test_mlstm_gates_are_the_papers_in_units_that_change(name: str, start: int) -> None:
    """From the first layer's weights alone: over any stretch ∏ f' = exp(m before − m after) ∏ f, m as `step` has it."""
    model, x = built(name)
    gates, mixer, block = (
        model.forget_gates(x)[0],
        model.get_submodule("blocks.0.mixer"),
        model.get_submodule("blocks.0"),
    )
    f = (block.norm_mixer(x) @ mixer.gates.weight.mT + mixer.gates.bias)[..., 2:]  # pyright: ignore
    f = f.sigmoid() if name == "mlstm" else f.exp()
    before, end = (after(model, x[:, :t])[0][2] for t in (start, 11))
    assert (before - end).abs().max() > 0.1
    torch.testing.assert_close(gates[:, start:11].prod(1), (before - end).exp() * f[:, start:11].prod(1))


def test_mlstm_bears_a_first_gate_that_would_overflow() -> None:
    """f_0 = e^150 multiplies a state of zeros."""
    mixer, x = MlstmMixer(DIM, head_dim=4, kernel=3, forget="exp", chunk=5), torch.randn(BATCH, LENGTH, DIM)
    nn.init.zeros_(mixer.gates.bias)
    nn.init.constant_(mixer.gates.bias[2:], 150.0)
    assert (mixer.forget_gates(x) == 1).all()
    state, outputs = mixer.init_state(BATCH), []
    for x_t in x.unbind(1):
        y, state = mixer.step(x_t, state)
        outputs.append(y)
    torch.testing.assert_close(mixer(x), torch.stack(outputs, 1))


@pytest.mark.parametrize("name", CASES)
def test_gates_do_not_see_the_future(name: str) -> None:
    model, x = built(name)
    changed = x.clone()
    changed[:, 7:] = torch.randn_like(x[:, 7:])
    gates, others = model.forget_gates(x), model.forget_gates(changed)
    torch.testing.assert_close(gates[:, :, :7], others[:, :, :7])
    assert ((gates - others)[:, :, 7:].abs().amax((2, 3)) > 1e-4).all()


def test_models_with_gates() -> None:
    """Of the registry, those whose decay depends on the input; constant decays are no gates."""
    gated = {
        name for name in names("models") if issubclass(load_class(entry("models", name)["class_path"]), GatedModel)
    }
    assert gated == {name for name in CASES if "," not in name}
