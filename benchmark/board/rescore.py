"""A trained model's test again, from the weights that its run left."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmark.cells import build_model, build_task
from benchmark.lit_sequence import LitSequence
from benchmark.measures.context import losses
from benchmark.measures.recall import feed_for
from benchmark.metrics import BlockNats, RecallSums, sums_for
from leaderboard.cell import Cell
from leaderboard.measured import Outcome
from leaderboard.record import Record
from leaderboard.validation.claims import weights_files
from tasks.base import Batch, Task


def rescored(record: Record, folder: Path, dtype: torch.dtype = torch.float32) -> Record:
    """The record with its curve, or its losses, measured again with the weights in `folder`.

    In double precision another order of rounding is tried. Foreign contexts, which no score uses, stay as they are.
    Raises ValueError where weights are missing or do not fit the model.
    """
    files = weights_files(record)
    if record.cell.regime == "learn":
        each = [
            _curve(_loaded(record, folder / name, dtype), record.cell, [outcome], dtype)
            for name, outcome in zip(files, record.curve, strict=True)
        ]
        return record.model_copy(update={"curve": [outcome for (outcome,) in each]})
    lit = _loaded(record, folder / files[0], dtype)
    if record.cell.regime == "retain":
        return record.model_copy(update={"curve": _curve(lit, record.cell, record.curve, dtype)})
    contexts = [each.context for each in record.losses if not each.foreign]
    found = []
    for context, batches in loaders(build_task(record.cell), record.cell, contexts).items():
        sums = BlockNats()
        _score(lit, batches, sums, dtype)
        found.append(losses(context, sums.reduced(), False))
    return record.model_copy(update={"losses": found + [each for each in record.losses if each.foreign]})


def digests(record: Record, folder: Path) -> dict[str, str]:
    """The sha256 of each file of weights that the record's trainings left. Raises ValueError where one is missing."""
    found = {}
    for name in weights_files(record):
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path}: no such file; {record.id} is run again, and leaves it, without its record")
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def loaders(task: Task, cell: Cell, lags: Sequence[int]) -> dict[int, Iterable[Batch]]:
    """The test examples of a cell at each lag, or its target blocks after each context."""
    task.serve(replace(feed_for(cell, (cell.horizon, cell.horizon), ()), test_lags=lags))
    return dict(zip(lags, task.test_dataloader(), strict=True))


def _curve(lit: LitSequence, cell: Cell, outcomes: Sequence[Outcome], dtype: torch.dtype) -> list[Outcome]:
    """The outcomes with their sums measured again."""
    found = []
    batches = loaders(build_task(cell), cell, [outcome.lag for outcome in outcomes])
    for outcome in outcomes:
        sums = sums_for(lit.spec.metric)
        assert isinstance(sums, RecallSums)
        _score(lit, batches[outcome.lag], sums, dtype)
        found.append(replace(outcome, **sums.reduced()))
    return found


def _loaded(record: Record, path: Path, dtype: torch.dtype) -> LitSequence:
    """The model with its weights; what is loaded is tensors alone, whatever the file holds."""
    task = build_task(record.cell)
    lit = LitSequence(build_model(record.cell), task.spec, record.cell.budget)
    try:
        lit.load_state_dict(load_file(path))
    except Exception as error:  # a stranger's file: safetensors and torch have errors of their own kinds for it
        raise ValueError(f"{path}: not the weights of {record.id}: {' '.join(str(error).split())[:200]}") from None
    return lit.to(dtype).eval()


@torch.inference_mode()
def _score(lit: LitSequence, batches: Iterable[Batch], sums: RecallSums | BlockNats, dtype: torch.dtype) -> None:
    for batch in batches:
        inputs = batch.inputs.to(dtype) if batch.inputs.is_floating_point() else batch.inputs
        lit.probe(batch._replace(inputs=inputs), sums)
