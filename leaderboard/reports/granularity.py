"""The headline plot: the span in bytes against bytes per token, a line for each model."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from leaderboard.groups import Group
from leaderboard.reports.bounds import LINES, drawn
from leaderboard.reports.plots import GREY, STYLE, leftmost, legend, log2_ticks, looks, panels

JITTER = 0.012  # of the log κ axis' width, between neighbouring models
SAME = 0.05  # of the width: granularities closer than this share a tick
TIGHT = 0.22  # of the width: labels closer than this take two rows in turn
GUIDES = [("as much text (slope 0)", 0, (0, (1, 2))), ("as many tokens (slope 1)", 1, (0, (5, 3)))]


def text_panels(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups on text, by what they measure, where there are two granularities or more."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        if group.bytes_per_token is not None and group.has_span and group.span.unit == "bytes":
            found.setdefault(group.measure.panel, []).append(group)
    return {panel: members for panel, members in found.items() if len({g.bytes_per_token for g in members}) > 1}


def draw_granularity(groups: Sequence[Group]) -> Figure | None:
    """log span in bytes against log κ, a panel for each text measure; None without two granularities."""
    found = drawn(text_panels(groups))
    if not found:
        return None
    everyone, shown = {g.model for g in groups}, [g for members in found.values() for g in members]
    with matplotlib.rc_context(STYLE):
        look = looks(everyone if len(everyone) <= LINES else {g.model for g in shown})
        figure, axes = panels(len(found), height=3.1, width=3.7)
        for ax, (panel, members) in zip(axes, found.items(), strict=True):
            span_panel(ax, panel, members, look)
        for ax in leftmost(axes):
            ax.set_ylabel("span (bytes)")
        handles = [Line2D([], [], label=model, **look[model]) for model in sorted({g.model for g in shown})]
        legend(figure, [*handles, *guides(shown)], beside=len(found) == 1)
    return figure


def guides(groups: Sequence[Group]) -> list[Line2D]:
    """Legend entries of everything but the models."""
    handles = [Line2D([], [], color="0.6", linewidth=0.9, linestyle=dash, label=name) for name, _, dash in GUIDES]
    if any(g.span.receptive_field is not None for g in groups):
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=":", label="receptive field"))
    if any(g.span.censor == "not learned" for g in groups):
        handles.append(Line2D([], [], color=GREY, marker="x", linestyle="none", label="not learned"))
    return handles


def span_panel(ax: Axes, title: str, members: Sequence[Group], look: Mapping[str, dict[str, Any]]) -> None:
    """One measure: a line for each model, the guides, T and structural bounds."""
    kappa_axis(ax, title, members)
    _axes(ax, members)
    models = sorted({g.model for g in members})
    for i, model in enumerate(models):
        line = sorted((g for g in members if g.model == model), key=lambda g: g.bytes_per_token or 0)
        _line(ax, line, look[model], nudge(ax, i, len(models)))


def nudge(ax: Axes, place: int, count: int) -> float:
    """The factor that moves one of `count` models aside on the log κ axis."""
    low, high = ax.get_xlim()
    return (high / low) ** (JITTER * (place - (count - 1) / 2))


def kappa_axis(ax: Axes, title: str, members: Sequence[Group]) -> None:
    """The log κ axis: a tick for each granularity, labels that do not collide."""
    named = sorted({(g.bytes_per_token or 1.0, g.measure.tokenizer) for g in members})
    left, right = named[0][0], named[-1][0]
    pad = max((right / left) ** 0.12, 1.02)
    ax.set_xscale("log")
    ax.set_xlim(left / pad, right * pad)
    width = np.log(right / left) + 2 * np.log(pad)
    ticks: list[list[tuple[float, str]]] = []
    for kappa, name in named:
        if ticks and np.log(kappa / ticks[-1][0][0]) < SAME * width:
            ticks[-1].append((kappa, name))
        else:
            ticks.append([(kappa, name)])
    at = [float(np.exp(np.mean([np.log(kappa) for kappa, _ in tick]))) for tick in ticks]
    labels, lowered = [], False
    for i, tick in enumerate(ticks):
        lowered = i > 0 and not lowered and bool(np.log(at[i] / at[i - 1]) < TIGHT * width)
        ends = dict.fromkeys(f"{kappa:.2f}" for kappa in (tick[0][0], tick[-1][0]))
        names = [name if len(name) <= 16 else f"{name[:15]}…" for _, name in tick]
        labels.append("\n" * (2 * lowered) + "\n".join(["–".join(ends), *names]))
    ax.xaxis.set_major_locator(FixedLocator(at))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(at, labels)
    ax.set_title(title, loc="left")
    ax.set_xlabel("bytes per token")


def _axes(ax: Axes, members: Sequence[Group]) -> None:
    """The span axis, the grid's first and last lag in view, T and the guides in grey."""
    left, right = ax.get_xlim()
    first, last = min(g.span.first_lag for g in members), max(g.span.last_lag for g in members)
    horizons = sorted({(g.bytes_per_token or 1.0, g.measure.horizon) for g in members})
    highest = max(last, *(horizon for _, horizon in horizons))
    ax.set_yscale("log", base=2)
    ax.set_ylim(first / 2.4, highest * 2.4)
    log2_ticks(ax.yaxis, first, highest)
    at, t = [left, *(k for k, _ in horizons), right], [h for _, h in horizons]
    ax.plot(at, [t[0], *t, t[-1]], color=GREY, linewidth=0.8, linestyle="--", zorder=1)  # T, in bytes
    ax.annotate(
        "T", (1, t[-1]), (-2, 1), ("axes fraction", "data"), "offset points", color=GREY, fontsize=8, ha="right"
    )
    values = [g.span.value for g in members if g.span.value is not None] or [np.sqrt(first * last)]
    middle = 2 ** np.median(np.log2(values))
    x = np.array([left, right])
    for _, slope, dash in GUIDES:
        ax.plot(x, middle * (x / np.sqrt(left * right)) ** slope, color="0.6", linewidth=0.9, linestyle=dash, zorder=1)


def _line(ax: Axes, line: Sequence[Group], how: dict[str, Any], nudge: float) -> None:
    """One model: a point for each granularity, joined where nothing is missing between, and its structural bound."""
    points = [(g, (g.bytes_per_token or 1.0) * nudge) for g in line if g.span.n_seeds]
    joined = [(x, g.span.value if g.span.value is not None else np.nan) for g, x in points]
    if joined:
        ax.plot(*zip(*joined, strict=True), color=how["color"], linewidth=1.3, zorder=3)
    for group, x in points:
        _point(ax, group, x, how)
    bounded = [(x, g.span.receptive_field * x / nudge) for g, x in points if g.span.receptive_field is not None]
    if bounded:
        ax.plot(*zip(*bounded, strict=True), color=how["color"], linewidth=0.8, linestyle=":", zorder=2, gid="bound")


def _point(ax: Axes, group: Group, x: float, how: dict[str, Any]) -> None:
    """The span with its interval; an arrow where it is censored, a cross below the grid where nothing was learned."""
    span = group.span
    if span.value is None:
        ax.plot(x, span.first_lag / 1.7, marker="x", markersize=5, markeredgewidth=1.4, color=how["color"], zorder=4)
        return
    if span.censor in ("none", "open") and span.low is not None and span.high is not None:
        ends = [span.low, span.value if span.censor == "open" else span.high]
        ax.plot([x, x], ends, color=how["color"], linewidth=1.0, zorder=3, solid_capstyle="butt")
    if span.censor != "none":
        tip = span.value / 1.75 if span.censor == "below" else span.value * 1.75
        arrow = {"arrowstyle": "-|>", "color": how["color"], "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (x, tip), (x, span.value), arrowprops=arrow, zorder=3)
    ax.plot(x, span.value, markeredgecolor="white", markeredgewidth=0.4, zorder=4, linestyle="none", **how)
