import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmark.lit_sequence import LitSequence, lr_factor
from benchmark.metrics import RecallSums
from leaderboard.cell import Budget
from models.gru import Gru
from tasks.adding import Adding
from tasks.base import Batch
from tasks.mqar import Mqar


def test_logits_at_scored_positions_equal_all_logits_there() -> None:
    lit = LitSequence(Gru(dim=16), Mqar().spec, Budget())
    batch = Mqar().examples(0, "train", 20, 0, 5)
    every = lit.head(lit.norm(lit.model(lit.embedding(batch.inputs))))  # (B, L, K)
    expected = torch.stack([every[row, at] for row, at in enumerate(batch.positions)])
    torch.testing.assert_close(lit(batch.inputs, batch.positions), expected)


def test_loss_is_the_mean_over_question_places() -> None:
    lit = LitSequence(Gru(dim=16), Mqar().spec, Budget())
    batch = Mqar().examples(0, "train", 3, 0, 6)  # a short lag: some places stay empty
    outputs = lit(batch.inputs, batch.positions).detach()
    asked = batch.targets >= 0
    assert 0 < asked.sum() < asked.numel()
    nats = sum(-math.log(torch.softmax(o, 0)[t]) for o, t in zip(outputs[asked], batch.targets[asked], strict=True))
    assert float(lit.loss(batch).detach()) == pytest.approx(nats / asked.numel(), rel=1e-4)
    halves = [type(batch)(*(field[rows] for field in batch[:4])) for rows in (slice(0, 3), slice(3, 6))]
    assert sum(float(lit.loss(half).detach()) for half in halves) / 2 == pytest.approx(
        float(lit.loss(batch).detach()), rel=1e-5
    )


def test_regression_reads_one_channel() -> None:
    lit = LitSequence(Gru(dim=16), Adding().spec, Budget())
    batch = Adding().examples(0, "train", 9, 0, 4)
    outputs = lit(batch.inputs, batch.positions)
    assert outputs.shape == (4, 1, 1)
    expected = (outputs.detach().flatten() - batch.targets.flatten()).square().mean()
    assert float(lit.loss(batch).detach()) == pytest.approx(float(expected), rel=1e-5)


def test_embeddings_start_at_unit_scale() -> None:
    lit = LitSequence(Gru(dim=64), Mqar(vocab=512).spec, Budget())
    assert float(lit.embedding.weight.detach().std()) == pytest.approx(1, rel=0.05)  # pyright: ignore


def test_schedule_warms_up_then_follows_a_cosine_to_a_twentieth() -> None:
    factors = [lr_factor(step, 50, 600) for step in range(601)]
    assert factors[0] == pytest.approx(1 / 51)
    assert factors[50] == max(factors) == 1
    assert factors[325] == pytest.approx(0.525)
    assert factors[600] == pytest.approx(0.05)
    assert all(a >= b for a, b in itertools.pairwise(factors[50:]))


def test_loss_equals_torch_on_full_batches() -> None:
    lit = LitSequence(Gru(dim=16), Mqar().spec, Budget())
    batch = Mqar().examples(0, "train", 30, 0, 6)
    outputs = lit(batch.inputs, batch.positions)
    assert torch.allclose(lit.loss(batch), cross_entropy(outputs.flatten(0, 1), batch.targets.flatten()))


def test_slots_are_answers_of_one_position_and_probes_the_last_answers() -> None:
    """Two slots: the head's first half answers first. Only the last `probes` answers are scored."""
    spec = replace(Mqar().spec, slots=2, probes=2, n_outputs=5)
    lit = LitSequence(Gru(dim=16), spec, Budget())
    inputs, positions = torch.randint(64, (3, 9)), torch.tensor([[2, 7]] * 3)
    outputs = lit(inputs, positions)  # (B, Q · slots, K)
    hidden = lit.norm(lit.model(lit.embedding(inputs)))
    expected = torch.stack([lit.head(hidden[:, at])[:, half] for at in (2, 7) for half in (slice(5), slice(5, 10))], 1)
    torch.testing.assert_close(outputs, expected)
    targets = outputs.argmax(-1)
    targets[:, :2] = (targets[:, :2] + 1) % 5  # wrong where it is not scored
    targets[0, 3] = (targets[0, 3] + 1) % 5  # and once where it is
    sums = RecallSums("accuracy")
    lit.probe(Batch(inputs, positions, targets, torch.tensor([4, 5, 6])), sums)
    assert sums.reduced() == {"total": 5, "n": 6, "lag_tokens": 30}
