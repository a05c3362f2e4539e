"""`spanbench run`: one cell."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmark.display import Display
from benchmark.launch.claims import Claims
from benchmark.launch.finish import path_of, recorded, sync_hint
from benchmark.launch.interrupt import stoppable
from benchmark.options import cell_parser, make_cell
from benchmark.parsing import add_wandb, check_output
from benchmark.preflight import refuse_impossible
from benchmark.prepare import prepare
from benchmark.registry import UsageError
from benchmark.reporting import print_cell
from benchmark.run_options import RunOptions, default_mode
from benchmark.running import forget, is_first_rank, run_cell
from benchmark.training import check
from leaderboard.cell import Cell


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
    try:
        check(trainer, cell)
    except ValueError as error:
        raise UsageError(f"--trainer: {error}") from None
    first = is_first_rank()
    console = Console(quiet=not first)
    prepare([cell], console)
    refuse_impossible([cell])
    check_output(options.folder)
    path = path_of(cell.id, options.folder)
    claims = Claims(options.folder)
    if first and not claims.take(cell.id):
        raise UsageError(f"another spanbench runs this very cell in {options.folder}: wait for it")
    try:
        return _finish(cell, options, path, rest["fresh"], console)
    finally:
        claims.drop_all()


def _finish(cell: Cell, options: RunOptions, path: Path, fresh: bool, console: Console) -> int:
    """Run a claimed cell that has no record at `path` yet, or whose record is not to count; the exit code."""
    if fresh:
        forget(cell, options)
    if (record := recorded({cell.id: cell}, options.folder, console).get(cell.id)) and record.status != "failed":
        print_cell(console, record, path, "done before (--fresh runs it again)")
        return 0 if record.status == "ok" else 1
    with Display(console, 1) as display, stoppable() as stop:
        record = run_cell(cell, options, partial(display.progress, 0, cell), stop)
    print_cell(console, record, path, sync_hint(options))
    return 0 if record.status == "ok" else 1
