"""The gradient profile: how does learning see what lies so far back, at the start of training and after it?"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.lit_sequence import LitSequence
from benchmark.measures.recall import half_octaves
from leaderboard.cell import Cell
from leaderboard.measured import Gradient, Slope
from leaderboard.protocol import N_TARGETS, WIDTH, WINDOW
from models.base import GatedModel
from tasks.base import Asked, Task
from tasks.feeds import MAX_TOKENS
from tasks.language import Language
from tasks.text_changes import TextChanges

GATED = 8  # examples whose gates are looked at: gates may be far wider than the model


class Targets(NamedTuple):
    """Examples with one answer each, and where to look at each of K lags."""

    documents: list[int]  # (B,)
    lags: list[int]  # (K,) asked for
    inputs: Tensor  # (B, L) or (B, L, C)
    positions: Tensor  # (B, 1), where the model answers
    answers: Tensor  # (B, slots)
    places: Tensor  # (B, K), the input that lies so far back
    distances: Tensor  # (B, K), how far that is in the task's unit
    tokens: Tensor  # (B, K), and in tokens


def gradient(lit: LitSequence, task: Task, cell: Cell, initial: dict[str, Tensor]) -> Gradient:
    """‖∂ loss_t / ∂ e_{t−ℓ}‖ of one answer an example, with the weights `initial` and with those that `lit` has.

    The loss is that of a recall task's last answer, whose source lies ℓ back, and of text that of a block's first
    token. In training mode: gradients do not pass what a model detaches, as Transformer-XL does with its memory.
    """
    found = list(text_targets(task, cell) if isinstance(task, Language) else recall_targets(task, cell))
    trained = {name: tensor.detach().clone() for name, tensor in lit.state_dict().items()}
    norms = []
    for weights in (initial, trained):
        lit.load_state_dict(weights)
        lit.train()
        norms.append([slopes(lit, each) for each in found])
    lit.eval()
    lags = sorted({lag for each in found for lag in each.lags})
    distances, tokens = [each.distances for each in found], [each.tokens for each in found]
    curve = [
        Slope(
            lag=lag,
            lag_sum=sum(at(found, distances, lag)),
            lag_tokens=sum(at(found, tokens, lag)),
            before=at(found, norms[0], lag),
            after=at(found, norms[1], lag),
        )
        for lag in lags
    ]
    documents = [document for each in found if lags[0] in each.lags for document in each.documents]
    return Gradient(documents=documents, curve=curve, gates=let_through(lit, found))


def at(found: list[Targets], values: list[Tensor], lag: int) -> list[Any]:
    """The values of one lag, of every target that was looked at there; `values` are (B, K) for each of `found`."""
    pairs = zip(found, values, strict=True)
    return [value for each, rows in pairs if lag in each.lags for value in rows[:, each.lags.index(lag)].tolist()]


def recall_targets(task: Task, cell: Cell) -> Iterator[Targets]:
    """Test examples at each lag of training."""
    for lag in half_octaves(cell.lags[0], cell.horizon):
        size = max(8, min(64, MAX_TOKENS // lag))
        for first in range(0, N_TARGETS, size):
            n = min(size, N_TARGETS - first)
            batch = task.examples(cell.seed, "test", lag, first, n)
            yield Targets(
                list(range(first, first + n)),
                [lag],
                batch.inputs,
                batch.positions[:, -1:],
                batch.targets[:, -task.spec.slots :],
                task.source_at(batch)[:, None],
                torch.full((n, 1), lag),
                batch.lag_tokens[:, None],
            )


def text_targets(task: Language, cell: Cell) -> Iterator[Targets]:
    """The first token of target blocks, after context T; those with few tokens in it are left out."""
    blocks = task.targets(Asked(cell.seed, (), N_TARGETS, cell.horizon, WIDTH, WINDOW))
    batches = list(TextChanges(task, WIDTH, WINDOW).batches(blocks, cell.horizon))
    found = torch.cat([batch.lag_tokens[batch.targets[:, 0] >= 0] for _, batch in batches])
    least = int(found.sort().values[len(found) // 4])  # tokens before a block: of three quarters of them at least
    kept = [(batch.targets[:, 0] >= 0) & (batch.lag_tokens >= least) for _, batch in batches]
    lags = half_octaves(1, least)
    lengths = torch.from_numpy(task.tokenizer.lengths)
    for (first, batch), rows in zip(batches, kept, strict=True):
        before = batch.lag_tokens[rows, None]  # (B, 1)
        inputs = batch.inputs[rows, : int(before.max())]
        places = before - torch.tensor(lags)  # (B, K)
        ends = lengths[inputs].cumsum(1)  # (B, L)
        distances = ends.gather(1, before - 1) - ends.gather(1, places) + 1
        tokens = torch.tensor(lags).expand_as(places)
        documents = blocks.documents[first : first + len(rows)][rows.numpy()].tolist()
        units = distances if task.arm == "bytes" else tokens
        yield Targets(documents, lags, inputs, before - 1, batch.targets[rows, :1], places, units, tokens)


def slopes(lit: LitSequence, each: Targets) -> Tensor:
    """The gradients' norms at every place, (B, K)."""
    embedded = lit.embedding(each.inputs.to(lit.device)).detach().requires_grad_()
    outputs = lit.answers(lit.features(embedded, each.positions.to(lit.device)))  # (B, slots, K)
    answers = each.answers.to(lit.device)
    if lit.spec.metric == "mse":
        loss = (outputs[..., 0] - answers).square().sum()
    else:
        loss = cross_entropy(outputs.flatten(0, 1), answers.flatten(), reduction="sum")
    (slope,) = torch.autograd.grad(loss, embedded)
    return slope.double().norm(dim=-1).cpu().gather(1, each.places)


@torch.inference_mode()
def let_through(lit: LitSequence, found: list[Targets]) -> list[list[float]] | None:
    """Products of the forget gates from each place to the answer: a row a layer, a column a lag. None: no gates."""
    if not isinstance(lit.model, GatedModel):
        return None
    columns: dict[int, list[float]] = {}
    for each in found:
        if each.lags[0] in columns:
            continue
        gates = lit.model.forget_gates(lit.embedding(each.inputs[:GATED].to(lit.device)))  # (layers, B, L, U)
        upto = [layer.clamp(min=torch.finfo(layer.dtype).tiny).log_().cumsum(1).cpu() for layer in gates]
        rows = torch.arange(len(upto[0]))
        for lag, places in zip(each.lags, each.places[:GATED].T, strict=True):
            ends = each.positions[:GATED, 0]
            columns[lag] = [float((layer[rows, ends] - layer[rows, places]).exp().mean()) for layer in upto]
    return [list(layer) for layer in zip(*(columns[lag] for lag in sorted(columns)), strict=True)]
