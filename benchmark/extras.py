"""What is measured of a trained model besides the regime's own question, and what cannot be, with the reason."""

from collections.abc import Iterator

from benchmark.measures.audit import audit
from benchmark.measures.context import contexts, foreign_losses
from benchmark.measures.gradient import gradient
from benchmark.measures.influence import influence
from benchmark.training import Trained
from leaderboard.cell import Cell
from leaderboard.measured import Found, Skipped
from tasks.base import Task
from tasks.language import Language


def extras(cell: Cell, task: Task, trained: Trained) -> Iterator[Found]:
    """The cell's further measures, or why one does not apply. In full precision, on the device of the training."""
    lit = trained.lit.to(trained.trainer.strategy.root_device)
    for name in cell.measures:
        reason = not_applicable(task)
        if reason:
            yield Skipped(measure=name, reason=reason)
        elif name == "context":
            assert isinstance(task, Language)
            others = task.corpus.n_documents("test") > 1  # reliance asks for another document's text
            yield from foreign_losses(lit, task, cell, octaves_below(cell, task) if others else [])
        elif name == "influence":
            yield influence(lit, task, cell)
        elif name == "gradient":
            yield gradient(lit, task, cell, trained.initial)
        else:
            yield audit(lit, task, cell)


def not_applicable(task: Task) -> str | None:
    """Why no further measure can be taken on a task; None where all can."""
    if task.spec.lag_unit == "none":
        return "the task has no single source whose distance could be varied"
    return None


def scored_contexts(cell: Cell, task: Task) -> list[int]:
    """Those the cell names and, for the context span, a whole grid."""
    grid = contexts(task.spec.min_lag, cell.horizon, cell.c_max or cell.horizon) if "context" in cell.measures else []
    return sorted({*cell.lags, *grid})


def octaves_below(cell: Cell, task: Task) -> list[int]:
    """T/2, T/4 … down to what the task allows, ascending."""
    found, context = [], cell.horizon // 2
    while context >= task.spec.min_lag:
        found.append(context)
        context //= 2
    return found[::-1]
