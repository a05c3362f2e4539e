"""What a memory has to hold between source and answer, asked of the task's own oracle."""

import torch
from torch import Tensor

from tasks.base import Batch, Task

MOSTLY = 0.8  # of the examples: on text a cut may fall into a word; where more is held, two answers agree in about half


def halfway(task: Task, batch: Batch) -> Tensor:
    """The input half way from the source to the first probe, (B,)."""
    probes = (task.spec.probes or batch.targets.shape[1]) // task.spec.slots
    return (task.source_at(batch) + batch.positions[:, -probes:].amin(1)) // 2


def settled(task: Task, batch: Batch, cut: Tensor) -> bool:
    """Whether the oracle's answer stays, whatever other example's inputs follow the first `cut` (B,)."""
    rows = torch.arange(len(cut))
    return mostly(same(task, batch, spliced(batch, cut, rows, rows.roll(1))))


def held_by_the_source(task: Task, batch: Batch, cut: Tensor) -> bool:
    """Whether the oracle's answer stays, whatever other example's inputs come first, if only the source is kept."""
    rows = torch.arange(len(cut))
    at = task.source_at(batch)
    others = spliced(batch, cut, rows.roll(1), rows)
    sources = batch.inputs[rows, at]
    others.inputs[rows, at.roll(1)] = sources
    fits = task.alike(sources)[rows, rows.roll(1)]  # on text, of as many bytes
    return mostly(same(task, batch, others)[fits])


def mostly(which: Tensor) -> bool:
    """Whether nearly all of some (N,) are true; of none, none are."""
    return int(which.sum()) >= max(1, MOSTLY * len(which))


def spliced(batch: Batch, cut: Tensor, heads: Tensor, tails: Tensor) -> Batch:
    """Examples that are the examples `heads` (B,) up to their `cut` (B,), included, and `tails` behind theirs."""
    moved = cut[heads] - cut[tails]
    positions = batch.positions[tails] + moved[:, None]
    column = torch.arange(int(positions.max()) + 1)
    first = column <= cut[heads][:, None]  # (B, L)
    row, at = torch.where(first, heads[:, None], tails[:, None]), torch.where(first, column, column - moved[:, None])
    inputs = batch.inputs[row, at.clamp(max=batch.inputs.shape[1] - 1)]
    inputs[at >= batch.inputs.shape[1]] = 0  # padding
    return batch._replace(inputs=inputs, positions=positions)


def same(task: Task, batch: Batch, other: Batch) -> Tensor:
    """Where the oracle gives both examples the same last answer, (B,)."""
    one, two = (task.solve(each.inputs, each.positions)[:, -1].double() for each in (batch, other))
    return torch.isclose(one, two)
