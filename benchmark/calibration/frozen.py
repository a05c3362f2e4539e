"""What stands around a frozen system so that it goes the way of a trained one: cell, trainer, record."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from lightning.pytorch import Trainer

from benchmark import host
from benchmark.cells import blocks_of
from benchmark.lit_sequence import LitSequence
from benchmark.training import Trained, quietly
from leaderboard.calibration import Check, Trace
from leaderboard.cell import Budget, Cell, Corpus, Part
from leaderboard.measured import Audit, Found, Gradient, Influence, Losses, Outcome
from leaderboard.record import Facts, Host, Record
from tasks.base import Task
from tasks.language import Language
from tasks.text_task import TextTask

T = TypeVar("T")
Checked = Iterator[Check | Trace]
SEEDS = 3
NOWHERE = Host(seconds=0, peak_bytes=0, device="cpu", machine="", versions={}, commit=None, finished="")


def cell_of(system: str, task: Task, regime: str, lags: Sequence[int], seed: int = 0, **changes: Any) -> Cell:
    """The cell of a frozen system on a task; `changes` are the cell's own."""
    fields: dict[str, Any] = {
        "model": Part(name=system, class_path="", init_args={"system": system}),
        "task": Part(
            name=type(task).__name__, class_path=f"{type(task).__module__}.{type(task).__name__}", init_args={}
        ),
        "regime": regime,
        "lags": list(lags),
        "seed": seed,
        "budget": Budget(),
    }
    if isinstance(task, TextTask):
        fields["corpus"] = Corpus(name=type(task.corpus).__name__, digest=task.corpus.digest)
        fields["tokenizer"] = Part(name="tokenizer", class_path="", init_args={"digest": task.tokenizer_digest})
    return Cell(**fields | changes)


def trained(lit: LitSequence) -> Trained:
    """A system as if it had just been trained, on the CPU."""
    trainer = quietly(
        Trainer,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return Trained(lit, trainer, 0, False, 0.0, {name: tensor.clone() for name, tensor in lit.state_dict().items()})


def record_of(cell: Cell, task: Task, lit: LitSequence, found: Iterable[Found]) -> Record:
    """The record that the pieces found make."""
    pieces = list(found)

    def some(kind: type[T]) -> list[T]:
        return [piece for piece in pieces if isinstance(piece, kind)]

    return Record(
        id=cell.id,
        cell=cell,
        status="ok",
        facts=facts_of(cell, task, lit),
        curve=sorted(some(Outcome), key=lambda outcome: outcome.lag),
        blocks=blocks_of(task, cell) if isinstance(task, Language) else None,
        losses=some(Losses),
        influence=next(iter(some(Influence)), None),
        gradient=next(iter(some(Gradient)), None),
        audit=next(iter(some(Audit)), None),
        host=NOWHERE,
    )


def facts_of(cell: Cell, task: Task, lit: LitSequence) -> Facts:
    """What the task and the system say of themselves; nobody asks for costs."""
    return Facts(
        metric=task.spec.metric,
        chance=task.spec.chance,
        baseline=task.spec.baseline,
        lag_unit=task.spec.lag_unit,
        n_params=0,
        n_params_non_embedding=0,
        flops_per_token=0,
        bytes_per_token=task.bytes_per_token,
        receptive_field=lit.model.receptive_field(cell.horizon),
    )


def provenance() -> dict[str, Any]:
    """Commit and versions, as a record's host has them."""
    about = host.describe(0.0, "cpu")
    return {"commit": about.commit, "versions": about.versions}


def one_thread() -> None:
    """What every process that calibrates is told."""
    torch.set_num_threads(1)
