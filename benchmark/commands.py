"""The commands that train: one cell, or a table of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from benchmark.display import Display, duration, title
from benchmark.options import cell_parser, make_cell
from benchmark.parsing import add_wandb, check_output
from benchmark.pool import run_cells
from benchmark.preflight import refuse_impossible
from benchmark.prepare import prepare
from benchmark.registry import UsageError
from benchmark.reporting import print_cell, print_report
from benchmark.running import RunOptions, run_cell
from benchmark.tables import table_named
from benchmark.tracking import Mode, default_mode
from benchmark.training import check
from leaderboard.cell import Cell
from leaderboard.record import Record, read_record


def run(argv: Sequence[str]) -> int:
    """One cell: train it, unless its record is there, and print its curve and span."""
    parser = cell_parser()
    parser.add_argument("--output", default="runs", help="the record goes to OUTPUT/run/records")
    parser.add_argument("--fresh", type=bool, default=False, help="run it again though its record is there")
    add_wandb(parser)
    if "-h" in argv or "--help" in argv:
        parser.print_help()
        return 0
    cell, trainer, rest = make_cell(argv, parser)
    options = RunOptions(Path(rest["output"]) / "run", rest["wandb"] or default_mode(), "run", trainer)
    console = Console(quiet=int(os.environ.get("LOCAL_RANK", "0")) > 0)
    prepare([cell], console)
    refuse_impossible([cell])
    try:
        check(trainer, cell.precision)
    except ValueError as error:
        raise UsageError(f"--trainer: {error}") from None
    check_output(options.folder)
    path = options.folder / "records" / f"{cell.id}.json"
    if rest["fresh"]:
        _forget(cell, options.folder)
    if path.exists() and (record := read(path)).status != "failed":
        print_cell(console, record, path, "done before (--fresh runs it again)")
        return 0 if record.status == "ok" else 1
    with Display(console, 1) as display:
        record = run_cell(cell, options, partial(display.progress, 0, cell))
    print_cell(console, record, path, sync_hint(options))
    return 0 if record.status == "ok" else 1


def table(
    name: str, output: str, workers: int | None, fresh: bool, wandb: Mode | None, model: str | None = None
) -> int:
    """Train a table's missing cells on a pool of processes, then print and draw it. `model`: those of an open table."""
    chosen = table_named(name)
    models = [each.strip() for each in model.split(",")] if model else []
    options = RunOptions(Path(output) / chosen.name, wandb or default_mode(), chosen.name)
    console = Console()
    records, code = finish(
        console, chosen.cells(models), options, workers, fresh, chosen.title, chosen.core_seconds * max(1, len(models))
    )
    print_report(console, records, options.folder, chosen.title)
    return code


def finish(
    console: Console,
    cells: list[Cell],
    options: RunOptions,
    workers: int | None,
    fresh: bool,
    caption: str,
    core_seconds: float = 0,
) -> tuple[list[Record], int]:
    """Run the cells that have no record yet, all of them where `fresh`; every cell's record, and the exit code."""
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1, got {workers}")
    prepare(cells, console)
    refuse_impossible(cells)
    check_output(options.folder)
    with only_writer(options.folder):
        if fresh:
            for cell in cells:
                _forget(cell, options.folder)
        paths = {cell.id: options.folder / "records" / f"{cell.id}.json" for cell in cells}
        for path in paths.values():
            if path.exists():
                read(path)
        missing = [cell for cell in cells if not paths[cell.id].exists()]
        workers = min(workers or os.cpu_count() or 1, max(1, len(missing)))
        expected = duration(core_seconds * len(missing) / len(cells) / workers)
        console.print(
            f"{caption}: {len(cells)} cells, {len(cells) - len(missing)} done before, {workers} workers"
            + (f", about {expected}" if missing and core_seconds else ""),
            highlight=False,
            soft_wrap=True,
        )
        if missing:
            with Display(console, len(missing)) as display:
                run_cells(missing, options, workers, display)
        records = [read(path) for path in paths.values()]
        if missing:
            console.print(sync_hint(options), highlight=False, soft_wrap=True)
        failed = [record for record in records if record.status == "failed"]
        for record in failed:
            where = options.folder / "records" / f"{record.id}.json"
            console.print(
                f"failed: {title(record.cell)}: {record.reason} (remove {where} to try again)",
                markup=False,
                soft_wrap=True,
            )
        return records, 1 if failed else 0


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Nobody else trains into `folder` meanwhile. Raises UsageError where somebody does."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another spanbench is at work in {folder}: wait, or choose another --output") from None
    try:
        yield
    finally:
        lock.release()


def read(path: Path) -> Record:
    """A record, or one line about what is wrong with it."""
    try:
        return read_record(path)
    except ValueError as error:
        raise UsageError(f"{error}; remove it to run its cell again") from None


def sync_hint(options: RunOptions) -> str:
    """How to send offline W&B runs later."""
    if options.wandb != "offline":
        return ""
    return f"W&B runs are kept offline; to send them: wandb sync {options.folder}/cells/*/wandb/offline-run-*"


def _forget(cell: Cell, folder: Path) -> None:
    (folder / "records" / f"{cell.id}.json").unlink(missing_ok=True)
    for path in (folder / "cells" / cell.id).glob("outcome-*.json"):
        path.unlink()
