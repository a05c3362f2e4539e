import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmark.metrics import BitsPerByte, RecallSums


def test_recall_sums_add_up_over_batches_of_any_size() -> None:
    outputs, targets = torch.randn(100, 8), torch.randint(8, (100,))
    lags = torch.randint(1, 50, (100,))
    expected = sum(
        int(max(range(8), key=lambda k: row[k]) == t) for row, t in zip(outputs.tolist(), targets, strict=True)
    )
    for size in (1, 33, 100):
        sums = RecallSums("accuracy")
        for part in zip(outputs.split(size), targets.split(size), lags.split(size), strict=True):
            sums.update(*part)
        assert sums.reduced() == {"total": expected, "n": 100, "lag_tokens": int(lags.sum())}
        assert float(sums.compute()) == pytest.approx(expected / 100)


def test_squared_errors_are_summed() -> None:
    sums = RecallSums("mse")
    sums.update(torch.tensor([[0.5], [2.0]]), torch.tensor([1.0, 1.0]), torch.tensor([3, 3]))
    assert sums.reduced() == {"total": 1.25, "n": 2, "lag_tokens": 6}


def test_bits_per_byte_of_a_uniform_model_is_log2_of_its_vocabulary_over_bytes_per_token() -> None:
    nats = cross_entropy(torch.zeros(64, 256), torch.randint(256, (64,)), reduction="none")
    metric = BitsPerByte()
    for part in nats.split(7):
        metric.update(part, 3 * len(part))
    assert float(metric.compute()) == pytest.approx(8 / 3)


def test_bits_per_byte_weighs_bytes_not_batches() -> None:
    metric = BitsPerByte()
    metric.update(torch.tensor([math.log(2)]), 1)
    metric.update(torch.tensor([0.0, 0.0, 0.0]), 7)
    assert float(metric.compute()) == pytest.approx(1 / 8)
