"""What is printed of records: one cell's curve, or the report of a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmark.display import duration, title
from benchmark.registry import UsageError
from leaderboard.calibration import Calibration, blocked, read_calibration
from leaderboard.groups import group
from leaderboard.measured import Outcome
from leaderboard.record import Facts, Record, collector_paused, read_record, read_records
from leaderboard.reports.mechanism import mechanism_lines
from leaderboard.reports.report import write_groups
from leaderboard.reports.tables import terminal
from leaderboard.statistics.bits import measure_bits
from leaderboard.statistics.curves import strength
from leaderboard.statistics.spans import measure_span


@collector_paused()  # to its end, when nothing is left to search
def report(folder: str) -> int:
    """Write and print the report of a folder's records."""
    place = Path(folder)
    if not (place / "records").is_dir():
        raise UsageError(f"{place}: no records/ in it")
    try:
        records = read_records(place / "records")
    except ValueError as error:
        mend = "spanbench table sets it aside and runs its cell again"
        raise UsageError(f"{error}{_others(place / 'records')}; {mend}") from None
    if not records:
        raise UsageError(f"{place / 'records'}: no record in it")
    print_report(Console(), records, place, place.resolve().name)
    return 0


def _others(folder: Path) -> str:
    """How many of the records are damaged, where it is more than the one that was named."""
    n = 0
    for path in folder.glob("*.json"):
        try:
            read_record(path)
        except ValueError:
            n += 1
    return f" ({n} of the records are damaged)" * (n > 1)


def print_report(console: Console, records: list[Record], folder: Path, caption: str) -> None:
    """Write tables and plots of `records` into `folder`, print the table and say where the rest is."""
    calibration = calibration_beside(folder)
    try:
        with collector_paused():
            groups = group(records)
            written = write_groups(groups, folder, caption, calibration)
    except (ValueError, OverflowError) as error:  # a record that says what cannot be
        raise UsageError(f"{folder}: {error}") from None
    wide = console if console.is_terminal else Console(width=200)  # a file has no edge to wrap at
    barred = blocked(calibration) if calibration else {}
    wide.print(terminal(groups, caption, barred))
    for measure, reason in barred.items():
        console.print(f"{measure} is blocked: {reason}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written to {folder}: {', '.join(path.name for path in written)}", highlight=False, soft_wrap=True)


def calibration_beside(folder: Path) -> Calibration | None:
    """What `spanbench calibrate` left in the same output folder; None where it did not run. Raises UsageError."""
    path = folder.parent / "calibration" / "calibration.json"
    if not path.exists():
        return None
    try:
        return read_calibration(path)
    except ValueError as error:
        raise UsageError(f"{error}; run spanbench calibrate again, or remove it") from None


def print_cell(console: Console, record: Record, path: Path, note: str) -> None:
    """One cell: its curve and span, or its bits per byte, and where its record is."""
    plain: Any = {"highlight": False, "soft_wrap": True}
    console.print(f"{title(record.cell)}: {record.status}, {duration(record.host.seconds)}", highlight=False)
    if record.reason:
        console.print(record.reason, markup=False, **plain)
    if record.facts and record.curve:
        console.print(_curve(record, record.facts))
        console.print(_span(record), markup=False, **plain)
    if record.facts and record.losses:
        console.print(_losses(record, record.facts))
    for line in _trials(record):
        console.print(line, markup=False, **plain)
    for line in mechanism_lines(*group([record])):
        console.print(line, markup=False, **plain)
    console.print(f"record: {path}", **plain)
    if note:
        console.print(note, **plain)


def _curve(record: Record, facts: Facts) -> Table:
    """s at each lag."""
    columns: dict[str, Callable[[Outcome], str]] = {
        "length" if facts.lag_unit == "none" else "lag": lambda point: str(point.lag),
        "s": lambda point: f"{strength(point.total, point.n, facts):.2f}",
    }
    if facts.lag_unit == "bytes":
        columns["lag in tokens"] = lambda point: f"{point.lag_tokens / point.n:.1f}"
    if record.cell.regime == "learn":
        columns["sequences to learn it"] = lambda point: str(point.sequences) if point.solved else "whole budget"
    rows = Table(*columns, box=None, pad_edge=False)
    for point in record.curve:
        rows.add_row(*(show(point) for show in columns.values()))
    return rows


def _span(record: Record) -> str:
    span = measure_span([record])
    if span.unit == "none":
        return f"mean s over lengths, each clipped to [0, 1]: {span.text()}"
    kind = "learning span" if record.cell.regime == "learn" else "retention span"
    score = "" if span.recall is None else f", recall score {span.recall:.2f}"
    return f"{kind}: {span.text(tokens=True)} in {span.unit}{score}"


def _trials(record: Record) -> list[str]:
    """The learning rates tried at each lag, and what their validation came to."""
    found: dict[int | None, list[str]] = {}
    for trial in record.trials:
        s = "diverged" if trial.strength is None else f"s={trial.strength:.2f}"
        found.setdefault(trial.lag, []).append(f"{trial.lr:g} {s}")
    return [
        f"learning rates on validation{f', lag {lag}' if lag else ''}: {', '.join(said)}" for lag, said in found.items()
    ]


def _losses(record: Record, facts: Facts) -> Table:
    """Bits per byte after each context."""
    found = [measure_bits([record], context=losses.context) for losses in record.losses if not losses.foreign]
    rows = Table(f"context, {facts.lag_unit}", "bits per byte", "documents", "blocks", box=None, pad_edge=False)
    for bits in found:
        dropped = f", {bits.n_dropped} dropped" if bits.n_dropped else ""
        rows.add_row(str(bits.context), bits.text(), str(bits.n_documents), f"{bits.n_blocks}{dropped}")
    return rows
