import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.metrics import BlockNats, RecallSums, sums_for
from tasks.base import Batch


def batch_of(targets: Tensor, lags: Tensor, n_bytes: Tensor | None = None) -> Batch:
    return Batch(torch.empty(0), torch.empty(0), targets, lags, n_bytes)


def test_recall_sums_add_up_over_batches_of_any_size() -> None:
    outputs, targets = torch.randn(100, 2, 8), torch.randint(8, (100, 2))
    lags = torch.randint(1, 50, (100,))
    pairs = zip(outputs.flatten(0, 1).tolist(), targets.flatten().tolist(), strict=True)
    expected = sum(max(range(8), key=lambda k: row[k]) == target for row, target in pairs)
    for size in (1, 33, 100):
        sums = RecallSums("accuracy")
        for o, t, lag in zip(outputs.split(size), targets.split(size), lags.split(size), strict=True):
            sums.update(o, t, batch_of(t, lag))
        assert sums.reduced() == {"total": expected, "n": 200, "lag_tokens": 2 * int(lags.sum())}
        assert float(sums.compute()) == pytest.approx(expected / 200)


def test_squared_errors_are_summed() -> None:
    sums, targets = RecallSums("mse"), torch.tensor([[1.0], [1.0]])
    sums.update(torch.tensor([[[0.5]], [[2.0]]]), targets, batch_of(targets, torch.tensor([3, 3])))
    assert sums.reduced() == {"total": 1.25, "n": 2, "lag_tokens": 6}


def test_block_nats_are_sums_over_the_tokens_asked_for_in_order() -> None:
    outputs, targets = torch.randn(9, 5, 7), torch.randint(7, (9, 5))
    targets[torch.rand(9, 5) < 0.3] = -100
    targets[4] = -100  # a block that is not kept
    n_bytes = torch.tensor([3, 1, 4, 1, 0, 9, 2, 6, 5])
    nats = [
        float(cross_entropy(o[t >= 0], t[t >= 0], reduction="sum")) if (t >= 0).any() else 0.0
        for o, t in zip(outputs, targets, strict=True)
    ]
    for size in (1, 4, 9):
        sums = BlockNats()
        for o, t, n in zip(outputs.split(size), targets.split(size), n_bytes.split(size), strict=True):
            sums.update(o, t, batch_of(t, torch.ones(len(t)), n))
        found = sums.reduced()
        assert found["nats"] == pytest.approx(nats, rel=1e-5)
        assert found["n_bytes"] == n_bytes.tolist()
        assert found["n_tokens"] == (targets >= 0).sum(1).tolist()
        assert float(sums.compute()) == pytest.approx(sum(nats) / math.log(2) / int(n_bytes.sum()), rel=1e-5)


def test_the_metric_follows_from_what_is_asked() -> None:
    assert isinstance(sums_for("bits_per_byte"), BlockNats)
    assert [sums_for(kind).metric for kind in ("accuracy", "mse")] == ["accuracy", "mse"]  # pyright: ignore
