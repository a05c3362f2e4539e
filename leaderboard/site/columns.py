"""The columns of a board's table: what a cell shows, and by which number it sorts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Told = dict[str, Any]
BEYOND = 1 + 1e-9  # a span beyond the grid sorts after one that reaches its end


@dataclass(frozen=True)
class Column:
    """One column. `group` stands over several; `granularity` hides it where another one is looked at."""

    key: str
    label: str
    group: str = ""
    granularity: str = ""
    descending: bool = False  # which way it sorts first


@dataclass(frozen=True)
class Shown:
    """One table cell: `lead`, with `more` below it; `order` is the number it sorts by, "" where there is none."""

    lead: str
    more: str = ""
    order: float | str = ""


@dataclass(frozen=True)
class Line:
    """One row of a table: its standing, and what each column but rank, model and score shows."""

    row: Told
    shown: list[Shown]
    bar: tuple[float, float, float] | None  # low, score and high in percent of the bar


@dataclass(frozen=True)
class Table:
    """One board: `columns` after rank, model and score; ranked lines, and the others."""

    board: Told
    columns: list[Column]
    lines: list[Line]
    unranked: list[Told]
    unit: float  # where a score of 1 lies on the bar, in percent

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        """Runs of columns under one heading; a column without one stands alone."""
        runs = groupby(self.columns, key=lambda column: column.group or column.key)
        return [(found[0].group, found) for _, each in runs if (found := list(each))]


def table_of(board: Told) -> Table:
    """A board of the standings as its table."""
    ranked = [row for row in board["rows"] if row["rank"] is not None]
    top = max([1.0, *(row["high"] for row in ranked if row["high"] is not None)])
    lines = [Line(row, _shown(board, row), _bar(row, top)) for row in ranked]
    unranked = [row for row in board["rows"] if row["rank"] is None]
    return Table(board, _columns(board), lines, unranked, round(100 / top, 2))


def _bar(row: Told, top: float) -> tuple[float, float, float] | None:
    if row["score"] is None:
        return None
    ends = (row["low"], row["score"], row["high"])
    low, score, high = (row["score"] if end is None else end for end in ends)
    return tuple(round(100 * min(1.0, max(0.0, each / top)), 2) for each in (low, score, high))  # pyright: ignore


def _columns(board: Told) -> list[Column]:
    bits = [cell for cell in board["cells"] if cell["score"] == "bits per byte"]
    found = [Column(f"bits-{cell['key']}", _below(cell), "Bits per byte", cell["tokenizer"] or "") for cell in bits]
    for cell in board["cells"]:
        group = f"{cell['span'].capitalize()} span, {cell['unit']}" if cell["unit"] != "none" else "Score by length"
        found.append(Column(cell["key"], _below(cell), group, cell["tokenizer"] or "", descending=True))
    gammas = board["rows"][0]["gammas"] if board["rows"] else {}
    found += [Column(f"gamma-{name}", name, "γ") for name in gammas]
    return [
        *found,
        Column("trainings", "trainings"),
        Column("parameters", "parameters"),
        Column("flops", f"FLOPs per {board['per']}"),
        Column("time", "time"),
        Column("tier", "checked"),
        Column("date", "date", descending=True),
    ]


def _below(cell: Told) -> str:
    """A column's own label: the tokenizer or, without one, the task."""
    return cell["tokenizer"] or cell["task"].replace("_", " ")


def _shown(board: Told, row: Told) -> list[Shown]:
    cells, text = row["cells"], row["text"]
    asked = zip(board["cells"], cells, strict=True)
    bits = [cell for told, cell in asked if told["score"] == "bits per byte"]
    spans = [two_lines(cell["span"]["text"], span_order(cell["span"])) for cell in cells]
    gammas = [two_lines(gamma["text"], gamma_order(gamma)) for gamma in row["gammas"].values()]
    return [
        *(two_lines(cell["text"]["raw"], "" if cell["raw"] is None else cell["raw"]) for cell in bits),
        *spans,
        *gammas,
        two_lines(text["seeds"], row["seeds"]["finished"]),
        Shown(text["n_params"], order=row["n_params"]),
        Shown(text["flops_per_byte"], order="" if row["flops_per_byte"] is None else row["flops_per_byte"]),
        Shown(text["seconds"], order=row["seconds"]),
        Shown(row["tier"], order=TIERS.index(row["tier"])),
        Shown(row["date"], order=int(row["date"].replace("-", ""))),
    ]


TIERS: Sequence[str] = ("rerun", "rescored", "self-reported", "disputed", "withdrawn")


def two_lines(text: str, order: float | str = "") -> Shown:
    """`57 [22, > 128]` with its interval, and what else is said, below it; `[91, ∞)` is not taken apart.

    >>> two_lines("57 [22, > 128]*"), two_lines("[91, ∞) (1 seed)").more
    (Shown(lead='57', more='[22, > 128]*', order=''), '(1 seed)')
    """
    for mark in (" [", " (", "; ", ", "):
        lead, found, more = text.partition(mark)
        if found and lead.count("[") == lead.count("]") + lead.count(")"):
            return Shown(lead, (mark.strip(";, ") + more).strip(), order)
    return Shown(text, order=order)


def span_order(span: Told) -> float | str:
    """A span that is only bounded sorts at its bound; one not learned before all others."""
    if span["value"] is None:
        return 0.0 if span["censor"] == "not learned" else ""
    return span["value"] * (BEYOND if span["censor"] == "above" else 1.0)


def gamma_order(gamma: Told) -> float | str:
    """A γ that is only bounded sorts at the bound."""
    found = (gamma[key] for key in ("value", "low", "high"))
    return next((each for each in found if each is not None), "")
