"""The comparison of granularities: every table, figure and page of it, from records alone."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group as Together
from rich.table import Table
from rich.text import Text

from leaderboard.calibration import Calibration, blocked
from leaderboard.comparison.cautions import cautions
from leaderboard.comparison.compared import Arm, Comparison, compared
from leaderboard.comparison.comparison_page import page
from leaderboard.comparison.comparison_plots import draw_comparison
from leaderboard.comparison.comparison_tables import Sheet, comparison_csv, effects_csv, sheets
from leaderboard.comparison.findings import findings, open_questions
from leaderboard.record import Record, write_atomically
from leaderboard.reports.plots import render
from leaderboard.reports.sheets import costs_csv
from leaderboard.reports.tables import BITS, MARKS, escaped, pipes


def write_comparison(
    records: list[Record], folder: Path, title: str, arm: Arm, calibration: Calibration | None = None
) -> list[Path]:
    """Write index.html, comparison.md, comparison.csv, effects.csv, costs.csv and comparison.png and .svg.

    The order of records changes nothing; times are in costs.csv alone. effects.csv (γ and shares) and the figure are
    missing where there is nothing to put into them. Measures that failed their calibration are left out. Returns the
    paths written. Raises ValueError for records that do not compare (see `compared`).
    """
    found = compared(records, arm, blocked(calibration) if calibration else None)
    figure, effects = draw_comparison(found), effects_csv(found)
    images = {f"comparison.{kind}": render(figure, kind) for kind in ("png", "svg")} if figure else {}
    files = {
        "index.html": page(found, title, images.get("comparison.svg")).encode(),
        "comparison.md": comparison_markdown(found, title).encode(),
        "comparison.csv": comparison_csv(found).encode(),
        "effects.csv": effects.encode() if effects else None,
        "costs.csv": costs_csv(list(found.groups.values())).encode(),
        "comparison.png": images.get("comparison.png"),
        "comparison.svg": images.get("comparison.svg"),
    }
    for name, data in files.items():
        if data is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier report
        else:
            write_atomically(folder / name, data)
    return [folder / name for name, data in files.items() if data is not None]


def comparison_terminal(records: list[Record], arm: Arm, calibration: Calibration | None = None) -> Together:
    """Tables, findings, open questions and warnings for a terminal."""
    found = compared(records, arm, blocked(calibration) if calibration else None)
    parts = [part for sheet in sheets(found) for part in (_table(sheet), Text())]
    return Together(*parts, *(Text(line) for line in _sentences(found, bullet="  ")))


def comparison_markdown(found: Comparison, title: str) -> str:
    """The same as Markdown."""
    parts = [f"# {escaped(title)}", f"Context fixed in {found.arm}.", *(_markdown(found))]
    for sheet in sheets(found):
        parts += [
            f"## {sheet.title}",
            pipes(sheet.header, sheet.rows, names=1 + ("tokenizer" in sheet.header)),
            sheet.note,
        ]
    return "\n\n".join([*parts, "## Marks", *[MARKS] * bool(found.regimes), *[BITS] * bool(found.bits)]) + "\n"


def _markdown(found: Comparison) -> list[str]:
    blocks = []
    for head, sentences in _told(found).items():
        blocks += [f"## {head}", "\n".join(f"- {escaped(sentence)}" for sentence in sentences)] if sentences else []
    return blocks


def _told(found: Comparison) -> dict[str, list[str]]:
    return {
        "What was found": findings(found),
        "What cannot be concluded": open_questions(found),
        "Warnings": cautions(found),
    }


def _sentences(found: Comparison, bullet: str) -> list[str]:
    told = {head: sentences for head, sentences in _told(found).items() if sentences}
    return [line for head, sentences in told.items() for line in (f"{head}:", *(bullet + s for s in sentences))]


def _table(sheet: Sheet) -> Table:
    table = Table(title=Text(sheet.title), title_justify="left")
    for i, name in enumerate(sheet.header):
        words: Sequence[str] = name.split(" ")
        table.add_column(Text("\n".join(words)), justify="left" if i == 0 else "right", overflow="fold")
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table
