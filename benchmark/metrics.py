"""Metrics whose states are sums, so that batches and ranks add up exactly."""

import math
from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric


class RecallSums(Metric):
    """Over probes: `total` correct answers (accuracy) or squared errors (mse), the count `n`, lags in tokens."""

    full_state_update = False
    total: Tensor
    n: Tensor
    lag_tokens: Tensor

    def __init__(self, metric: Literal["accuracy", "mse"]) -> None:
        super().__init__()
        self.metric = metric
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("n", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("lag_tokens", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, targets: Tensor, lag_tokens: Tensor) -> None:
        """Outputs (B, K), targets (B,) and lags (B,) of a batch of probes."""
        if self.metric == "accuracy":
            self.total += (outputs.argmax(-1) == targets).sum()
        else:
            self.total += (outputs[:, 0].double() - targets.double()).square().sum()
        self.n += len(targets)
        self.lag_tokens += lag_tokens.sum()

    def compute(self) -> Tensor:
        """The mean over all examples."""
        return self.total / self.n

    def reduced(self) -> dict[str, float]:
        """The three sums over all ranks."""
        with self.sync_context():
            return {name: getattr(self, name).item() for name in ("total", "n", "lag_tokens")}


class BitsPerByte(Metric):
    """Sum of nats over the scored bytes ÷ (ln 2 × number of scored bytes). The byte count comes from the text."""

    full_state_update = False
    nats: Tensor
    n_bytes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nats", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("n_bytes", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, nats: Tensor, n_bytes: int) -> None:
        """Negative log-likelihoods of the scored tokens, any shape, and how many bytes of text they stand for."""
        self.nats += nats.double().sum()
        self.n_bytes += n_bytes

    def compute(self) -> Tensor:
        """Bits per byte."""
        return self.nats / (math.log(2) * self.n_bytes)
