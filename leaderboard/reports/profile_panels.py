"""The panels of a profile: one line of each curve, its spans marked where they are read off."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from scipy.optimize import least_squares

from leaderboard.protocol import EPSILON, EPSILONS, FAINT, MASS, REACHED, TRACE
from leaderboard.reports.plots import GREY
from leaderboard.reports.profile import Line
from leaderboard.statistics.context import read_span
from leaderboard.statistics.curves import Array, common_curve, finished, seed_curve
from leaderboard.statistics.gradient import Shape
from leaderboard.statistics.spans import Span

Look = dict[str, Any]
FLOOR = {"influence": 1e-5, "gradient": 1e-9, "gates": 1e-9}  # of the greatest value: what is less is drawn as nothing
LINEAR = 0.01  # bits per byte: gains are drawn linearly up to it, and logarithmically beyond
DASHES = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1, 2))]
EDGE: Look = {"markeredgecolor": "white", "markeredgewidth": 0.4}
SMALL = 7
LOWEST = -0.08  # s: less than chance by more is drawn here
NOTHING: Look = {"linestyle": "none", "marker": "v", "markersize": 3.5, "markerfacecolor": "white", "zorder": 3}
NOTHING |= {"markeredgewidth": 0.7, "clip_on": False}


def recall(ax: Axes, line: Line, look: Look) -> None:
    """s at each lag, seeds apart, with a logistic as a guide; the span where half is kept."""
    seeds = finished(line.records)
    lags, s = common_curve(seeds)
    for record in seeds if len(seeds) > 1 else ():
        ax.plot(*seed_curve(record), linestyle="none", color=look["color"], marker=".", markersize=3, alpha=0.5)
    mean = s.mean(0)
    low = mean < LOWEST
    ax.plot(lags[~low], mean[~low], linestyle="none", zorder=3, clip_on=False, **EDGE, **look)
    ax.plot(lags[low], np.full(low.sum(), LOWEST), **NOTHING, color=look["color"])
    x = np.geomspace(lags[0], lags[-1], 200)
    ax.plot(x, logistic(lags, np.clip(mean, 0, 1), x), color=look["color"], linewidth=0.8, zorder=2, gid="guide")
    if line.group.span.value is not None and line.unit != "none":
        aside = 0.04 if line.regime == "learn" else -0.04  # two spans may have one place
        bar(ax, line.group.span, REACHED + aside, colour=look["color"])


def logistic(lags: Array, s: Array, at: Array) -> Array:
    """The logistic in log2 lag, top / (1 + 2^(k (x − x0))), nearest to s (K,), at other lags: a guide for the eye."""
    x = np.log2(lags)

    def curve(given: Array, x: Array) -> Array:
        top, slope, middle = given
        return top / (1 + np.exp2(np.clip(slope * (x - middle), -60, 60)))

    start = (max(float(s.max()), TRACE), 2.0, float(x[np.argmin(np.abs(s - s.max() / 2))]))
    limits = ([0.0, 0.0, x[0] - 10], [1.05, 20.0, x[-1] + 10])
    found = least_squares(lambda given: curve(given, x) - s, np.clip(start, *limits), bounds=limits)
    return curve(found.x, np.log2(at))


def context(ax: Axes, line: Line, look: Look) -> None:
    """L(c) with its simultaneous band and, a cross each, what L(T) becomes where what lies beyond c is foreign."""
    found = line.context
    assert found is not None
    x = np.array(found.contexts) * line.scale
    if line.margins is not None:
        ax.fill_between(x, found.bits - line.margins, found.bits + line.margins, color=look["color"], alpha=0.15, lw=0)
    ax.plot(x, found.bits, zorder=3, **EDGE, **look)
    level = float(found.bits[found.contexts.index(found.horizon)])
    for each in found.reliance:
        limits = [level + (each.value if limit is None else limit) for limit in (each.low, each.high)]
        at = each.context * line.scale
        ax.plot([at, at], limits, color="0.2", linewidth=0.8, zorder=2)
        ax.plot(at, level + each.value, color="0.2", marker="x", markersize=4.5, zorder=4)


def gain(ax: Axes, line: Line, look: Look) -> None:
    """G(c) with its simultaneous band, each ε, and S_ε on it."""
    found = line.context
    assert found is not None
    x = np.array(found.gain_contexts) * line.scale
    if found.lows is not None and found.highs is not None:
        ax.fill_between(x, found.lows, found.highs, color=look["color"], alpha=0.15, linewidth=0)
    ax.plot(x, found.gains, zorder=3, **EDGE, **look)
    for epsilon in EPSILONS:
        span = read_span(found, epsilon)
        if span.value is not None and span.censor != "below":
            bar(ax, span, epsilon, line.scale, strong=epsilon == EPSILON)


def recall_axis(ax: Axes) -> None:
    """s from 0, chance, to 1."""
    ax.set_ylim(LOWEST, 1.08)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    ax.axhline(0, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)


def gain_axis(ax: Axes) -> None:
    """Linear up to ±LINEAR, logarithmic beyond; a line for each ε."""
    (low, high), ticks = ax.get_ylim(), [-1, -0.1, -0.01, 0, 0.01, 0.1, 1]
    ax.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
    ax.set_yticks(ticks, [f"{tick:g}".replace("0.", ".").replace("-", "−") for tick in ticks])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylim(1.1 * min(low, -LINEAR), 1.1 * max(high, 2 * max(EPSILONS)))
    ax.axhline(0, color=GREY, linewidth=0.5, zorder=1)
    for epsilon in EPSILONS:
        strong = epsilon == EPSILON
        ax.axhline(epsilon, color=GREY, linewidth=0.8 if strong else 0.6, linestyle="--" if strong else ":", zorder=1)
        aside: Look = {"xytext": (2, 0), "textcoords": "offset points", "va": "center", "fontsize": 6, "color": "0.3"}
        ax.annotate(f"ε {epsilon:g}".replace("0.", "."), (1, epsilon), xycoords=("axes fraction", "data"), **aside)


def influence(ax: Axes, line: Line, look: Look, floor: float) -> None:
    """I(ℓ) with its pointwise band; 1% of its maximum, the last lag above it, and the lag of 95% of the mass."""
    found = line.influence
    assert found is not None
    x = found.lags * line.scale
    if found.low is not None and found.high is not None:
        low, high = (np.maximum(limit, floor) for limit in (found.low, found.high))
        ax.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
    floored(ax, x, found.influence, floor, look)
    if not found.influence.any():
        return
    faint = FAINT * float(found.influence.max())
    for span, name, below in ((line.faint, f"{FAINT:.0%}", True), (line.mass, f"{MASS:.0%}", False)):
        if span.value is not None:
            at = np.interp(np.log(span.value), np.log(found.lags), np.log(np.maximum(found.influence, floor)))
            y = faint if below else float(np.exp(at))
            bar(ax, span, y, line.scale)
            aside: Look = {"xytext": (3, 3), "ha": "left", "va": "bottom"}
            if below:  # left of the interval, on its line
                aside = {"xytext": (-3, 0), "ha": "right", "va": "center", "bbox": {"fc": "white", "lw": 0, "pad": 0.3}}
            at = (span.low or span.value) if below else span.value
            aside |= {"textcoords": "offset points", "fontsize": SMALL, "color": "0.15", "zorder": 6}
            ax.annotate(name, (at * line.scale, y), **aside)
    ax.axhline(faint, color=look["color"], linewidth=0.6, linestyle=":", zorder=1)


def gradient(ax: Axes, line: Line, look: Look, floor: float) -> None:
    """J(ℓ) before (open) and after training, each with the shape that fits it better."""
    found = line.gradient
    assert found is not None
    lags, x = found.lags, found.lags_in_unit * line.scale
    for norms, shape, how in (
        (found.before, found.shape_before, look | before(look)),
        (found.after, found.shape_after, EDGE | look),
    ):
        floored(ax, x, norms, floor, how | {"linestyle": "none"})
        fit = fitted(shape, lags, norms)
        if fit is not None:
            reached = (fit >= floor) & (lags <= lags[norms > 0].max())
            ax.plot(x[reached], fit[reached], color=look["color"], linewidth=0.9, zorder=2)


def before(look: Look) -> Look:
    """How a curve looks before training."""
    return {"markerfacecolor": "white", "markeredgecolor": look["color"], "markeredgewidth": 0.9}


def fitted(shape: Shape, lags: Array, norms: Array) -> Array | None:
    """The shape that fits better, through the middle of ln J where J > 0, at all lags; None where there is none."""
    some = (norms > 0) & (lags > 0)
    if shape.rho is None or shape.alpha is None or not some.any():
        return None
    logs = -shape.alpha * np.log(lags) if shape.name == "power law" else np.log(shape.rho) * lags
    return np.exp(logs + (np.log(norms[some]) - logs[some]).mean())


def gates(ax: Axes, line: Line, look: Look, floor: float) -> None:
    """The product of each layer's forget gates."""
    found = line.gradient
    assert found is not None
    assert found.gates is not None
    for i, products in enumerate(found.gates):
        how = {"color": look["color"], "linestyle": DASHES[i % len(DASHES)]}
        floored(ax, found.lags_in_unit * line.scale, products, floor, how)


def floor_of(panel: str, lines: Sequence[Line]) -> float:
    """The lower end of a log panel: half the least value drawn, FLOOR of the greatest at least, below every FAINT."""
    curves = [curve for line in lines for curve in _values(panel, line)]
    values = np.concatenate([np.ravel(curve) for curve in curves])
    most = float(values.max())
    if most == 0:
        return 0.5
    faint = [FAINT * curve.max() for curve in curves if panel == "influence" and curve.any()]
    return float(min(values[values >= FLOOR[panel] * most].min(), *faint, most)) / 2


def _values(panel: str, line: Line) -> list[Array]:
    found = line.gradient
    if panel == "influence":
        return [line.influence.influence] if line.influence else []
    if found is None:
        return []
    return [found.before, found.after] if panel == "gradient" else [] if found.gates is None else [found.gates]


def marked(mark: str, look: Look) -> Look:
    """How a curve of the table's `mark` looks."""
    if mark == "R":
        return {"color": "0.2", "marker": "x", "markersize": 4.5, "linestyle": "none"}
    if mark == "before":
        return look | before(look)
    layer = int(mark.removeprefix("layer ")) if mark.startswith("layer ") else 0
    return {"color": look["color"], "linestyle": DASHES[layer % len(DASHES)]} if mark.startswith("layer ") else look


def floored(ax: Axes, x: Array, y: Array, floor: float, look: Look) -> None:
    """A curve on a log axis; what is nothing, or too little to show, lies on the floor as a small open triangle."""
    some = y >= floor
    ax.plot(x[some], y[some], zorder=3, **look)
    last = int(np.flatnonzero(some)[-1]) if some.any() else -1
    if look.get("linestyle") != "none" and 0 <= last < len(x) - 1:
        ax.plot(x[last : last + 2], [y[last], floor], color=look["color"], linewidth=0.9, zorder=2)
    ax.plot(x[~some], np.full((~some).sum(), floor), **NOTHING, color=look["color"])


def bar(ax: Axes, span: Span, y: float, scale: float = 1.0, strong: bool = True, colour: str = "0.1") -> None:
    """A span at height y: a tick, its interval across, an arrow where that is open at the top."""
    assert span.value is not None
    value, (left, right) = span.value * scale, ax.get_xlim()
    low = value if span.low is None else max(span.low * scale, left)
    high = value if span.high is None else min(span.high * scale, right)
    how: Look = {"color": colour, "zorder": 5}
    ax.plot([low, high], [y, y], solid_capstyle="butt", linewidth=1.5 if strong else 0.8, **how)
    ax.plot(value, y, marker="|", markersize=9 if strong else 6, markeredgewidth=1.5, **how)
    if span.censor in ("above", "open"):
        ax.plot(high, y, marker=">", markersize=4, clip_on=False, **how)
