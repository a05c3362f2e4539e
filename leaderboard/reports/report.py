"""The report: every table and figure, from records alone."""

from collections.abc import Sequence
from pathlib import Path

from leaderboard.calibration import Calibration, blocked
from leaderboard.groups import Group, group
from leaderboard.record import Record, write_atomically
from leaderboard.reports.granularity import draw_granularity
from leaderboard.reports.learning_cost import draw_learning_cost
from leaderboard.reports.mechanism import mechanism_rows
from leaderboard.reports.plots import KINDS, draw_recall, render
from leaderboard.reports.report_text import markdown, vouched
from leaderboard.reports.sheets import costs_csv, csv_text, long_csv


def write_report(records: list[Record], folder: Path, title: str, calibration: Calibration | None = None) -> list[Path]:
    """Write table.md, table.csv, costs.csv and whatever else there is data for.

    mechanism.csv where more than recall was measured; recall.*, learning_cost.* and, with two granularities,
    granularity.* as PNG and SVG. Measures that failed their calibration are blocked. Returns the paths written. What an
    earlier report left and no longer applies is removed. Raises ValueError without records.
    """
    return write_groups(group(records), folder, title, calibration)


def write_groups(
    groups: Sequence[Group], folder: Path, title: str, calibration: Calibration | None = None
) -> list[Path]:
    """The same, of records that have been grouped."""
    if not groups:
        raise ValueError("no records to report on")
    barred = blocked(calibration) if calibration else {}
    files: dict[str, bytes | None] = {
        "table.md": markdown(groups, title, barred, vouched(calibration)).encode(),
        "table.csv": long_csv(groups).encode(),
        "costs.csv": costs_csv(groups).encode(),
        "mechanism.csv": csv_text(rows).encode() if (rows := mechanism_rows(groups, barred)) else None,
    }
    figures = {
        "recall": draw_recall(groups),
        "learning_cost": draw_learning_cost(groups),
        "granularity": draw_granularity(groups),
    }
    for name, figure in figures.items():
        for kind in KINDS:
            files[f"{name}.{kind}"] = render(figure, kind) if figure is not None else None
    for name, data in files.items():
        if data is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomically(folder / name, data)
    return [folder / name for name, data in files.items() if data is not None]
