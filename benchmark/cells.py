"""From a cell to the objects it names, and back."""

import inspect
from functools import lru_cache
from typing import Any

import torch

from benchmark.budget import count
from benchmark.lit_sequence import LitSequence
from benchmark.registry import load_class, source_of
from benchmark.texts import corpus_named
from leaderboard import cell as cells
from leaderboard.cell import Cell, Part
from leaderboard.measured import Blocks
from leaderboard.record import Facts, SplitFacts
from models.base import SequenceModel
from tasks.base import Task
from tasks.feeds import lag_shares
from tasks.language import Language


def build(part: Part) -> Any:
    """The object a part describes."""
    return load_class(part.class_path)(**part.init_args)


def build_model(cell: Cell) -> SequenceModel:
    """A fresh model, its parameters drawn from the cell's seed; torch's global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(cell.seed)
        return build(cell.model)


def needs_text(task: Part) -> bool:
    """Whether a task is made of text, so that it wants a corpus and a tokenizer."""
    return "corpus" in inspect.signature(load_class(task.class_path)).parameters


def build_task(cell: Cell) -> Task:
    """The cell's task, its corpus read and its tokenizer trained; cells with the same task share it."""
    return task_of(cell.task, cell.tokenizer, cell.corpus)


def task_of(task: Part, tokenizer: Part | None, corpus: cells.Corpus | None) -> Task:
    """The task that these parts make; it is kept for the next who asks."""
    return _task_of(*(part.model_dump_json() if part is not None else None for part in (task, tokenizer, corpus)))


@lru_cache(maxsize=4)
def _task_of(task_json: str, tokenizer_json: str | None, corpus_json: str | None) -> Task:
    task = Part.model_validate_json(task_json)
    if tokenizer_json is None or corpus_json is None:
        return build(task)
    wanted = cells.Corpus.model_validate_json(corpus_json)
    corpus = corpus_named(wanted.name)
    if corpus.digest != wanted.digest:
        raise ValueError(f"corpus {wanted.name} has changed: its digest is {corpus.digest}, not {wanted.digest}")
    named = Part.model_validate_json(tokenizer_json)
    tokenizer = build(named)
    if named.source is not None and source_of(named.class_path, named.init_args) != named.source:
        raise ValueError(f"tokenizer {named.name} has changed since the cell was made")
    return load_class(task.class_path)(corpus=corpus, tokenizer=tokenizer, **task.init_args)


def facts(cell: Cell, task: Task) -> Facts:
    """What the task and the built model say of themselves."""
    lit = LitSequence(build_model(cell), task.spec, cell.budget)
    kappa = task.bytes_per_token if task.spec.lag_unit == "bytes" else None
    length = max(1, round(cell.horizon / (kappa or 1)))  # T in tokens
    return Facts(
        metric=task.spec.metric,
        chance=task.spec.chance,
        baseline=task.spec.baseline,
        lag_unit=task.spec.lag_unit,
        n_params=count(lit),
        n_params_non_embedding=count(lit.model),
        flops_per_token=lit.model.flops(length) / length,
        receptive_field=lit.model.receptive_field(length),
        bytes_per_token=task.bytes_per_token,
        tokenizer_digest=task.tokenizer_digest,
        vocab_size=task.spec.n_inputs if task.spec.inputs == "symbols" else None,
        splits=None if task.splits is None else {k: _split(v) for k, v in task.splits.items()},
        n_train_bytes=train_bytes(cell, task),
    )


def _split(found: tuple[str, int, int]) -> SplitFacts:
    digest, n_documents, n_bytes = found
    return SplitFacts(digest=digest, n_documents=n_documents, n_bytes=n_bytes)


def train_bytes(cell: Cell, task: Task) -> int | None:
    """Bytes of text in the whole training budget, on average over mixed lags; None where there is no text."""
    at_horizon = task.n_bytes(cell.horizon)
    if at_horizon is None:
        return None
    if cell.regime == "retain":
        shares = lag_shares(*cell.lags)
        each = [sum(share * (task.n_bytes(lag) or 0) for lag, share in shares.items())]
    else:
        each = [task.n_bytes(lag) or 0 for lag in cell.lags] if cell.regime == "learn" else [at_horizon]
    return round(sum(each) * cell.budget.sequences)


def blocks_of(task: Language, cell: Cell) -> Blocks:
    """The target blocks that a language cell is scored on."""
    found = task.blocks("test", cell.budget.n_test, cell.c_max or cell.horizon)
    return Blocks(
        starts=found.starts.tolist(),
        n_bytes=(found.ends - found.starts).tolist(),
        documents=found.documents.tolist(),
    )
