"""What each recurrence claims of itself: its equation, the length of its gradient's path, the norm of its Jacobian."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from models.base import SequenceModel
from models.bidirectional import Bidirectional, BidirectionalRecurrence
from models.dense_rnn import DenseRecurrence, DenseRnn
from models.gru import Gru
from models.irnn import Irnn
from models.lstm import Lstm
from models.mod_relu import NonexpansiveRecurrence, mod_relu, slope
from models.orthogonal_rnn import OrthogonalRecurrence, OrthogonalRnn
from models.rnn import Rnn
from models.torch_recurrence import GatedRecurrence
from models.unitary_rnn import UnitaryRecurrence, UnitaryRnn

RECURRENCES = {"orthogonal": OrthogonalRecurrence, "unitary": UnitaryRecurrence}


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def jacobian(f: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """∂f/∂x at one vector: (D out, D in)."""
    found = torch.autograd.functional.jacobian(f, at)
    assert isinstance(found, Tensor)
    return found


# ---------------------------------------------------------------------------------------------- torch's recurrences


@pytest.mark.parametrize(("model", "torchs"), [(Rnn, nn.RNN), (Lstm, nn.LSTM), (Gru, nn.GRU)])
def test_layers_start_and_run_as_one_module_of_torch(
    model: type[Rnn | Lstm | Gru], torchs: type[nn.RNN | nn.LSTM | nn.GRU]
) -> None:
    torch.manual_seed(0)
    ours, x = model(dim=6, layers=3), torch.randn(2, 20, 6)
    torch.manual_seed(0)
    theirs = torchs(6, 6, num_layers=3, batch_first=True)
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs if a.ndim == 2)
    with torch.no_grad():
        for a, b in pairs:
            b.copy_(a)  # biases too: gates may start elsewhere
    torch.testing.assert_close(ours(x), theirs(x)[0])


@pytest.mark.parametrize("model", [Rnn(6), Irnn(6), Lstm(6), Gru(6)])
def test_flops_are_what_the_counter_finds(model: Rnn | Irnn | Lstm | Gru) -> None:
    assert model.flops(16) == SequenceModel.flops(model, 16) > 0


def walk(model: GatedRecurrence, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The only layer, step by step with every gate held constant: the gates (B, L, D) and the states c or h."""
    (w, u, b, c), lstm = next(iter(model.cells)).parameters(), isinstance(model, Lstm)
    h = state = torch.zeros_like(x[:, 0]).requires_grad_()
    gates, states = [], [state]
    for x_t in x.unbind(1):
        a, m = x_t @ w.T + b, h.detach() @ u.T + c
        if lstm:
            i, f, g, o = (a + m).chunk(4, 1)
            state = f.sigmoid() * state + i.sigmoid() * g.tanh()
            h = o.sigmoid() * state.tanh()
        else:
            (r, f, n), (r_h, f_h, n_h) = a.chunk(3, 1), m.chunk(3, 1)
            f = f + f_h
            n = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
            h = state = (1 - f.sigmoid()) * n + f.sigmoid() * state
        gates.append(f.sigmoid())
        states.append(state)
    return torch.stack(gates, 1), states


@pytest.mark.parametrize("model", [Lstm(5, layers=1), Gru(5, layers=1, forget_bias=1.0)])
def test_forget_gates_multiply_the_state_on_its_direct_path(model: Lstm | Gru) -> None:
    model, x, lag = model.double(), double(2, 12, 5), 7
    (found,) = model.forget_gates(x)
    gates, states = walk(model, x)
    torch.testing.assert_close(found, gates)
    (path,) = torch.autograd.grad(states[-1].sum(), states[-1 - lag])
    torch.testing.assert_close(path, found[:, -lag:].prod(1))


@pytest.mark.parametrize("model", [Lstm(5, layers=3), Gru(5, layers=3)])
def test_forget_gates_of_a_layer_come_from_the_layer_below(model: Lstm | Gru) -> None:
    x, alone = torch.randn(2, 9, 5), type(model)(5, layers=1)
    for layer, (cell, gates) in enumerate(zip(model.cells, model.forget_gates(x), strict=True)):
        alone.cells[0].load_state_dict(cell.state_dict())
        torch.testing.assert_close(gates, alone.forget_gates(x)[0], msg=f"layer {layer}")
        x = alone(x)


def test_irnn_starts_as_a_rectified_integrator() -> None:
    model, x = Irnn(dim=5, layers=1).double(), double(2, 30, 5)
    w, h, expected = next(model.parameters()), torch.zeros(2, 5, dtype=torch.float64), []
    for x_t in x.unbind(1):
        h = (x_t @ w.T + h).clamp(min=0)
        expected.append(h)
    torch.testing.assert_close(model(x), torch.stack(expected, 1))


# ------------------------------------------------------------------------------------------------ looking further back


@pytest.mark.parametrize("order", [1, 3])
def test_dense_rnn_is_its_equation_with_its_gradients(order: int) -> None:
    layer, x = DenseRecurrence(dim=4, order=order).double(), double(2, 11, 4).requires_grad_()
    matrices = layer.recurrent.split(4, dim=1)[::-1]  # U_1, U_2, …
    states: list[Tensor] = []
    for x_t in x.unbind(1):
        total = layer.input(x_t)
        for u, h in zip(matrices, reversed(states), strict=False):
            total = total + h @ u.T
        states.append(total.tanh())
    expected, weight, wanted = torch.stack(states, 1), double(2, 11, 4), [x, *layer.parameters()]
    torch.testing.assert_close(layer(x), expected)
    for a, b in zip(*(torch.autograd.grad((y * weight).sum(), wanted) for y in (layer(x), expected)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("lag", [1, 4, 5, 9])
def test_dense_rnn_shortens_the_gradients_path_by_its_order(order: int, lag: int) -> None:
    """With all U scaled by s, ∂h_t/∂x_{t−k} is a polynomial in s whose lowest power is the shortest path, ⌈k/m⌉."""
    layer = DenseRecurrence(dim=3, order=order).double()
    weights = layer.recurrent.detach().clone()

    def size(scale: float) -> float:
        with torch.no_grad():
            layer.recurrent.copy_(scale * weights)
            layer.input.bias.zero_()
        x = torch.zeros(1, lag + 1, 3, dtype=torch.float64, requires_grad=True)  # where tanh' = 1
        (gradient,) = torch.autograd.grad(layer(x)[0, -1, 0], x)
        return float(gradient[0, 0].norm())

    power = math.log2(size(2e-5) / size(1e-5))
    assert power == pytest.approx(math.ceil(lag / order), abs=0.01)


# ---------------------------------------------------------------------------------------- matrices that keep the norm


@pytest.mark.parametrize("model", [OrthogonalRnn(dim=16), UnitaryRnn(dim=16)])
def test_recurrent_matrix_stays_orthogonal_through_training(model: OrthogonalRnn | UnitaryRnn) -> None:
    layers = [block.mixer for block in model.blocks]
    before = [layer.recurrent().detach() for layer in layers]  # pyright: ignore
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(200):
        x = torch.randn(4, 12, 16)
        optimizer.zero_grad()
        (model(x)[:, -1] - x[:, 2]).square().mean().backward()
        optimizer.step()
    for layer, start in zip(layers, before, strict=True):
        u = layer.recurrent()  # pyright: ignore
        assert torch.linalg.matrix_norm(u.T @ u - torch.eye(16), ord=2) < 1e-5
        assert torch.linalg.matrix_norm(u - start, ord=2) > 0.1  # it has moved, too


def test_unitary_matrix_acts_on_complex_units() -> None:
    layer = UnitaryRecurrence(dim=8, threshold=0.01).double()
    nn.init.normal_(layer.generator)
    u, z = layer.recurrent(), double(8)
    v = torch.complex(u[:4, :4], u[4:, :4])
    torch.testing.assert_close(v @ v.mH, torch.eye(4, dtype=torch.complex128))
    expected = v @ torch.complex(z[:4], z[4:])
    torch.testing.assert_close(u @ z, torch.cat((expected.real, expected.imag)))


def test_mod_relu_shortens_and_keeps_the_phase() -> None:
    theta, real, imaginary = (
        torch.tensor([0.5, 0.5, 2.0]),
        torch.tensor([3.0, 0.1, 0.0]),
        torch.tensor([-4.0, 0.2, 0.0]),
    )
    z, h = torch.complex(real, imaginary), torch.complex(*mod_relu(torch.cat((real, imaginary)), theta).chunk(2))
    torch.testing.assert_close(h, torch.tensor([z[0] * 4.5 / 5, 0, 0]))
    signed = mod_relu(torch.tensor([-2.0, 0.3, 5.0]), theta)
    torch.testing.assert_close(signed, torch.tensor([-1.5, 0.0, 3.0]))


@pytest.mark.parametrize("units", [6, 3])
def test_slope_is_mod_relus_jacobian(units: int) -> None:
    z, theta = double(6), torch.full((units,), 0.4, dtype=torch.float64)
    expected = jacobian(lambda z: mod_relu(z, theta), z)
    found, _ = slope(z, theta)  # (planes, planes, units)
    blocks = torch.cat([torch.cat([torch.diag(each) for each in row], 1) for row in found])
    torch.testing.assert_close(blocks, expected)


@pytest.mark.parametrize("kind", RECURRENCES)
def test_hand_written_gradients_are_those_of_the_steps(kind: str) -> None:
    layer: NonexpansiveRecurrence = RECURRENCES[kind](dim=6, threshold=0.6).double()
    x, state, outputs, weight = double(2, 15, 6).requires_grad_(), layer.init_state(2), [], double(2, 15, 6)
    for x_t in x.unbind(1):
        y, state = layer.step(x_t, state)
        outputs.append(y)
    steps, wanted = torch.stack(outputs, 1), [x, *layer.parameters()]
    assert (steps == 0).any()  # some units fall below their threshold
    for a, b in zip(*(torch.autograd.grad((y * weight).sum(), wanted) for y in (layer(x), steps)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", RECURRENCES)
def test_jacobian_of_a_step_has_the_norm_of_the_steepest_slope(kind: str) -> None:
    """That is 1 while any unit is on, whatever U is; 0 when none is."""
    layer: NonexpansiveRecurrence = RECURRENCES[kind](dim=8, threshold=0.5).double()
    nn.init.normal_(layer.generator)  # pyright: ignore
    x_t = double(1, 8)
    for h, norm in ((3 * double(8), 1.0), (torch.zeros(8, dtype=torch.float64), 0.0)):
        step = jacobian(lambda h: layer.step(norm * x_t, h[None])[0][0], h)  # noqa: B023
        assert float(torch.linalg.matrix_norm(step, ord=2)) == pytest.approx(norm, abs=1e-12)


@pytest.mark.parametrize("kind", RECURRENCES)
def test_gradients_over_any_lag_never_grow(kind: str) -> None:
    """Without threshold ∂h_t/∂a_{t−ℓ} is orthogonal; with one its singular values are at most 1."""
    layer: NonexpansiveRecurrence = RECURRENCES[kind](dim=6, threshold=1e-12).double()
    nn.init.normal_(layer.generator)  # pyright: ignore
    x, w = double(1, 200, 6), layer.input.weight

    def singular_values() -> Tensor:
        whole = jacobian(lambda first: layer(torch.cat((first[None, None], x[:, 1:]), 1))[0, -1], x[0, 0])
        return torch.linalg.svdvals(whole @ torch.linalg.inv(w.detach()))

    torch.testing.assert_close(singular_values(), torch.ones(6, dtype=torch.float64))
    nn.init.constant_(layer.log_threshold, math.log(0.05))
    values = singular_values()
    assert values.max() <= 1 + 1e-9
    assert values.min() < 0.99


# ------------------------------------------------------------------------------------------------------ from both ends


def test_bidirectional_is_two_recurrences_and_a_map() -> None:
    layer, x = BidirectionalRecurrence(5, "lstm"), torch.randn(2, 9, 5)
    for t in range(9):
        both = torch.cat((layer.ahead(x[:, : t + 1])[:, -1], layer.behind(x[:, t:].flip(1))[:, -1]), 1)
        torch.testing.assert_close(layer(x)[:, t], layer.merge(both))


def test_the_first_input_is_one_step_from_the_backward_recurrence_and_many_from_the_forward_one() -> None:
    """With U scaled by s, ∂h_{L−1}/∂x_0 goes as s^(L−1), while ∂g_0/∂x_0 does not change."""
    layer, length = BidirectionalRecurrence(3, "rnn").double(), 6
    x = torch.zeros(1, length, 3, dtype=torch.float64, requires_grad=True)  # where tanh' = 1
    ahead, behind = (each.get_submodule("cells.0") for each in (layer.ahead, layer.behind))
    for cell in (ahead, behind):
        for bias in list(cell.parameters())[2:]:
            nn.init.zeros_(bias)
    norms = []
    for _ in range(2):
        forwards, backwards = layer.ahead(x)[0, -1, 0], layer.behind(x.flip(1)).flip(1)[0, 0, 0]
        norms.append([float(torch.autograd.grad(y, x)[0][0, 0].norm()) for y in (forwards, backwards)])
        with torch.no_grad():
            for cell in (ahead, behind):
                list(cell.parameters())[1].mul_(0.5)  # U
    assert norms[1][0] == pytest.approx(norms[0][0] * 0.5 ** (length - 1))
    assert norms[1][1] == pytest.approx(norms[0][1])


def test_the_last_output_sees_the_past_through_the_forward_recurrence_alone() -> None:
    layer, x = BidirectionalRecurrence(4, "gru"), torch.randn(1, 8, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer.behind(x.flip(1)).flip(1)[0, -1].sum(), x)
    assert (gradient[0, :-1] == 0).all()
    assert (gradient[0, -1] != 0).any()


def test_a_second_layer_starts_with_the_question() -> None:
    """Its forward recurrence reads, at the first position already, what the last input was."""
    model, x = Bidirectional(4), torch.randn(1, 8, 4, requires_grad=True)
    first = model.blocks[0](x)
    (gradient,) = torch.autograd.grad(first[0, 0].sum(), x)
    assert (gradient[0, -1] != 0).any()


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Rnn(layers=0), "layers must be at least 1"),
        (lambda: DenseRnn(order=0), "order must be at least 1"),
        (lambda: OrthogonalRnn(threshold=0.0), "threshold must be positive"),
        (lambda: UnitaryRnn(dim=5), "dim must be even"),
        (lambda: Bidirectional(cell="tcn"), "cell must be one of .*gru"),
    ],
)
def test_bad_values_are_refused_by_name(build: Callable[[], SequenceModel], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("model", [DenseRnn(8, order=3), OrthogonalRnn(8), UnitaryRnn(8)])
def test_flops_of_one_position_stand_for_all(model: DenseRnn | OrthogonalRnn | UnitaryRnn) -> None:
    recurrent = 8 * 8 * (3 if isinstance(model, DenseRnn) else 1)
    assert model.flops(16) == SequenceModel.flops(model, 16) == 2 * 16 * 2 * (8 * 8 + recurrent)
