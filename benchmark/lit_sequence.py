"""The one LightningModule: embedding -> SequenceModel -> head, masked loss, summed metrics."""

import math
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import LinearCrossEntropyOptions
from torch.nn.functional import cross_entropy, linear_cross_entropy, mse_loss

from benchmark.metrics import BlockNats, RecallSums, sums_for
from leaderboard.cell import Budget
from models.base import SequenceModel
from tasks.base import Batch, TaskSpec
from tasks.feeds import Feed

LOG_EVERY = 25  # optimizer steps
EXPLODED = 300  # times the loss of a blind guess
FINAL_LR = 0.05  # of the peak, where the cosine ends


class Diverged(RuntimeError):  # noqa: N818
    """Training left the finite numbers."""


class LitSequence(LightningModule):
    """Any SequenceModel on any task. Every architecture gets this embedding, head, loss and optimizer.

    Symbols are embedded from N(0, 1), channels by a linear map; a LayerNorm and a linear head read the model's
    output, at the scored positions only. `suffix` ends every logged key ("@32").
    """

    def __init__(self, model: SequenceModel, spec: TaskSpec, budget: Budget, suffix: str = "") -> None:
        super().__init__()
        self.model, self.spec, self.budget, self.suffix = model, spec, budget, suffix
        self.embedding: nn.Module = (
            nn.Embedding(spec.n_inputs, model.dim) if spec.inputs == "symbols" else nn.Linear(spec.n_inputs, model.dim)
        )
        self.norm = nn.LayerNorm(model.dim)
        self.head = nn.Linear(model.dim, spec.slots * spec.n_outputs)
        self.feed: Feed | None = None
        self.val_sums, self.test_sums = nn.ModuleList(), nn.ModuleList()
        self.latest = ""  # the last training loss that was looked at
        self.strengths: list[float] = []  # s at each validation lag, of the latest validation
        self.diverged: Diverged | None = None  # what this rank has met in an evaluation

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning notes each hook here, thirty times a step, and nn.Module would search its registers each time."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Inputs (B, L) or (B, L, C) and positions (B, Q) -> outputs (B, Q · slots, K)."""
        return self.answers(self.features(self.embedding(inputs), positions))

    def answers(self, features: Tensor) -> Tensor:
        """What the head says of features (B, Q, D): (B, Q · slots, K)."""
        return self.head(features).unflatten(-1, (self.spec.slots, -1)).flatten(1, 2)

    def features(self, embedded: Tensor, positions: Tensor) -> Tensor:
        """What the head reads at the scored positions, (B, Q, D), of embedded inputs (B, L, D)."""
        hidden = self.model(embedded)  # (B, L, D)
        return self.norm(hidden.gather(1, positions[..., None].expand(-1, -1, hidden.shape[-1])))

    def serve(self, feed: Feed) -> None:
        """Make room for the sums of every validation and test lag of `feed`."""
        self.feed = feed
        self.val_sums = nn.ModuleList(sums_for(self.spec.metric) for _ in feed.val_lags)
        self.test_sums = nn.ModuleList(sums_for(self.spec.metric) for _ in feed.test_lags)

    def loss(self, batch: Batch) -> Tensor:
        """Mean over all places for an answer; an empty one counts nothing, so that ranks average exactly."""
        if self.spec.metric == "bits_per_byte":
            return self.language_loss(batch)
        outputs = self(batch.inputs, batch.positions)
        if self.spec.metric == "mse":
            return mse_loss(outputs[..., 0], batch.targets)
        return cross_entropy(outputs.flatten(0, 1), batch.targets.flatten(), reduction="sum") / batch.targets.numel()

    def language_loss(self, batch: Batch) -> Tensor:
        """The same with the logits of all places never in memory at once: at 8,192 tokens a sixth of the memory."""
        features = self.features(self.embedding(batch.inputs), batch.positions).flatten(0, 1)  # (B · Q, D)
        targets, head = batch.targets.flatten(), self.head
        nats = linear_cross_entropy(
            features, head.weight, targets, linear_bias=head.bias, reduction="sum", options=LinearCrossEntropyOptions()
        )
        return nats / targets.numel()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss, logged now and then with the learning rate that is in force.

        Of several ranks each weighs as much as its rows, so that the mean over ranks is that over the whole batch.
        """
        loss = self.loss(batch)
        if batch.n_whole is not None:
            loss = loss * (len(batch.inputs) * self.trainer.world_size / batch.n_whole)
        if (self.global_step + 1) % LOG_EVERY == 0:
            mean = self.trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")
            self.refuse_divergence(mean.item())
            lr = self.trainer.optimizers[0].param_groups[0]["lr"]
            self.log_dict({f"train/loss{self.suffix}": mean, f"train/lr{self.suffix}": lr})
        return loss

    def refuse_divergence(self, loss: float) -> None:
        """Raise Diverged at a loss that is not finite, or hundreds of times that of a blind guess."""
        blind = self.spec.baseline if self.spec.metric == "mse" else math.log(max(2, self.spec.n_outputs))
        if not loss < EXPLODED * blind:
            raise Diverged(f"training loss is {loss:.4g} at step {self.global_step}{self.latest}")
        strength = f", s={sum(self.strengths) / len(self.strengths):.2f}" if self.strengths else ""
        self.latest = f" (last: {loss:.4g} at step {self.global_step}{strength})"

    def probe(self, batch: Batch, sums: nn.Module) -> None:
        """Add a batch's probes to `sums`."""
        assert isinstance(sums, RecallSums | BlockNats)
        probes = self.spec.probes or batch.targets.shape[1]
        outputs = self(batch.inputs, batch.positions[:, -(probes // self.spec.slots) :])[:, -probes:]  # (B, probes, K)
        if not torch.isfinite(outputs).all():
            raise Diverged(f"outputs are not finite at step {self.global_step}{self.latest}")
        sums.update(outputs, batch.targets[:, -probes:], batch)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Sums of one batch of one validation lag."""
        self.probe_together(batch, self.val_sums[dataloader_idx])

    def on_validation_epoch_end(self) -> None:
        """Log the score of each validation lag; `val/strength` is the mean of s over them."""
        assert self.feed is not None
        self.refuse_diverged()
        self.strengths = []
        for lag, sums in zip(self.feed.val_lags, self.val_sums, strict=True):
            assert isinstance(sums, RecallSums | BlockNats)
            score = float(sums.compute())
            sums.reset()
            self.strengths.append(self.spec.strength(score))
            self.log(f"val/{self.spec.metric}@{lag}", score)
        self.log(f"val/strength{self.suffix}", sum(self.strengths) / len(self.strengths))

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Sums of one batch of one test lag; the measure reads them."""
        self.probe_together(batch, self.test_sums[dataloader_idx])

    def on_test_epoch_end(self) -> None:
        """Sums of outputs that are not finite are none."""
        self.refuse_diverged()

    def probe_together(self, batch: Batch, sums: nn.Module) -> None:
        """Probe, and keep what went wrong for the epoch's end: a rank that left at once would leave others waiting."""
        try:
            self.probe(batch, sums)
        except Diverged as error:
            self.diverged = error

    def refuse_diverged(self) -> None:
        """Raise Diverged on every rank where one of them has met it."""
        if self.trainer.strategy.reduce_boolean_decision(self.diverged is not None, all=False):
            raise self.diverged or Diverged(f"outputs are not finite at step {self.global_step}")

    def configure_optimizers(self) -> Any:
        """AdamW (fused), linear warm-up, then a cosine to a twentieth of the peak."""
        budget = self.budget
        fused = self.device.type != "mps" and "mixed" not in str(self.trainer.precision)  # Lightning clips no fused one
        optimizer = torch.optim.AdamW(self.parameters(), lr=budget.lr, weight_decay=budget.weight_decay, fused=fused)
        steps = -(-budget.sequences // budget.batch_size)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, budget.warmup, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def lr_factor(step: int, warmup: int, steps: int) -> float:
    """Share of the peak learning rate at `step` of `steps`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return FINAL_LR + (1 - FINAL_LR) * (1 + math.cos(math.pi * progress)) / 2
