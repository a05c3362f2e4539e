"""`spanbench profile`: the records of one model, found where a user points, as one figure, one page and one table."""

import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.parsing import check_output
from benchmark.registry import UsageError
from benchmark.reporting import calibration_beside
from leaderboard.calibration import blocked
from leaderboard.record import Record, read_record, read_records, write_atomically
from leaderboard.reports.plots import render
from leaderboard.reports.profile import PANELS, Line, choose, lines_of
from leaderboard.reports.profile_plot import draw_profile
from leaderboard.reports.profile_table import facts_of, gaps_of, heading, notes_of, profile_markdown, rows_of, table_of


def profile(run: str, model: str | None, tokenizer: str | None, corpus: str | None, output: str | None) -> int:
    """Draw, write and print the profile of the records at `run`. Raises UsageError where there is none to draw."""
    try:
        records, folder = find_records(Path(run))
        chosen = choose(records, model, tokenizer, corpus)
        lines = lines_of(chosen)
        figure, page = draw_profile(lines), profile_markdown(lines)
    except ValueError as error:
        said = str(error)
        raise UsageError(said if said.startswith(run) else f"{run}: {said}") from None
    alone = not (Path(run) / "records").is_dir()
    place = Path(output) if output is not None else folder / "profiles" / folder_name(chosen[0], alone)
    check_output(place)
    files = {"profile.png": render(figure, "png"), "profile.svg": render(figure, "svg"), "profile.md": page.encode()}
    for name, data in files.items():
        write_atomically(place / name, data)
    console = Console()
    show(console, lines)
    calibration = calibration_beside(folder)
    for measure, reason in (blocked(calibration) if calibration else {}).items():
        console.print(f"{measure} failed its calibration: {reason}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written to {place}: {', '.join(files)}", highlight=False, soft_wrap=True)
    return 0


def folder_name(record: Record, alone: bool) -> str:
    """`lstm@byte`, fit for a folder; with its id where one record stands alone: it is not all of a model."""
    cell = record.cell
    name = cell.model.name + (f"@{cell.tokenizer.name}" if cell.tokenizer else "") + f"-{record.id}" * alone
    return re.sub(r"[^\w.@-]+", "_", name)


def find_records(run: Path) -> tuple[list[Record], Path]:
    """The records at a record's file, a run's own folder or a folder with records/ in it, and the folder of the table.

    Raises ValueError where there are none, or one of them is none.
    """
    if run.is_file():
        return [read_record(run)], run.parent.parent if run.parent.name == "records" else run.parent
    if (run / "records").is_dir():
        records = read_records(run / "records")
        if not records:
            raise ValueError("no record in its records/ yet")
        return records, run
    own = run.resolve()
    if own.is_dir() and own.parent.name == "cells":
        path = run / ".." / ".." / "records" / f"{own.name}.json"
        if not path.is_file():
            raise ValueError(f"no record yet: its run has not ended ({own.name}.json is not in records/)")
        return [read_record(path.resolve())], own.parent.parent
    what = "no records/ in it" if run.is_dir() else "no such file or folder"
    raise ValueError(
        f"{what}: name a record (…/records/ID.json), a run's folder (…/cells/ID) or a folder with records/"
    )


def show(console: Console, lines: list[Line]) -> None:
    """The table on a terminal; elsewhere a plain line for each number."""
    plain: Any = {"markup": False, "highlight": False, "soft_wrap": True}
    rows = rows_of(lines)
    console.print(f"{heading(lines)}: {facts_of(lines)}", **plain)
    if console.is_terminal:
        header, cells = table_of(lines, rows)
        table = Table(*header, box=None, pad_edge=False)
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
    else:
        for row in rows:
            console.print(row.said, **plain)
    for panel, why in gaps_of(lines).items():
        console.print(f"{PANELS[panel].partition(':')[0]}: {why}", **plain)
    for note in notes_of(lines, rows):
        console.print(note, **plain)
