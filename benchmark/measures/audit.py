"""The memory audit: is what recalls a memory, or does a clock, an accident of the state, do it?"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from benchmark.lit_sequence import Diverged, LitSequence
from benchmark.measures.held import halfway, held_by_the_source, settled
from benchmark.measures.recall import half_octaves
from benchmark.measures.ridge import fitted, kernel
from benchmark.measures.stream import Stream, basis, displaced, features
from benchmark.metrics import RecallSums, sums_for
from leaderboard.cell import Cell
from leaderboard.measured import Audit, Score
from leaderboard.protocol import N_AUDIT, SHIFTS
from models.base import StreamingModel
from tasks.base import Batch, Task
from tasks.feeds import MAX_TOKENS

ROWS = 128  # examples at once, whose states do not outgrow a cache
NO_STATE = "no state to look into, the model does not stream"


@torch.inference_mode()
def audit(lit: LitSequence, task: Task, cell: Cell) -> Audit:
    """Ask at a quarter of T whether the source may stand anywhere and the state be disturbed, and read it up to T.

    What cannot be asked is skipped, with its reason. Weights of half precision become float32, as they are.
    """
    lit.float().eval()
    lag = max(task.spec.min_lag, cell.horizon // 4)
    batch = task.examples(cell.seed, "test", lag, 0, N_AUDIT)
    found = {
        "shifted": shifted(lit, task, cell, lag),
        "perturbed": perturbed(lit, task, cell, batch),
        "decoded": decoded(lit, task, cell),
    }
    skipped = {name: reason for name, reason in found.items() if isinstance(reason, str)}
    asked = {name: scores for name, scores in found.items() if name not in skipped}
    return Audit.model_validate({"lag": lag, "plain": scored(lit, batch, 0), "skipped": skipped} | asked)


def shifted(lit: LitSequence, task: Task, cell: Cell, lag: int) -> list[Score] | str:
    """The same examples with more and more before them, until the answer is due at T."""
    room = cell.horizon - lag
    scores = []
    for by in sorted({k * room // max(SHIFTS) for k in SHIFTS}):
        batch = task.shifted(cell.seed, "test", lag, 0, N_AUDIT, by)
        if batch is None:
            return "nothing can be put before the task's examples that leaves their answers alone"
        scores.append(scored(lit, batch, by))
    return scores if len(scores) > 1 else "up to T there is no room to move the source"


def scored(lit: LitSequence, batch: Batch, at: int) -> Score:
    """A batch's probes, in parts that fit in memory."""
    sums = sums_for(lit.spec.metric).to(lit.device)
    n, length = batch.inputs.shape[:2]
    size = int(np.clip(MAX_TOKENS // length, 1, n))
    for first in range(0, n, size):
        rows = slice(first, first + size)
        lit.probe(Batch(*(each[rows].to(lit.device) for each in batch[:4])), sums)
    return score(sums, at)


def score(sums: object, at: int) -> Score:
    """What a metric has summed up on this process."""
    assert isinstance(sums, RecallSums)
    return Score(at=at, n=int(sums.n), total=float(sums.total))


def perturbed(lit: LitSequence, task: Task, cell: Cell, batch: Batch) -> Score | str:
    """The state is displaced half way from the source to the answer: each number by as much as it varies for one and
    the same answer and source.
    """
    if not isinstance(lit.model, StreamingModel):
        return NO_STATE
    half = halfway(task, batch)
    if not held_by_the_source(task, batch, half):
        return "the answer takes more than the source: what else varies in the state is not noise"
    known = basis(torch.cat([*answers(task, batch), source(task, batch)], 1))
    if known.shape[1] == len(known):
        return f"{len(known)} examples have too many different answers to tell the state's noise"
    stream = Stream(lit, batch.inputs, half)
    stream.run_to(0)
    stream.state = displaced(stream.state, known, torch.Generator().manual_seed(cell.seed))
    probes = task.spec.probes or batch.targets.shape[1]
    hidden = stream.outputs(batch.positions[:, -(probes // task.spec.slots) :])
    outputs = lit.answers(lit.norm(hidden))[:, -probes:]
    sums = sums_for(lit.spec.metric).to(lit.device)
    outputs = outputs.where(outputs.isfinite(), 0)  # a state that explodes answers nothing
    assert isinstance(sums, RecallSums)
    sums.update(outputs, batch.targets[:, -probes:].to(lit.device), batch)
    return score(sums, 0)


def decoded(lit: LitSequence, task: Task, cell: Cell) -> list[Score] | str:
    """The last answer of examples at lag T, read linearly from the state so long after the source.

    The reading is learned on validation examples. How long is counted in inputs, the same for all examples; on text it
    is given in bytes, as so many tokens have on average between source and answer.
    """
    if not isinstance(lit.model, StreamingModel):
        return NO_STATE
    known, tested = (task.examples(cell.seed, split, cell.horizon, 0, N_AUDIT) for split in ("val", "test"))
    if not settled(task, tested, halfway(task, tested)):
        return "the answer depends on what follows the source as well"
    at = torch.cat([task.source_at(known), task.source_at(tested)])
    lag_tokens = torch.cat([known.lag_tokens, tested.lag_tokens])
    now = int(lag_tokens[0] + at[0] - known.positions[0, -1])  # the lag of the current input: 0, in text to predict 1
    shortest, mean = int(lag_tokens.min()), float(lag_tokens.double().mean())
    targets = torch.cat([known.targets[:, -1], tested.targets[:, -1]])
    inputs = joined(known.inputs, tested.inputs)
    streams = [Stream(lit, inputs[rows], at[rows]) for rows in torch.arange(len(at)).split(ROWS)]
    scores = []
    for lag in sorted({max(now, lag * shortest // cell.horizon) for lag in half_octaves(cell.lags[0], cell.horizon)}):
        for stream in streams:
            stream.run_to(lag - now)
        states = [torch.cat(parts) for parts in zip(*(features(stream.state) for stream in streams), strict=True)]
        scores.append(read(states, targets, task, round(lag * cell.horizon / mean)))
    return scores


def read(state: list[Tensor], targets: Tensor, task: Task, at: int) -> Score:
    """A linear reading of the first half of the states (B, F), tried on the second."""
    half = len(targets) // 2
    products = kernel(state, half)
    if not products.isfinite().all():
        raise Diverged("the state is not finite")
    if task.spec.metric == "mse":
        predictions = fitted(products, targets[:half, None])[half:, 0]
        return Score(at=at, n=half, total=float((predictions - targets[half:]).square().sum()))
    seen, index = torch.unique(targets[:half], return_inverse=True)
    predictions = seen[fitted(products, one_hot(index))[half:].argmax(1)]
    return Score(at=at, n=half, total=float((predictions == targets[half:]).sum()))


def joined(one: Tensor, other: Tensor) -> Tensor:
    """Inputs of two batches, padded to the longer."""
    length = max(one.shape[1], other.shape[1])
    return torch.cat(
        [
            torch.cat([each, each.new_zeros(len(each), length - each.shape[1], *each.shape[2:])], 1)
            for each in (one, other)
        ]
    )


def answers(task: Task, batch: Batch) -> list[Tensor]:
    """The probes' answers as regressors, (B, P) each: the number, or a column for each class."""
    probes = batch.targets[:, -(task.spec.probes or batch.targets.shape[1]) :]
    return [classes(column) if task.spec.metric == "accuracy" else column[:, None] for column in probes.T]


def source(task: Task, batch: Batch) -> Tensor:
    """What stands at the source as regressors, (B, P)."""
    found = batch.inputs[torch.arange(len(batch.inputs)), task.source_at(batch)]
    return classes(found) if task.spec.inputs == "symbols" else found


def classes(symbols: Tensor) -> Tensor:
    """A column for each symbol that occurs in (B,), 1 where it does."""
    return one_hot(torch.unique(symbols, return_inverse=True)[1]).float()
