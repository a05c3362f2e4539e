"""What each architecture claims of itself, against closed forms and plain loops."""

import math

import pytest
import torch
from torch import nn

from models.gru import Gru
from models.linear import Linear
from models.lstm import Lstm
from models.rnn import Rnn
from models.tcn import Level, Tcn


def last_lag_above(model: Linear, threshold: float, length: int) -> int:
    """Last ℓ with ‖∂h_t/∂x_{t−ℓ}‖₂ ≥ threshold, the last input counted as lag 1, from the Jacobian itself."""
    x = torch.randn(1, length, model.dim, dtype=torch.float64, requires_grad=True)
    last = model(x)[0, -1]
    rows = [torch.autograd.grad(last[i], x, retain_graph=True)[0][0] for i in range(model.dim)]
    jacobian = torch.stack(rows, dim=1)  # (L, D out, D in)
    norms = torch.linalg.matrix_norm(jacobian, ord=2).flip(0)  # by lag, the last input first
    return int((norms >= threshold).nonzero().max()) + 1


@pytest.mark.parametrize(("rho", "expected"), [(0.9, 44), (0.99, 459)])
def test_linear_remembers_as_long_as_its_closed_form_says(rho: float, expected: int) -> None:
    assert expected == 1 + math.floor(math.log(0.01) / math.log(rho))
    assert last_lag_above(Linear(dim=3, rho=rho), 0.01, length=expected + 50) == expected


@pytest.mark.parametrize("chunk", [1, 7, 64, 500])
def test_linear_chunks_equal_the_recurrence(chunk: int) -> None:
    x = torch.randn(2, 200, 4, dtype=torch.float64)
    h, expected = torch.zeros(2, 4, dtype=torch.float64), []
    for x_t in x.unbind(1):
        h = 0.97 * h + x_t
        expected.append(h)
    torch.testing.assert_close(Linear(dim=4, rho=0.97, chunk=chunk)(x), torch.stack(expected, 1))


@pytest.mark.parametrize("rho", [-0.1, 1.1])
def test_linear_refuses_a_growing_memory(rho: float) -> None:
    with pytest.raises(ValueError, match="rho"):
        Linear(rho=rho)


def parameters(cell: nn.Module) -> list[torch.Tensor]:
    return list(cell.parameters())


def test_rnn_is_its_equation() -> None:
    model, x = Rnn(dim=5, layers=1).double(), torch.randn(2, 9, 5, dtype=torch.float64)
    w, u, b, c = parameters(model.cells[0])
    h, expected = torch.zeros(2, 5, dtype=torch.float64), []
    for x_t in x.unbind(1):
        h = torch.tanh(x_t @ w.T + h @ u.T + b + c)
        expected.append(h)
    torch.testing.assert_close(model(x), torch.stack(expected, 1))


def test_gru_is_its_equation() -> None:
    model, x = Gru(dim=5, layers=1, forget_bias=1.5).double(), torch.randn(2, 9, 5, dtype=torch.float64)
    w, u, b, c = parameters(model.cells[0])
    h, expected = torch.zeros(2, 5, dtype=torch.float64), []
    for x_t in x.unbind(1):
        (r, z, n), (r_h, z_h, n_h) = (x_t @ w.T + b).chunk(3, 1), (h @ u.T + c).chunk(3, 1)
        z = torch.sigmoid(z + z_h)
        h = (1 - z) * torch.tanh(n + torch.sigmoid(r + r_h) * n_h) + z * h
        expected.append(h)
    torch.testing.assert_close(model(x), torch.stack(expected, 1))


def test_gru_on_a_cpu_is_torchs_own_with_its_gradients() -> None:
    model, x = Gru(dim=6, layers=2, forget_bias=1.0).double(), torch.randn(3, 20, 6, dtype=torch.float64)
    x.requires_grad_()
    weight = torch.randn(3, 20, 6, dtype=torch.float64)
    ours, theirs = model(x), x
    for cell in model.cells:
        theirs = cell(theirs)[0]
    torch.testing.assert_close(ours, theirs)
    wanted = [x, *model.parameters()]
    for a, b in zip(*(torch.autograd.grad((y * weight).sum(), wanted) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)
    assert torch.autograd.gradcheck(model, (x[:1, :4].detach().requires_grad_(),))


def test_lstm_is_its_equation() -> None:
    model, x = Lstm(dim=5, layers=1).double(), torch.randn(2, 9, 5, dtype=torch.float64)
    w, u, b, c = parameters(model.cells[0])
    h, cell, expected = torch.zeros(2, 5, dtype=torch.float64), torch.zeros(2, 5, dtype=torch.float64), []
    for x_t in x.unbind(1):
        i, f, g, o = (x_t @ w.T + b + h @ u.T + c).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(cell)
        expected.append(h)
    torch.testing.assert_close(model(x), torch.stack(expected, 1))


@pytest.mark.parametrize(("model", "gates"), [(Lstm(dim=6, forget_bias=2.5), 4), (Gru(dim=6, forget_bias=2.5), 3)])
def test_forget_bias_is_what_the_forget_gate_starts_from(model: Lstm | Gru, gates: int) -> None:
    for layer in range(2):
        _, _, b, c = parameters(model.cells[layer])
        total = (b + c).view(gates, 6)
        assert (total[1] == 2.5).all()
        assert (total[0] != 2.5).all()


@pytest.mark.parametrize(("levels", "kernel"), [(1, 2), (3, 4), (5, 3)])
def test_tcn_sees_exactly_its_receptive_field(levels: int, kernel: int) -> None:
    model = Tcn(dim=4, levels=levels, kernel=kernel).double()
    reach = (kernel - 1) * (2**levels - 1) + 1
    assert model.receptive_field(10**6) == reach
    x = torch.randn(1, reach + 20, 4, dtype=torch.float64, requires_grad=True)
    model(x)[0, -1].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().amax(1).flip(0) > 0
    assert seen[:reach].all()
    assert not seen[reach:].any()


def test_convolution_level_is_its_sum() -> None:
    level = Level(dim=3, kernel=3, dilation=4).double()
    x = torch.randn(1, 12, 3, dtype=torch.float64)
    normed, weight, bias = level.norm(x)[0], level.conv.weight[:, :, 0], level.conv.bias
    assert bias is not None
    for t in range(12):
        total = bias.clone()
        for j in range(3):
            if t - 4 * j >= 0:
                total = total + weight[:, :, 2 - j] @ normed[t - 4 * j]
        torch.testing.assert_close(level(x)[0, t], x[0, t] + nn.functional.gelu(total))
