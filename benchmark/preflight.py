"""What is tried before any work starts, so that what cannot be is said in one line and leaves nothing half-written."""

from collections.abc import Iterable

import torch

from benchmark import contract
from benchmark.cells import build_model, build_task
from benchmark.display import title
from benchmark.registry import UsageError
from leaderboard.cell import Cell
from leaderboard.protocol import EXTENSION
from models.base import SequenceModel
from tasks.base import Split
from tasks.language import Language

QUESTION = {"task", "tokenizer", "corpus", "regime", "lags", "c_max"}  # a cell's fields, model and training apart
FEW = 32  # inputs of which gradients are tried
HALVES = {"bf16-mixed": torch.bfloat16, "bf16-true": torch.bfloat16, "16-mixed": torch.float16}


def refuse_impossible(cells: Iterable[Cell]) -> None:
    """Build every task and every model, and run each model once, as long as it will have to. Raises UsageError."""
    asked: dict[str, tuple[int, bool]] = {}  # of every question: its longest input, and whether inputs hold targets
    longest: dict[tuple[str, str], tuple[int, Cell]] = {}
    forced: dict[str, Cell] = {}  # of every model: a cell whose inputs hold targets
    for cell in cells:
        question = cell.model_dump_json(include=QUESTION) + str((cell.budget.n_val, cell.budget.n_test))
        if question not in asked:
            asked[question] = _length(cell), build_task(cell).spec.teacher_forced
            _refuse_lags(cell)
        length, holds_targets = asked[question]
        name = cell.model.model_dump_json()
        if length > longest.get((name, cell.precision), (0, cell))[0]:
            longest[name, cell.precision] = length, cell
        if holds_targets:
            forced.setdefault(name, cell)
    for length, cell in longest.values():
        _try_model(cell, length)
    for cell in forced.values():
        _refuse_cheating(cell)


def _length(cell: Cell) -> int:
    """Inputs of an example at the longest lag of training."""
    try:
        task = build_task(cell)
        return task.examples(0, "train", max(max(cell.lags), task.spec.min_lag), 0, 1).inputs.shape[1]
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"{title(cell)}: {error}") from None


def _refuse_lags(cell: Cell) -> None:
    """Lags shorter than the task knows, or longer than its text has room for."""
    task = build_task(cell)
    least = task.spec.min_lag
    if min(cell.lags) < least:
        raise UsageError(f"{title(cell)}: --lags: the shortest lag of this task is {least}, got {min(cell.lags)}")
    if isinstance(task, Language):
        _refuse_contexts(cell, task)
        return
    farthest = EXTENSION * cell.horizon if cell.regime == "retain" else cell.horizon
    lags: dict[Split, int] = {"train": cell.horizon, "val": cell.horizon, "test": farthest}
    for split, lag in lags.items():
        longest = task.longest_lag(split)
        if longest is not None and lag > longest:
            tested = f" (tests go to {EXTENSION} T)" if lag > cell.horizon else ""
            raise UsageError(
                f"{title(cell)}: --lags: the {split} split has text for lags up to {longest}, got {lag}{tested}"
            )


def _refuse_contexts(cell: Cell, task: Language) -> None:
    longest = cell.c_max or cell.horizon
    asked: list[tuple[Split, int, int, str]] = [
        ("val", cell.budget.n_val, cell.horizon, "--lags"),
        ("test", cell.budget.n_test, longest, "--c-max" if longest > cell.horizon else "--lags"),
    ]
    for split, n, context, option in asked:
        try:
            task.blocks(split, n, context)
        except ValueError as error:
            raise UsageError(f"{title(cell)}: {option}: the {split} split: {error}") from None


def _try_model(cell: Cell, length: int) -> None:
    """What a model does in training is torch's or its author's business, so any exception counts."""
    try:
        model = build_model(cell).eval()
    except Exception as error:
        raise UsageError(f"{title(cell)}: {_said(error)}") from None
    if not isinstance(model, SequenceModel):
        raise UsageError(f"{title(cell)}: {type(model).__name__} is not a SequenceModel")
    if cell.model.source is not None:  # the suite's own are tested
        for check in (contract.shape, contract.causality):
            try:
                check(lambda: build_model(cell))
            except contract.Breach as breach:
                raise UsageError(f"{title(cell)}: the model breaks its contract: {breach}") from None
            except Exception as error:
                raise UsageError(f"{title(cell)}: the model cannot run: {_said(error)}") from None
    half = HALVES.get(cell.precision, torch.float32)
    x = torch.zeros(1, length, model.dim)
    try:
        with torch.no_grad(), torch.autocast("cpu", half, enabled=cell.precision.endswith("mixed")):
            if cell.precision == "bf16-true":
                model, x = model.to(half), x.to(half)
            model(x)
        if half is not torch.float32:
            _try_backward(model, x[:, :FEW], half, cell.precision.endswith("mixed"))
    except Exception as error:
        raise UsageError(
            f"{title(cell)}: the model cannot run on {length} inputs in precision {cell.precision}: {_said(error)}"
        ) from None


def _try_backward(model: SequenceModel, x: torch.Tensor, half: torch.dtype, mixed: bool) -> None:
    """A training step's gradients, on a few inputs: what can be computed in half precision may have none."""
    model.train()
    with torch.autocast("cpu", half, enabled=mixed):
        y = model(x.requires_grad_())
    if y.requires_grad:
        y.float().square().mean().backward()


def _said(error: Exception) -> str:
    """Our own refusals speak for themselves."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _refuse_cheating(cell: Cell) -> None:
    """A model that reads ahead, where what lies ahead holds the answers."""
    if not build_model(cell).causal:
        raise UsageError(
            f"{title(cell)}: {cell.model.name} is not causal, and the inputs of {cell.task.name} hold its targets: "
            "it would read them; choose a causal model"
        )
