"""The influence curve: does what lies so far back still move the prediction? Finite differences, not gradients."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from benchmark.lit_sequence import LitSequence
from benchmark.measures.recall import half_octaves
from leaderboard.cell import Cell
from leaderboard.measured import Influence, Moved
from leaderboard.protocol import EXTENSION, N_TARGETS, WIDTH, WINDOW
from tasks.base import Asked, Batch, Task


def influence(lit: LitSequence, task: Task, cell: Cell) -> Influence:
    """√KL of each target's prediction when its past is changed at each lag, and when its future is.

    A recall task has its source replaced, at the lags of its recall curve up to 4 T; text a few bytes at any lag up to
    the longest context.
    """
    if cell.regime == "language":
        last = max(1, cell.horizon - WIDTH + 1)
        lags = sorted({*half_octaves(1, last), last})
    else:
        lags = half_octaves(cell.lags[0], EXTENSION * cell.horizon)
    return moved_by_lag(lit, task, Asked(cell.seed, lags, N_TARGETS, cell.horizon, WIDTH, WINDOW))


@torch.inference_mode()
def moved_by_lag(lit: LitSequence, task: Task, asked: Asked) -> Influence:
    """The same for any lags and widths. Predictions are compared in double precision, their logits are the model's."""
    lit.eval()
    documents = task.documents(asked)
    amplitudes: dict[int, list[float | None]] = {lag: [None] * len(documents) for lag in (*asked.lags, 0)}
    sums = {lag: [0, 0] for lag in (*asked.lags, 0)}
    last, before = None, torch.empty(0)
    for first, lag, changed in task.disturbances(asked):
        batch = changed.batch
        if batch is not last:
            last, before = batch, answers(lit, batch, batch.inputs)
        found = amplitude(before, answers(lit, batch, changed.inputs), batch, lit).tolist()
        counts = changed.lags > 0 if lag else asks(batch)
        for row in counts.nonzero().flatten().tolist():
            amplitudes[lag][first + row] = found[row]
        sums[lag][0] += int(changed.lags.sum())
        sums[lag][1] += int(changed.lag_tokens.sum())
    return Influence(
        documents=documents,
        curve=[
            Moved(lag=lag, amplitudes=amplitudes[lag], lag_sum=sums[lag][0], lag_tokens=sums[lag][1])
            for lag in asked.lags
            if any(value is not None for value in amplitudes[lag])
        ],
        leaks=[value for value in amplitudes[0] if value is not None],
    )


def asks(batch: Batch) -> Tensor:
    """Which rows (B,) have anything to predict."""
    return (batch.targets >= 0).any(1) if not batch.targets.is_floating_point() else torch.ones(len(batch.targets)) > 0


def answers(lit: LitSequence, batch: Batch, inputs: Tensor) -> Tensor:
    """What is predicted where the batch asks: of text every target (B, Q, V), else the last answer (B, 1, K)."""
    device = lit.device
    positions = batch.positions if batch.n_bytes is not None else batch.positions[:, -1:]
    outputs = lit(inputs.to(device), positions.to(device))
    return outputs if batch.n_bytes is not None else outputs[:, -1:]


def amplitude(before: Tensor, after: Tensor, batch: Batch, lit: LitSequence) -> Tensor:
    """√KL (B,) in nats of all that is asked for, given what precedes each; of a number, of normals of variance 1."""
    if lit.spec.metric == "mse":
        return (after[:, 0, 0].double() - before[:, 0, 0].double()).abs() / 2**0.5
    p, q = (log_softmax(logits.double(), -1) for logits in (before, after))
    kl = (p.exp() * (p - q)).sum(-1)  # (B, Q)
    if batch.n_bytes is not None:
        kl = kl * (batch.targets.to(kl.device) >= 0)
    return kl.sum(1).clamp(min=0).sqrt()
