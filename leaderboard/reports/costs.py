"""Cost curves: seconds and memory against length, width or state, and the exponents that describe them. No torch."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from scipy import stats

from leaderboard.cell import Strict
from leaderboard.reports.plots import STYLE, legend, log2_ticks, looks, panels, plain

Axis = Literal["length", "dim", "state"]
UPPER = 0.5  # the share of the points, the largest, that an exponent is fitted to: small ones are all overhead


class CostPoint(Strict):
    """What one model took at one value of the axis: a time for each round."""

    model: str
    at: PositiveInt
    step_seconds: list[PositiveFloat]  # forward and backward pass of a batch
    peak_bytes: PositiveInt  # most memory that the tensors of a training step held at once
    token_seconds: list[PositiveFloat] | None = None  # one streamed input, batch of one
    state_bytes: NonNegativeInt | None = None


class CostStudy(Strict):
    """Points along one axis, everything else fixed."""

    axis: Axis
    fixed: dict[str, int]
    device: str
    points: list[CostPoint]

    def models(self) -> list[str]:
        """In the order they were asked for."""
        return list(dict.fromkeys(point.model for point in self.points))

    def of(self, model: str) -> list[CostPoint]:
        """One model's points along the axis."""
        return sorted((point for point in self.points if point.model == model), key=lambda point: point.at)


@dataclass(frozen=True)
class Exponent:
    """p of cost ∝ axis^p over the upper half of the points, with a 95% t interval over rounds (None: one round)."""

    value: float
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """1.02 [0.98, 1.06]."""
        return f"{self.value:.2f}" + (f" [{self.low:.2f}, {self.high:.2f}]" if self.low is not None else "")


def exponent(at: Sequence[float], rounds: Sequence[Sequence[float]]) -> Exponent | None:
    """The slope of log cost against log axis, one estimate a round. `rounds` has a row a point; None: too few points.

    Rounds are whole sweeps, so that what disturbs one disturbs one estimate. The interval speaks of noise, not of the
    curvature that overhead leaves.
    """
    keep = max(2, round(len(at) * UPPER))
    if len(at) < 2:
        return None
    x, y = np.log(at)[-keep:], np.log(np.asarray(rounds, dtype=float))[-keep:]  # (points,), (points, rounds)
    slopes = ((x - x.mean()) @ (y - y.mean(0))) / ((x - x.mean()) ** 2).sum()
    value, n = float(slopes.mean()), len(slopes)
    if n < 2:
        return Exponent(value)
    half = float(stats.t.ppf(0.975, n - 1) * slopes.std(ddof=1) / n**0.5)
    return Exponent(value, value - half, value + half)


def exponents(points: Sequence[CostPoint]) -> dict[str, Exponent | None]:
    """Of a training step's seconds and memory, and of a streamed token's seconds."""
    at = [float(point.at) for point in points]
    tokens = [point.token_seconds for point in points if point.token_seconds is not None]
    return {
        "step": exponent(at, [point.step_seconds for point in points]),
        "memory": exponent(at, [[float(point.peak_bytes)] for point in points]),
        "token": exponent(at, tokens) if len(tokens) == len(points) else None,
    }


HEADER = ["model", "step", "exponent", "memory", "exponent", "streamed token", "exponent", "state"]


def rows(study: CostStudy) -> list[list[str]]:
    """A line a model: figures at the largest value of the axis, and how they grow with it."""
    found = []
    for model in study.models():
        points = study.of(model)
        last, grown = points[-1], {key: value.text() if value else "–" for key, value in exponents(points).items()}
        token = f"{np.median(last.token_seconds) * 1e6:,.0f} µs" if last.token_seconds else "–"
        found.append(
            [
                model,
                f"{np.median(last.step_seconds) * 1e3:,.1f} ms",
                grown["step"],
                f"{last.peak_bytes / 2**20:,.1f} MiB",
                grown["memory"],
                token,
                grown["token"],
                f"{last.state_bytes:,} B" if last.state_bytes is not None else "–",
            ]
        )
    return found


def markdown(study: CostStudy) -> str:
    """The table, and what it shows."""
    largest = max(point.at for point in study.points)
    fixed = ", ".join(f"{key} {value}" for key, value in study.fixed.items())
    head = f"Costs at {study.axis} {largest:,} ({fixed}; {study.device}), and p of cost ∝ {study.axis}^p.\n"
    lines = [HEADER, ["---"] * len(HEADER), *rows(study)]
    return "\n".join([head, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def table_csv(study: CostStudy) -> str:
    """Every point: medians over rounds."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", study.axis, "step_seconds", "peak_bytes", "token_seconds", "state_bytes", "rounds"])
    for point in study.points:
        token = np.median(point.token_seconds) if point.token_seconds else ""
        step = np.median(point.step_seconds)
        writer.writerow(
            [point.model, point.at, step, point.peak_bytes, token, point.state_bytes, len(point.step_seconds)]
        )
    return file.getvalue()


def draw(study: CostStudy) -> Figure:
    """Three log–log panels: a training step's seconds and memory, and a streamed token's seconds."""
    with matplotlib.rc_context(STYLE):
        look = looks(study.models())
        figure, axes = panels(3)
        titles = ("training step (ms)", "training step, peak memory (MiB)", "one streamed token (µs)")
        for model in study.models():
            points = study.of(model)
            at = [point.at for point in points]
            how = {"markersize": 4, "markeredgecolor": "white", "markeredgewidth": 0.3} | look[model]
            axes[0].plot(at, [1e3 * float(np.median(point.step_seconds)) for point in points], **how)
            axes[1].plot(at, [point.peak_bytes / 2**20 for point in points], **how)
            tokens = [point.token_seconds for point in points if point.token_seconds is not None]
            if len(tokens) == len(points):
                axes[2].plot(at, [1e6 * float(np.median(token)) for token in tokens], **how)
        low, high = min(point.at for point in study.points), max(point.at for point in study.points)
        for ax, title in zip(axes, titles, strict=True):
            ax.set_xscale("log", base=2)
            ax.set_yscale("log")
            log2_ticks(ax.xaxis, low, high)
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(plain))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.set_title(title, loc="left")
            ax.set_xlabel(study.axis)
        legend(figure, [Line2D([], [], label=model, **how) for model, how in look.items()])
    return figure
