"""Recall against lag, and what all figures share: colours, axes, legend, and files that are the same every time."""

import io
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from leaderboard.groups import Group
from leaderboard.record import Record
from leaderboard.reports.bounds import drawn
from leaderboard.reports.tables import by_measure, recalled
from leaderboard.statistics.curves import finished, in_common, seed_curve

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"]  # Okabe and Ito, less yellow
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "h"]
GREY = "0.45"
LOWEST = -0.08  # of s in a figure: what lies below is drawn there
KINDS: tuple[Literal["png"], Literal["svg"]] = ("png", "svg")
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "0.25",
    "lines.linewidth": 1.5,
    "lines.markersize": 6,
    "legend.frameon": False,
    "svg.hashsalt": "spanbench",
}


def looks(models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A colour and a marker for each model, by its place among the sorted names."""
    return {
        model: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        for i, model in enumerate(sorted(set(models)))
    }


def render(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """The figure as the bytes of a file, without a date in it. It is laid out the first time, for all kinds."""
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(file, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return file.getvalue()


def in_a_row(count: int) -> int:
    """How many of `count` panels stand beside each other."""
    return 2 if count == 4 else min(count, 3)


def leftmost(axes: Sequence[Axes]) -> Sequence[Axes]:
    """The first of every row."""
    return axes[:: in_a_row(len(axes))]


def panels(count: int, width: float = 3.4, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """A figure of `count` equal axes, at most three in a row, with room for a legend below."""
    columns = in_a_row(count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(width * columns, 4.4), height * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def legend(figure: Figure, handles: Sequence[Line2D], beside: bool = False) -> None:
    """One legend for all panels, outside the axes: below them, or beside a single one."""
    if beside:
        figure.set_figwidth(figure.get_figwidth() + 2.2)
        figure.legend(handles=handles, loc="outside right center", handlelength=2.2)
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / max(1.55, 0.6 + 0.07 * longest))))  # inches a label
    further_lines = (len(handles) - 1) // columns
    figure.set_figheight(figure.get_figheight() + 0.2 * further_lines)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.2, columnspacing=1.4)


def plain(value: float, _: object = None) -> str:
    """A tick as a plain integer; 3.2 stays 3.2."""
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def log2_ticks(axis: Any, low: float, high: float, most: int = 8) -> None:
    """Powers of two as plain integers, `most` of them at most, between `low` and `high`."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / most))
    axis.set_major_locator(FixedLocator([2.0**k for k in range(first, last + 1, stride)]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(plain))


def draw_recall(groups: Sequence[Group]) -> Figure | None:
    """s against lag: a panel for each measure, a line for each model (mean over seeds), a thin one for each seed.

    No more than can be read: see `drawn`. None where no recall was asked for.
    """
    shown = drawn({measure.label: members for measure, members in by_measure(recalled(groups)).items()})
    if not shown:
        return None
    with matplotlib.rc_context(STYLE):
        groups = [g for members in shown.values() for g in members]
        look = looks(g.model for g in groups)
        figure, axes = panels(len(shown))
        for ax, (title, members) in zip(axes, shown.items(), strict=True):
            for member in members:
                _curves(ax, member.records, look[member.model])
                _bound(ax, member, look[member.model]["color"])
            ax.set_title(title, loc="left")
            _recall_axes(ax, members[0].measure.horizon, [r for g in members for r in finished(g.records)])
            ax.set_xlabel(_axis(next((g.span.unit for g in members if g.span.n_seeds), members[0].span.unit)))
        for ax in leftmost(axes):
            ax.set_ylabel("recall s")
        handles = [Line2D([], [], label=model, **how) for model, how in look.items()]
        if any(g.span.receptive_field is not None for g in groups):
            handles.append(Line2D([], [], color=GREY, marker="|", linestyle="none", label="receptive field"))
        legend(figure, handles)
    return figure


def _axis(unit: str) -> str:
    return "length (steps)" if unit == "none" else f"lag ({unit})"


def draw_curve(records: Sequence[Record]) -> Figure:
    """One cell's recall curve: s against lag, a thin line for each finished seed and their mean."""
    with matplotlib.rc_context(STYLE):
        cell = records[0].cell
        figure, [ax] = panels(1)
        _curves(ax, records, looks([cell.model.name])[cell.model.name])
        tokenizer = f"@{cell.tokenizer.name}" if cell.tokenizer else ""
        ax.set_title(f"{cell.model.name}, {cell.regime} {cell.task.name}{tokenizer}", loc="left")
        _recall_axes(ax, cell.horizon, finished(records))
        unit = next((r.facts.lag_unit for r in records if r.facts), "steps")
        ax.set(xlabel=_axis(unit), ylabel="recall s")
    return figure


def _curves(ax: Axes, records: Sequence[Record], how: dict[str, Any]) -> None:
    """The mean over the lags that every seed was tested at, and each seed as far as it went."""
    seeds = finished(records)
    curves = [seed_curve(record) for record in seeds]
    if len(curves) > 1:
        lines = [np.column_stack([lags, np.maximum(own, LOWEST)]) for lags, own in curves]
        ax.add_collection(LineCollection(lines, colors=how["color"], linewidths=0.6, alpha=0.35, zorder=2))
    if curves:
        lags, s = in_common(curves)
        ax.plot(
            lags,
            np.maximum(s.mean(axis=0), LOWEST),
            markeredgecolor="white",
            markeredgewidth=0.4,
            zorder=3,
            clip_on=False,
            **how,
        )


def _bound(ax: Axes, group: Group, colour: str) -> None:
    """A tick on the upper edge where a model's receptive field ends."""
    field = group.span.receptive_field
    if field is not None and group.span.n_seeds:
        at = field * (group.bytes_per_token or 1.0)
        ax.plot([at, at], [1.06, 1.0], color=colour, linewidth=1.2, zorder=1, gid="bound")


def _recall_axes(ax: Axes, horizon: int, seeds: Sequence[Record]) -> None:
    """Chance at 0, T as a line with what lies beyond it shaded, powers of two below."""
    lags = np.array([lag for r in seeds for lag in seed_curve(r)[0]] or [1, horizon])
    low, high = lags.min(), max(lags.max(), horizon)
    ax.set_xscale("log", base=2)
    ax.set_xlim(low / 1.15, high * 1.15)
    ax.set_ylim(LOWEST, 1.06)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    log2_ticks(ax.xaxis, low, high)
    ax.axhline(0, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
    ax.text(low / 1.1, 0.012, "chance", color=GREY, fontsize=7, va="bottom")
    if high > horizon:
        ax.axvspan(horizon, high * 1.15, color="0.94", linewidth=0, zorder=0)
        ax.axvline(horizon, color=GREY, linewidth=0.8, linestyle="--", zorder=1)
        ax.annotate("T", (horizon, 1.06), (2, -1), textcoords="offset points", color=GREY, fontsize=8, va="top")
