"""The influence curve against closed forms and against a plain loop."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.lit_sequence import LitSequence
from benchmark.measures.influence import moved_by_lag
from benchmark.measures.recall import half_octaves
from leaderboard.cell import Budget
from leaderboard.measured import Influence
from models.bidirectional import Bidirectional
from models.gru import Gru
from models.linear import Linear
from models.tcn import Tcn
from tasks.adding import Adding
from tasks.base import Asked, Task
from tasks.delayed_recall import DelayedRecall
from tasks.language import Language
from tasks.tokenizers import Bpe, Byte
from tests.tasks.test_language import Prose


def lit_of(model: nn.Module, task: Task) -> LitSequence:
    return LitSequence(model, task.spec, Budget()).eval()  # pyright: ignore


def faintly(model: nn.Module, task: Task) -> LitSequence:
    """No norm, double precision and logits so small that √KL is proportional to what moves them."""
    lit = lit_of(model, task).double()
    lit.norm = nn.Identity()  # pyright: ignore
    with torch.no_grad():
        lit.head.weight.mul_(1e-4)
    return lit


def means(found: Influence) -> dict[int, float]:
    return {moved.lag: float(np.mean([a for a in moved.amplitudes if a is not None])) for moved in found.curve}


@pytest.mark.parametrize("rho", [0.8, 0.95])
def test_a_leaky_integrators_influence_falls_as_powers_of_rho(rho: float) -> None:
    task = Language(Prose(), Byte(), block=32)
    asked = Asked(0, half_octaves(1, 32), 64, 96, 1, 1)
    found = means(moved_by_lag(faintly(Linear(dim=8, rho=rho), task), task, asked))
    lags = np.array(list(found))
    slope = np.polyfit(lags, np.log(list(found.values())), 1)[0]
    assert slope == pytest.approx(math.log(rho), rel=0.02)  # each lag has donors of its own


def test_a_window_ends_exactly_at_its_receptive_field() -> None:
    task = Language(Prose(), Byte(), block=32)
    model = Tcn(dim=8, levels=3, kernel=2)
    field = model.receptive_field(100)
    assert field == 8
    found = means(moved_by_lag(lit_of(model, task).double(), task, Asked(0, range(1, 20), 32, 64, 1, 1)))
    assert all(found[lag] > 1e-6 for lag in range(1, field + 1))
    assert all(found[lag] == 0 for lag in range(field + 1, 20))


@pytest.mark.parametrize("bpe", [False, True])
def test_amplitudes_are_those_of_a_plain_loop(bpe: bool) -> None:
    """Σ_t Σ_v p (log p − log q) over the window, one block at a time, in numpy."""
    task = Language(Prose(), Bpe(300) if bpe else Byte(), block=32)
    lit, asked = lit_of(Gru(dim=8), task), Asked(0, (3, 20), 6, 48, 8, 16)
    found = {moved.lag: moved for moved in moved_by_lag(lit, task, asked).curve}
    for first, lag, changed in task.disturbances(asked):
        for row in range(len(changed.inputs)) if lag else ():
            batch, total = changed.batch, 0.0
            with torch.no_grad():
                old, new = (
                    lit(inputs[row : row + 1], batch.positions[row : row + 1])[0].double().softmax(-1).numpy()
                    for inputs in (batch.inputs, changed.inputs)
                )
            for t, target in enumerate(batch.targets[row].tolist()):
                total += float((old[t] * np.log(old[t] / new[t])).sum()) if target >= 0 else 0.0
            value = found[lag].amplitudes[first + row]
            assert (value is None) == (not changed.lags[row])
            if value is not None:
                assert value == pytest.approx(math.sqrt(total), rel=1e-3, abs=1e-5)


def test_the_source_of_a_recall_task_is_what_moves_its_answer() -> None:
    task = DelayedRecall()
    lit = lit_of(Gru(dim=8), task)
    found = moved_by_lag(lit, task, Asked(5, (4, 9), 16, 9, 8, 32))
    for moved in found.curve:
        changed = task.disturbed(5, "test", moved.lag, 0, 16)
        assert ((changed.inputs != changed.batch.inputs).nonzero()[:, 1] == 0).all()  # the first symbol
        with torch.no_grad():
            p, q = (
                lit(x, changed.batch.positions)[:, 0].log_softmax(-1) for x in (changed.batch.inputs, changed.inputs)
            )
        expected = (p.exp() * (p - q)).sum(-1).sqrt()
        assert moved.amplitudes == pytest.approx(expected.tolist(), rel=1e-2, abs=1e-5)
        assert (moved.lag_sum, moved.lag_tokens) == (16 * moved.lag, 16 * moved.lag)


def test_a_number_moves_by_its_difference() -> None:
    task = Adding()
    lit = lit_of(Gru(dim=8), task)
    (moved,) = moved_by_lag(lit, task, Asked(0, (6,), 8, 6, 8, 32)).curve
    changed = task.disturbed(0, "test", 6, 0, 8)
    with torch.no_grad():
        old, new = (lit(x, changed.batch.positions)[:, -1, 0] for x in (changed.batch.inputs, changed.inputs))
    assert moved.amplitudes == pytest.approx(((old - new).abs() / math.sqrt(2)).tolist(), rel=1e-5)


@pytest.mark.parametrize("task", [DelayedRecall(), Language(Prose(), Byte(), block=32)], ids=["recall", "text"])
def test_only_a_model_that_reads_ahead_is_moved_by_the_future(task: Task) -> None:
    asked = Asked(0, (4,), 16, 40, 8, 16)
    causal = moved_by_lag(lit_of(Gru(dim=8), task), task, asked)
    ahead = moved_by_lag(lit_of(Bidirectional(dim=8), task), task, asked)
    assert len(causal.leaks) == len(causal.documents)
    assert max(causal.leaks) < 1e-5
    assert min(ahead.leaks) > 1e-4
