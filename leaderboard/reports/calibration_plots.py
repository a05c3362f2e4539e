"""The calibration drawn: dots are measured, lines are the closed forms."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboard.calibration import Calibration, Name, Trace
from leaderboard.protocol import COVERS
from leaderboard.reports.plots import COLOURS, GREY, MARKERS, STYLE, legend, log2_ticks, panels

FLOOR = 1e-7  # where nothing at all is drawn on a log axis

# of each measure: the axes' names, whether y is logarithmic
AXES: dict[Name, tuple[str, str, bool]] = {
    "recall": ("lag (steps)", "recall s", False),
    "context": ("context c (bytes)", "L(c), bits per byte", False),
    "influence": ("lag", "I(lag), share of the first", True),
    "gradient": ("lag", "J(lag), share of the first", True),
    "joint": ("bytes per token", "span (bytes)", True),
}
CAPTIONS: dict[Name, str] = {
    "recall": "Oracles that see so far: recall by lag. Lines: the window.",
    "context": "Predictors that know their source: bits per byte after each context. Lines: log2 V until the source is "
    "in sight, then the entropy rate.",
    "influence": "Left: linear recurrences, and ρ^(lag − 1). Right: models of a bounded receptive field, which ends at "
    "the dashed line of their colour; at the lower edge there is nothing at all.",
    "gradient": "Gradients of linear recurrences and power-law kernels. Lines: ρ^lag and lag^−α.",
    "joint": "Windows through planted text at four granularities. Lines: as many tokens, and as much text.",
}


def draw(calibration: Calibration) -> dict[str, Figure]:
    """A figure for each measure that has curves, by its name, and one of the coverages."""
    figures: dict[str, Figure] = {}
    with matplotlib.rc_context(STYLE):
        for measure in AXES:
            traces = [trace for trace in calibration.traces if trace.measure == measure]
            if traces:
                figures[measure] = _curves(measure, traces)
        figure = _coverage(calibration)
        if figure is not None:
            figures["coverage"] = figure
    return figures


def _curves(measure: Name, traces: Sequence[Trace]) -> Figure:
    """One panel, or two where some curves have a closed form only beyond a bound."""
    whole = [trace for trace in traces if None not in trace.expected]
    bounded = [trace for trace in traces if None in trace.expected]
    kinds: list[tuple[Callable[..., None], list[Trace]]] = [(_whole, whole), (_bounded, bounded)]
    drawn = [(paint, some) for paint, some in kinds if some]
    figure, axes = panels(len(drawn), width=4.2, height=3.2)
    for ax, (paint, some) in zip(axes, drawn, strict=True):
        for number, trace in enumerate(some):
            look: Any = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
            paint(ax, trace, look["color"])
            look["label"] = trace.system
            ax.plot(trace.x, np.maximum(trace.found, FLOOR) if AXES[measure][2] else trace.found, linestyle="none",
                    markersize=4, markeredgecolor="white", markeredgewidth=0.3, clip_on=False, **look)  # fmt: skip
        _dress(ax, measure, [x for trace in some for x in trace.x])
        if len(drawn) > 1:
            ax.legend(loc="lower left", fontsize=7, handlelength=1)
    if len(drawn) == 1:
        legend(figure, [line for line in axes[0].lines if line.get_marker() != "None"], beside=True)
    return figure


def _whole(ax: Axes, trace: Trace, colour: str) -> None:
    ax.plot(trace.x, np.array(trace.expected, dtype=float), color=colour, linewidth=1.0, alpha=0.7, zorder=1)


def _bounded(ax: Axes, trace: Trace, colour: str) -> None:
    """A line where the closed form begins to be nothing."""
    last = max(x for x, value in zip(trace.x, trace.expected, strict=True) if value is None)
    ax.axvline(last, color=colour, linewidth=0.9, linestyle="--", zorder=1)


def _dress(ax: Axes, measure: Name, x: Sequence[float]) -> None:
    across, up, log = AXES[measure]
    ax.set(xlabel=across, ylabel=up)
    ax.set_xscale("log", base=2)
    if log:
        ax.set_yscale("log", base=2 if measure == "joint" else 10)
        ax.set_ylim(bottom=None if measure == "joint" else FLOOR)
    log2_ticks(ax.xaxis, min(x), max(x))
    if measure == "joint":
        log2_ticks(ax.yaxis, *ax.get_ylim())


def _coverage(calibration: Calibration) -> Figure | None:
    """A dot for each coverage that was simulated; None without any."""
    found = [check for check in calibration.checks if check.what.startswith("coverage") and check.value is not None]
    if not found:
        return None
    figure = Figure(figsize=(7.5, 0.6 + 0.22 * len(found)), layout="constrained")
    ax = figure.subplots()
    places = np.arange(len(found))[::-1]
    colours = [COLOURS[0] if check.passed else COLOURS[1] for check in found]
    ax.scatter([check.value or 0.0 for check in found], places, c=colours, s=22, zorder=2)
    ax.axvline(COVERS, color=GREY, linewidth=0.9, linestyle="--", zorder=1)
    ax.set_yticks(places, [f"{check.measure}: {check.system}" for check in found], fontsize=7.5)
    ax.set_xlim(min(0.88, *(check.value or 0.0 for check in found)) - 0.01, 1.005)
    ax.set_xlabel("share of intervals that hold the truth")
    return figure
