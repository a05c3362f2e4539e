"""The report: every table and figure, from records alone."""

from pathlib import Path

from leaderboard.granularity import draw_granularity
from leaderboard.groups import group
from leaderboard.plots import draw_recall, render
from leaderboard.record import Record, write_atomically
from leaderboard.sheets import costs_csv, long_csv
from leaderboard.tables import markdown


def write_report(records: list[Record], folder: Path, title: str) -> list[Path]:
    """Write table.md, table.csv, costs.csv, recall.* where lags were tested and, with two granularities, granularity.*.

    Returns the paths written. A plot of an earlier report that no longer applies is removed. Raises ValueError without
    records.
    """
    if not records:
        raise ValueError("no records to report on")
    groups = group(records)
    files = {
        "table.md": markdown(groups, title).encode(),
        "table.csv": long_csv(groups).encode(),
        "costs.csv": costs_csv(groups).encode(),
    }
    figures = {"recall": draw_recall(groups), "granularity": draw_granularity(groups)}
    for name, figure in figures.items():
        for kind in ("png", "svg"):
            if figure is not None:
                files[f"{name}.{kind}"] = render(figure, kind)
            else:
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
    for name, data in files.items():
        write_atomically(folder / name, data)
    return [folder / name for name in files]
