"""The figure of a profile: every curve of one model over one log2 lag axis, and beside each what is read off it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from leaderboard.reports import profile_panels as draw
from leaderboard.reports.plots import COLOURS, GREY, MARKERS, STYLE, log2_ticks
from leaderboard.reports.profile import PANELS, Line
from leaderboard.reports.profile_panels import Look
from leaderboard.reports.profile_table import Row, facts_of, gaps_of, heading, notes_of, rows_of, units_of

# inches
LEFT, WIDE, GAP, TABLE = 0.62, 5.3, 0.32, 5.0
HEIGHT = {"recall": 1.35, "context": 1.2, "gain": 1.35, "influence": 1.45, "gradient": 1.45, "gates": 0.95}
BETWEEN, ROW, HEAD, TOP, LABEL = 0.34, 0.165, 0.2, 0.55, 0.16
VALUE, TOKENS = 1.95, 3.45  # where the columns of the table begin
SIZE = 7.5
LEGEND = (
    "Grey area: beyond the greatest T. Ticks and bars: spans and their 95% intervals; bands: 95% limits (of L and G at "
    "all contexts at once). Thin lines through points: guides, from which no number is read, and of J the shape that "
    "fits better. ▽: nothing, or less than is shown."
)


@dataclass(frozen=True)
class Mark:
    """A vertical line through all panels: T, or a structural bound."""

    at: float
    name: str
    dash: str | tuple[int, tuple[float, ...]]


def draw_profile(lines: Sequence[Line]) -> Figure:
    """A panel for each curve, T and the structural bounds through all of them, and the table at their right."""
    with matplotlib.rc_context(STYLE):
        rows, marks, limits = rows_of(lines), marks_of(lines), limits_of(lines)
        shown = {panel: [line for line in lines if line.has(panel)] for panel in PANELS}
        heights = {panel: max(HEIGHT[panel], _table_height(rows, panel)) for panel in PANELS if shown[panel]}
        below = [(f"{PANELS[panel].partition(':')[0]}: {why}", GREY) for panel, why in gaps_of(lines).items()]
        below += [(part, "0.3") for note in [LEGEND, *notes_of(lines, rows)] for part in textwrap.wrap(note, 195)]
        strip = LABEL * (1 + max([row for *_, row in placed(marks, *limits)], default=0))
        total = TOP + strip + sum(heights.values()) + BETWEEN * (len(heights) + 1) + LABEL * (len(below) + 1)
        figure = Figure(figsize=(LEFT + WIDE + GAP + TABLE, total))
        _title(figure, lines)
        looks = {line.name: {"color": COLOURS[i % 7], "marker": MARKERS[i % 10]} for i, line in enumerate(lines)}
        y = total - TOP - strip
        _strip(_axes(figure, y, strip), lines, marks)
        y -= LABEL  # the first panel's title
        for panel, height in heights.items():
            ax = _axes(figure, y - height, height)
            _panel(ax, panel, shown[panel], looks, limits)
            _marks(ax, marks)
            _table(figure, y, [row for row in rows if row.panel == panel], looks)
            y -= height + BETWEEN
        _foot(figure.axes[-1], lines)
        for i, (text, colour) in enumerate(reversed(below)):
            _text(figure, LEFT, 0.1 + LABEL * i, text, color=colour)
    return figure


def marks_of(lines: Sequence[Line]) -> list[Mark]:
    """T and the structural bound of every line, those that agree together."""
    found: list[Mark] = []
    for name, dash, at in (
        ("T", "--", [line.group.measure.horizon * line.scale for line in lines]),
        ("bound", (0, (4, 1.5, 1, 1.5)), [line.bound for line in lines]),
    ):
        values = sorted({value for value in at if value is not None})
        for value in values:
            whose = [line.name for line, own in zip(lines, at, strict=True) if own == value]
            said = f" ({', '.join(whose)})" if len(values) > 1 else ""
            found.append(Mark(value, f"{name} {value:.0f}{said}", dash))
    return sorted(found, key=lambda mark: mark.at)


def limits_of(lines: Sequence[Line]) -> tuple[float, float]:
    """The ends of the lag axis: all that was measured, and T; a bound far beyond does not stretch it."""
    lags: list[float] = []
    for line in lines:
        found = [line.group.measure.horizon]
        found += [point.lag for record in line.records for point in record.curve]
        found += [] if line.context is None else line.context.contexts
        found += [] if line.influence is None else line.influence.lags.tolist()
        found += [] if line.gradient is None else line.gradient.lags_in_unit.tolist()
        lags += [lag * line.scale for lag in found if lag > 0]
    return min(lags) / 1.15, max(lags) * 1.15


def placed(marks: Sequence[Mark], low: float, high: float) -> list[tuple[Mark, bool, int]]:
    """Each mark in sight, whether its label stands at its left, and in which row, so that no two labels overlap."""
    found, starts = [], list[float]()
    for mark in reversed([each for each in marks if low < each.at < high]):  # from the right: no line crosses a label
        at, length = WIDE * np.log(mark.at / low) / np.log(high / low), 0.1 + 0.062 * len(mark.name)
        left = bool(at + length > WIDE)
        start, end = (at - length, at) if left else (at, at + length)
        row = next((i for i, taken in enumerate(starts) if end < taken), len(starts))
        starts[row:] = [start, *starts[row + 1 :]]
        found.append((mark, left, row))
    return found


def _title(figure: Figure, lines: Sequence[Line]) -> None:
    top = figure.get_figheight()
    _text(figure, LEFT, top - 0.17, heading(lines), fontsize=12, fontweight="bold")
    _text(figure, LEFT + WIDE + GAP, top - 0.18, facts_of(lines), color="0.3", fontsize=8)
    unit, tokens = units_of(lines)
    for column, name in ((VALUE, unit), (TOKENS, tokens or "")):
        _text(figure, LEFT + WIDE + GAP + column, top - TOP + 0.1, name, fontweight="bold", fontsize=8)


def _text(figure: Figure, x: float, y: float, text: str, **how: object) -> None:
    """Text at a place in inches."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, **({"va": "center", "fontsize": SIZE} | how))  # pyright: ignore


def _axes(figure: Figure, y: float, height: float) -> Axes:
    """Axes at the left, its lower edge y inches above the bottom."""
    width, total = figure.get_size_inches()
    return figure.add_axes((LEFT / width, y / total, WIDE / width, height / total))


def _strip(ax: Axes, lines: Sequence[Line], marks: Sequence[Mark]) -> None:
    """Above the panels: the axis in tokens, and the names of the vertical lines."""
    low, high = limits_of(lines)
    ax.set_xscale("log", base=2)
    ax.set(xlim=(low, high), ylim=(0, ax.get_position().height), yticks=[])
    ax.xaxis.set_major_locator(NullLocator())
    ax.spines[:].set_visible(False)
    ax.set_gid("marks")
    _, tall = ax.get_figure().get_size_inches()  # pyright: ignore
    for mark, left, row in placed(marks, low, high):
        y = (LABEL * row + 0.06) / tall
        ax.plot([mark.at, mark.at], [0, y + 0.05 / tall], color=GREY, linewidth=0.9, linestyle=mark.dash)
        aside = {"xytext": (-3 if left else 3, 0), "textcoords": "offset points", "ha": "right" if left else "left"}
        ax.annotate(mark.name, (mark.at, y), va="center", color="0.3", fontsize=SIZE, **aside)
    kappa = lines[0].group.bytes_per_token
    if kappa is not None and kappa != 1:
        tokens = ax.twiny()
        tokens.set_xscale("log", base=2)
        tokens.set_xlim(low / kappa, high / kappa)
        log2_ticks(tokens.xaxis, low / kappa, high / kappa, 12)
        tokens.spines[["left", "right", "bottom"]].set_visible(False)
        tokens.spines["top"].set_visible(True)
        tokens.tick_params(labelsize=SIZE, pad=1, length=3)
        tokens.annotate("tokens", (0, 1), (-4, 3), xycoords="axes fraction", textcoords="offset points", ha="right",
                        fontsize=8)  # fmt: skip


def _panel(ax: Axes, panel: str, lines: Sequence[Line], looks: dict[str, Look], limits: tuple[float, float]) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xlim(*limits)
    ax.set_title(PANELS[panel], loc="left", fontsize=8.5, pad=3)
    log2_ticks(ax.xaxis, *limits, 12)
    ax.tick_params(labelsize=SIZE, labelbottom=False, length=3)
    ax.set_gid(panel)
    if panel in draw.FLOOR:
        ax.set_yscale("log")
        floor = draw.floor_of(panel, lines)
        for line in lines:
            getattr(draw, panel)(ax, line, looks[line.name], floor)
        ax.set_ylim(bottom=floor / 1.3)
        return
    for line in reversed(lines):  # the first on top
        getattr(draw, panel)(ax, line, looks[line.name])
    if panel == "recall":
        draw.recall_axis(ax)
    if panel == "gain":
        draw.gain_axis(ax)


def _marks(ax: Axes, marks: Sequence[Mark]) -> None:
    """T and the bounds; what lies beyond the greatest T is extrapolation, and shaded."""
    low, high = ax.get_xlim()
    for mark in marks:
        if low < mark.at < high:
            ax.axvline(mark.at, color=GREY, linewidth=0.9, linestyle=mark.dash, zorder=1)
    horizon = max(mark.at for mark in marks if mark.name.startswith("T"))
    ax.axvspan(horizon, high, color="0.95", linewidth=0, zorder=0)


def _foot(ax: Axes, lines: Sequence[Line]) -> None:
    unit, tokens = units_of(lines)
    same = tokens and lines[0].group.bytes_per_token == 1
    ax.tick_params(labelbottom=True)
    ax.set_xlabel(f"lag ℓ, or context c, in {unit}{' (a token is a byte)' if same else ''}", fontsize=8)


def _blocks(rows: Sequence[Row]) -> list[tuple[Line, list[Row]]]:
    """The rows of one panel, line by line."""
    named = dict.fromkeys(row.line.name for row in rows)
    return [((own := [row for row in rows if row.line.name == name])[0].line, own) for name in named]


def _wrapped(row: Row) -> list[str]:
    return textwrap.wrap(row.value, 22 if row.tokens else 52) or [""]


def _table_height(rows: Sequence[Row], panel: str) -> float:
    own = [row for row in rows if row.panel == panel]
    return sum(HEAD + ROW * sum(len(_wrapped(row)) for row in block) for _, block in _blocks(own))


def _table(figure: Figure, top: float, rows: Sequence[Row], looks: dict[str, Look]) -> None:
    """The rows of one panel, their upper edge `top` inches above the bottom."""
    width, height = figure.get_size_inches()
    x, y = LEFT + WIDE + GAP, top

    def handle(y: float, look: Look) -> None:
        three = [each / width for each in (x, x + 0.1, x + 0.2)]
        figure.add_artist(Line2D(three, [y / height] * 3, linewidth=1.2, markevery=[1], **look))

    for line, block in _blocks(rows):
        y -= HEAD / 2
        handle(y, {"markersize": 5, **looks[line.name]})
        _text(figure, x + 0.3, y, line.name, fontweight="bold")
        _text(figure, x + VALUE, y, line.basis(block[0].panel), color="0.35")
        y -= HEAD / 2
        for row in block:
            if row.mark:
                handle(y - ROW / 2, {"markersize": 4, **draw.marked(row.mark, looks[line.name])})
            _text(figure, x + 0.3, y - ROW / 2, row.what)
            if row.tokens is not None:
                _text(figure, x + TOKENS, y - ROW / 2, row.tokens)
            for part in _wrapped(row):
                y -= ROW
                _text(figure, x + VALUE, y + ROW / 2, part)
