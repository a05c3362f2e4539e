"""`spanbench leaderboard freeze`: the next revision of a suite, from a table and the runs of the suite's own models.

What a task and a tokenizer alone determine is computed from them; anchors and scatter are those of the runs.
"""

import lzma
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, variance

import torch
from rich.console import Console

from benchmark.board.rescore import loaders, rescored
from benchmark.budget import parse_count
from benchmark.cells import build_task, corpus_named
from benchmark.measures.recall import half_octaves
from benchmark.registry import UsageError
from benchmark.tables import Table, table_named
from leaderboard.cell import Cell, Part
from leaderboard.protocol import EXTENSION, LIMIT, REVISION
from leaderboard.record import Facts, Record, read_records, write_atomically
from leaderboard.scores import raw_score
from leaderboard.suite import (
    ANY,
    OF_THE_MODEL,
    Board,
    BoardName,
    OfficialCell,
    Read,
    Suite,
    Tested,
    Tolerance,
    revisions,
    suite_path,
)
from tasks.base import Task

BOARDS = [
    Board(name="memory", title="Memory", question="How far back is one thing learned, and how long is it held?"),
    Board(name="recall", title="Recall in text", question="Across how many bytes of real text is a word recalled?"),
    Board(name="text", title="Text", question="How well is text predicted, and how much of it helps?"),
]
LEAST = 0.3  # recall score that a reference must reach to be an anchor


def freeze(name: str, reference: str, records: str) -> int:
    """Write suites/NAME-REVISION.json from the runs in `records`, all of the suite's own models. Raises UsageError."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        found = read_records(Path(records) / "records")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not found:
        raise UsageError(f"{records}: no records/ with records of the official cells in it")
    try:
        suite = make_suite(table_named(name), reference, found, Path(records), console)
    except ValueError as error:
        raise UsageError(" ".join(str(error).split())) from None
    path = suite_path(suite.name, suite.revision)
    write_atomically(path, (suite.model_dump_json(indent=1) + "\n").encode())
    console.print(f"{path}: {suite.title}, {len(suite.cells)} cells, anchors from {reference}")
    return 0


def make_suite(table: Table, reference: str, records: Sequence[Record], folder: Path, console: Console) -> Suite:
    """The next revision of the suite that a table describes."""
    templates: dict[str, list[Cell]] = defaultdict(list)
    for cell in table.cells([reference]):
        templates[key_of(cell)].append(cell)
    seeds = sorted({cell.seed for cell in next(iter(templates.values()))})
    runs = {key: [r for r in records if _alike(r.cell, group)] for key, group in templates.items()}
    model = next(iter(templates.values()))[0].model
    cells = []
    for key, group in templates.items():
        console.print(f"{key}: the task's part, anchors of {reference}, scatter of {_models(runs[key])} models")
        cells.append(_official(key, group, runs[key], model))
    blocks = next((r.blocks for each in runs.values() for r in each if r.blocks is not None), None)
    if blocks is None:
        raise UsageError(f"table {table.name}: a suite needs a cell of text to predict")
    suite = Suite(
        name=table.name,
        revision=max(revisions(table.name), default=0) + 1,
        protocol=REVISION,
        n_params=_budget(table),
        seeds=seeds,
        reference=reference,
        boards=[board for board in BOARDS if any(cell.board == board.name for cell in cells)],
        blocks=blocks,
        cells=cells,
        tolerance=Tolerance(n=0, answers=0, flips=0, recall=0.0, bits=0.0),
    )
    suite = suite.model_copy(update={"cells": [_anchored(cell, runs[cell.key], model, suite) for cell in cells]})
    return suite.model_copy(update={"tolerance": _tolerance(suite, runs, folder, console)})


def _budget(table: Table) -> int:
    """The parameters that every row allows. Raises UsageError where they differ."""
    counts = {parse_count(str(row.get("n-params", ""))) for row in table.rows}
    if len(counts) > 1:
        raise UsageError(f"table {table.name}: its rows must have one --n-params, got {', '.join(map(str, counts))}")
    return counts.pop()


def key_of(cell: Cell) -> str:
    """`learn-planted-bpe-512`."""
    words = [cell.regime, *([cell.task.name] * (cell.task.name != cell.regime))]
    return "-".join(words + ([cell.tokenizer.name] if cell.tokenizer else []))


def _alike(cell: Cell, group: Sequence[Cell]) -> bool:
    """Whether a cell is one of a group but for its model and learning rate."""

    def plain(each: Cell) -> Cell:
        return each.model_copy(update={"model": ANY, "budget": each.budget.model_copy(update={"lr": 1.0})})

    return any(plain(cell) == plain(each) for each in group)


def _models(records: Sequence[Record]) -> int:
    return len({record.cell.model.model_dump_json() for record in records})


def _official(key: str, cells: Sequence[Cell], runs: Sequence[Record], model: Part) -> OfficialCell:
    """One cell, as far as no score is needed; its anchor is that of a perfect score."""
    cell, task = cells[0], build_task(cells[0])
    finished = [r for r in runs if r.cell.model == model and r.status == "ok"]
    if len(finished) < len(cells):
        raise UsageError(f"{key}: {model.name}, the reference, has {len(finished)} finished seeds of {len(cells)}")
    run = finished[0]
    assert run.facts is not None
    text = cell.regime == "language"
    board: BoardName = "text" if text else "recall" if cell.tokenizer else "memory"
    at = f" at {cell.tokenizer.name}" if cell.tokenizer else ""
    base, further = _lags(cell, task)
    return OfficialCell(
        key=key,
        board=board,
        title=f"{cell.task.name}{at}" if text else f"{cell.regime} {cell.task.name}{at}",
        cell=cell.model_copy(update={"model": ANY, "seed": 0}),
        facts=_of_the_task(run.facts),
        tests=[] if text else [test for each in cells for test in _tests(each, task, base + further)],
        further=further,
        reads=_reads(run),
        chance=run.facts.chance if text else 0.0,
        reference=0.0 if text else 1.0,
        best=_floor(cell.corpus.name) if text and cell.corpus else 1.0,
        spread=0.0,
        spread_df=0,
    )


def _of_the_task(facts: Facts) -> Facts:
    return facts.model_copy(
        update=dict.fromkeys(OF_THE_MODEL[:2], 0) | {"flops_per_token": 0.0, "receptive_field": None}
    )


def _lags(cell: Cell, task: Task) -> tuple[list[int], list[int]]:
    """The lags that every finished seed is tested at, and those that a memory which lasts is followed to."""
    if cell.regime != "retain":
        return (list(cell.lags), []) if cell.regime == "learn" else ([], [])
    low, high = cell.lags
    base = half_octaves(low, EXTENSION * high)
    further, limit = [], min(LIMIT * high, task.longest_lag("test") or LIMIT * high)
    while 2 * (further or base)[-1] <= limit:
        further.append(2 * (further or base)[-1])
    return base, further


def _tests(cell: Cell, task: Task, lags: Sequence[int]) -> Iterator[Tested]:
    """How many answers each lag asks of this seed, and how many tokens back they lie: the task's own business."""
    for lag, batches in loaders(task, cell, lags).items():
        n = lag_tokens = 0
        for batch in batches:
            probes = task.spec.probes or batch.targets.shape[1]
            n += len(batch.targets) * probes
            lag_tokens += int(batch.lag_tokens.sum()) * probes
        yield Tested(seed=cell.seed, lag=lag, n=n, lag_tokens=lag_tokens)


def _reads(run: Record) -> list[Read]:
    return [
        Read(
            context=losses.context,
            foreign=losses.foreign,
            dropped=[number for number, nats in enumerate(losses.nats) if nats is None],
            n_tokens=losses.n_tokens,
            context_tokens=losses.context_tokens,
        )
        for losses in run.losses
    ]


@cache
def _floor(name: str) -> float:
    """Bits per byte that xz needs for the test text once it has read all of the training text.

    No bound that mathematics gives, but far below what so few parameters reach.
    """
    corpus = corpus_named(name)
    train, test = (corpus.split(name).tobytes() for name in ("train", "test"))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 2**26}]
    before, both = (len(lzma.compress(text, lzma.FORMAT_RAW, filters=filters)) for text in (train, train + test))
    return round(8 * (both - before) / len(test), 3)


def _anchored(official: OfficialCell, runs: Sequence[Record], model: Part, suite: Suite) -> OfficialCell:
    """With the reference's mean score, and the scatter between seeds pooled over models."""
    by_model: dict[str, list[float]] = defaultdict(list)
    for record in runs:
        score = raw_score(official, record, suite)
        if score is not None:
            by_model[record.cell.model.model_dump_json()].append(score)
    anchor = fmean(by_model[model.model_dump_json()])
    if not official.is_text and anchor < LEAST:
        raise UsageError(f"{official.key}: {model.name} scores {anchor:.2f}, too little for an anchor: make it easier")
    several = [scores for scores in by_model.values() if len(scores) > 1]
    df = sum(len(scores) - 1 for scores in several)
    spread = (sum(variance(scores) * (len(scores) - 1) for scores in several) / df) ** 0.5 if df else 0.0
    return official.model_copy(update={"reference": anchor, "spread": spread, "spread_df": df})


def _tolerance(suite: Suite, runs: dict[str, list[Record]], folder: Path, console: Console) -> Tolerance:
    """What changes when the first seed of every model is scored in another arithmetic."""
    n = answers = flips = 0
    moved = {"mse": 0.0, "bits_per_byte": 0.0}
    for official in suite.cells:
        records = [r for r in runs[official.key] if r.cell.seed == suite.seeds[0] and r.status == "ok"]
        console.print(f"{official.key}: {len(records)} models scored again in double precision")
        for record in records:
            again = rescored(record, folder / "cells" / record.id, torch.float64)
            n += 1
            if official.facts.metric == "accuracy":
                answers += sum(outcome.n for outcome in record.curve)
                flips += sum(round(abs(a.total - b.total)) for a, b in zip(record.curve, again.curve, strict=True))
            else:
                before, after = (raw_score(official, each, suite) or 0.0 for each in (record, again))
                moved[official.facts.metric] = max(moved[official.facts.metric], abs(after - before))
    return Tolerance(n=n, answers=answers, flips=flips, recall=moved["mse"], bits=moved["bits_per_byte"])
