"""Metrics whose states are sums, so that batches and ranks add up exactly."""

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from tasks.base import Batch

BLOCK_SUMS = ("nats", "n_bytes", "n_tokens", "context_tokens")


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

    def update(self, outputs: Tensor, targets: Tensor, batch: Batch) -> None:
        """Outputs (B, P, K) and targets (B, P) of a batch's probes."""
        if self.metric == "accuracy":
            self.total += (outputs.argmax(-1) == targets).sum()
        else:
            self.total += (outputs[..., 0].double() - targets.double()).square().sum()
        self.n += targets.numel()
        self.lag_tokens += batch.lag_tokens.sum() * targets.shape[1]

    def compute(self) -> Tensor:
        """The mean over all examples."""
        return self.total / self.n

    def reduced(self) -> dict[str, float]:
        """The three sums over all ranks."""
        with self.sync_context():
            return {name: getattr(self, name).item() for name in ("total", "n", "lag_tokens")}


class BlockNats(Metric):
    """The negative log-likelihood of every target block, in order, with its bytes and tokens (0: it was not kept).

    `context_tokens` are those before a block that was kept.

    Bits per byte are the sum of nats over the scored bytes ÷ (ln 2 × number of scored bytes), bytes of the text.
    """

    full_state_update = False
    nats: list[Tensor]
    n_bytes: list[Tensor]
    n_tokens: list[Tensor]
    context_tokens: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in BLOCK_SUMS:
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, targets: Tensor, batch: Batch) -> None:
        """Outputs (B, P, V) and targets (B, P), −100 where nothing is asked."""
        assert batch.n_bytes is not None
        nats = cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        self.nats.append(nats.double().sum(1))
        self.n_bytes.append(batch.n_bytes)
        self.n_tokens.append((targets >= 0).sum(1))
        self.context_tokens.append(batch.lag_tokens * (batch.n_bytes > 0))

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the blocks of all ranks. One that has had none takes part: others wait for it."""
        for name in BLOCK_SUMS:
            if not getattr(self, name):
                kind = torch.float64 if name == "nats" else torch.int64
                getattr(self, name).append(torch.empty(0, dtype=kind, device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> Tensor:
        """Bits per byte of all blocks kept."""
        return dim_zero_cat(self.nats).sum() / math.log(2) / dim_zero_cat(self.n_bytes).sum()

    def reduced(self) -> dict[str, list[float]]:
        """The blocks of all ranks: nats, bytes, tokens and tokens before each."""
        with self.sync_context():
            return {name: dim_zero_cat(getattr(self, name)).tolist() for name in BLOCK_SUMS}


def sums_for(metric: Literal["accuracy", "mse", "bits_per_byte"]) -> RecallSums | BlockNats:
    """An empty metric of that kind."""
    return BlockNats() if metric == "bits_per_byte" else RecallSums(metric)
