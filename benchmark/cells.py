"""From a cell to the objects it names, and back."""

import inspect
from functools import lru_cache
from typing import Any

import torch

from benchmark.budget import count
from benchmark.lit_sequence import LitSequence
from benchmark.registry import UsageError, entry, load_class
from leaderboard import record
from leaderboard.record import Cell, Facts, Part
from models.base import SequenceModel
from tasks.base import Task
from tasks.corpora import Corpus


def build(part: Part) -> Any:
    """The object a part describes."""
    return load_class(part.class_path)(**part.init_args)


def build_model(cell: Cell) -> SequenceModel:
    """A fresh model, its parameters drawn from the cell's seed; torch's global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(cell.seed)
        return build(cell.model)


@lru_cache(maxsize=2)
def corpus_named(name: str) -> Corpus:
    """The corpus a name stands for, read; its text is read once a process. Raises UsageError."""
    found = entry("corpora", name)
    try:
        corpus = load_class(found["class_path"])(**found["init_args"])
        assert corpus.digest
    except (ValueError, OSError) as error:
        raise UsageError(f"--corpus {name}: {error}") from None
    return corpus


def needs_text(task: Part) -> bool:
    """Whether a task is made of text, so that it wants a corpus and a tokenizer."""
    return "corpus" in inspect.signature(load_class(task.class_path)).parameters


def build_task(cell: Cell) -> Task:
    """The cell's task, its corpus read and its tokenizer trained; cells with the same task share it."""
    ingredients = (cell.task, cell.tokenizer, cell.corpus)
    return _task_of(*(part.model_dump_json() if part is not None else None for part in ingredients))


@lru_cache(maxsize=4)
def _task_of(task_json: str, tokenizer_json: str | None, corpus_json: str | None) -> Task:
    task = Part.model_validate_json(task_json)
    if tokenizer_json is None or corpus_json is None:
        return build(task)
    wanted = record.Corpus.model_validate_json(corpus_json)
    corpus = corpus_named(wanted.name)
    if corpus.digest != wanted.digest:
        raise ValueError(f"corpus {wanted.name} has changed: its digest is {corpus.digest}, not {wanted.digest}")
    tokenizer = build(Part.model_validate_json(tokenizer_json))
    return load_class(task.class_path)(corpus=corpus, tokenizer=tokenizer, **task.init_args)


def facts(cell: Cell, task: Task) -> Facts:
    """What the task and the built model say of themselves."""
    lit = LitSequence(build_model(cell), task.spec, cell.budget)
    length = max(1, round(cell.horizon / (task.bytes_per_token or 1)))  # T in tokens
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
        split_digests=task.split_digests,
    )
