"""The gradient profile against closed forms, finite differences and a plain loop over gates."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmark.lit_sequence import LitSequence
from benchmark.measures.gradient import gradient, recall_targets, text_targets
from leaderboard.cell import Budget, Cell
from leaderboard.measured import Gradient
from models.gru import Gru
from models.linear import Linear
from models.lstm import Lstm
from models.rnn import Rnn
from models.transformer_xl import TransformerXl
from tasks.adding import Adding
from tasks.base import Task
from tasks.delayed_recall import DelayedRecall
from tasks.language import Language
from tasks.tokenizers import Bpe, Byte
from tests.benchmark.cells import cell
from tests.tasks.test_language import Prose

LANGUAGE = cell(regime="language", lags=[60])
RETAIN = cell(regime="retain", lags=[2, 32])


def measured(model: nn.Module, task: Task, given: Cell) -> tuple[LitSequence, Gradient]:
    lit = LitSequence(model, task.spec, Budget())  # pyright: ignore
    lit = lit.double() if task.spec.inputs == "symbols" else lit
    initial = {name: tensor.clone() for name, tensor in lit.state_dict().items()}
    with torch.no_grad():
        for parameter in lit.parameters():
            parameter.add_(0.1)
    return lit, gradient(lit, task, given, initial)


@pytest.mark.parametrize("rho", [0.9, 1.0])
def test_of_a_leaky_integrator_the_gradients_are_powers_of_rho(rho: float) -> None:
    task = Language(Prose(), Byte(), block=32)
    _, found = measured(Linear(dim=8, rho=rho), task, LANGUAGE)
    for norms in ("before", "after"):
        values = np.array([getattr(slope, norms) for slope in found.curve])  # (K, targets)
        lags = np.array([slope.lag for slope in found.curve])
        assert values / values[0] == pytest.approx(
            np.repeat(rho ** (lags - 1.0)[:, None], values.shape[1], 1), rel=1e-6
        )
    assert [slope.lag_sum for slope in found.curve] == [slope.lag * len(found.documents) for slope in found.curve]


def test_weights_are_put_back_and_both_ends_of_training_are_seen() -> None:
    task = DelayedRecall()
    lit, found = measured(Rnn(dim=8), task, RETAIN)
    batch = task.examples(0, "test", 4, 0, 64)
    embedded = lit.embedding(batch.inputs).detach().requires_grad_()
    loss = cross_entropy(
        lit.answers(lit.features(embedded, batch.positions))[:, -1], batch.targets[:, -1], reduction="sum"
    )
    expected = torch.autograd.grad(loss, embedded)[0][:, 0].norm(dim=-1)
    (at_four,) = [slope for slope in found.curve if slope.lag == 4]
    assert at_four.after[:64] == pytest.approx(expected.tolist())
    assert at_four.before != pytest.approx(at_four.after, rel=0.01)
    assert not lit.training


def test_a_slope_is_what_a_small_step_finds() -> None:
    """‖∂loss/∂e‖ of one target, coordinate by coordinate."""
    task = Adding()
    lit, found = measured(Gru(dim=4), task, RETAIN)
    lit = lit.double()
    (at_two,) = [slope for slope in found.curve if slope.lag == 2]
    batch, step = task.examples(0, "test", 2, 0, 8), 1e-6
    with torch.no_grad():
        embedded, slope = lit.embedding(batch.inputs.double())[:1], []
        place = int(task.source_at(batch)[0])

        def loss(moved: torch.Tensor) -> float:
            answer = lit.answers(lit.features(moved, batch.positions[:1, -1:]))[0, -1, 0]
            return float((answer - batch.targets[0, -1].double()) ** 2)

        for i in range(4):
            nudge = torch.zeros_like(embedded)
            nudge[0, place, i] = step
            slope.append((loss(embedded + nudge) - loss(embedded - nudge)) / (2 * step))
    assert at_two.after[0] == pytest.approx(float(np.linalg.norm(slope)), rel=1e-3)  # measured in single precision


def test_text_is_looked_at_from_the_blocks_first_token() -> None:
    task = Language(Prose(), Bpe(300), block=32)
    (each, *_) = text_targets(task, LANGUAGE)
    token_bytes = task.tokenizer.token_bytes
    for row in range(4):
        last = int(each.positions[row, 0])
        ids = each.inputs[row, : last + 1].tolist()
        for lag, place, distance in zip(
            each.lags, each.places[row].tolist(), each.distances[row].tolist(), strict=True
        ):
            assert place == last + 1 - lag
            assert distance == 1 + sum(len(token_bytes[i]) for i in ids[place + 1 :])


def test_a_detached_memory_stops_gradients_as_in_training() -> None:
    task = Language(Prose(), Byte(), block=32)
    _, found = measured(TransformerXl(dim=16, segment=8, memory=8), task, LANGUAGE)
    within = 60 % 8 or 8  # the last context input stands so far into its segment
    for slope in found.curve:
        assert (max(slope.before) > 0) == (slope.lag <= within)


@pytest.mark.parametrize("model", [Lstm(dim=6), Gru(dim=6)], ids=["lstm", "gru"])
def test_gates_are_multiplied_from_the_source_to_the_answer(model: Lstm | Gru) -> None:
    task = DelayedRecall()
    lit, found = measured(model, task, RETAIN)
    assert found.gates is not None
    for column, slope in enumerate(found.curve):
        each = next(each for each in recall_targets(task, RETAIN) if each.lags == [slope.lag])
        with torch.no_grad():
            gates = model.forget_gates(lit.embedding(each.inputs[:8])).numpy()
        for layer, rows in enumerate(gates):
            product = np.ones((8, 6))
            for t in range(1, slope.lag + 1):
                product *= rows[:, t]
            assert found.gates[layer][column] == pytest.approx(product.mean(), rel=1e-6)
