"""The learning-cost curve: how many training sequences it takes to learn a dependency of each length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from leaderboard.groups import Group
from leaderboard.record import Record
from leaderboard.reports.bounds import drawn
from leaderboard.reports.plots import GREY, STYLE, leftmost, legend, log2_ticks, looks, panels
from leaderboard.reports.tables import by_measure, pipes
from leaderboard.statistics.curves import finished

COSTS = """\
The middle seed's training sequences until validation was solved (s ≥ .99) twice in a row; `> budget` where half of \
the seeds or more did not get there, `–` where no climb went."""


@dataclass(frozen=True)
class LearningCost:
    """What the seeds of one cell took at one lag. `sequences` is None where half of them or more ran out of budget."""

    lag: int
    sequences: float | None  # the middle one of the seeds; of an even number, the mean of the two in the middle
    n_solved: int
    n_seeds: int


def learning_costs(records: Sequence[Record]) -> list[LearningCost]:
    """By lag, ascending, for every lag that a finished seed trained at; a seed whose climb had ended counts as one that
    ran out of budget. Where a seed stopped, validation had been solved (s ≥ .99) twice in a row."""
    ok = finished(records)
    by_lag = [{o.lag: o.sequences if o.solved else None for o in r.curve} for r in ok]
    lags = sorted({lag for seed in by_lag for lag in seed})
    found = []
    for lag in lags:
        taken = sorted(seed.get(lag) or float("inf") for seed in by_lag)
        middle = (taken[(len(taken) - 1) // 2] + taken[len(taken) // 2]) / 2
        solved = sum(each < float("inf") for each in taken)
        found.append(LearningCost(lag, middle if middle < float("inf") else None, solved, len(taken)))
    return found


def climbs(groups: Sequence[Group]) -> list[Group]:
    """The groups that learned a lag at a time, and finished."""
    return [g for g in groups if g.measure.regime == "learn" and finished(g.records)]


def cost_table(groups: Sequence[Group]) -> str | None:
    """Sequences to learn each lag, a row for each model and measure, as Markdown; None where nothing climbed."""
    found = [(g, learning_costs(g.records)) for g in climbs(groups)]
    lags = sorted({cost.lag for _, costs in found for cost in costs})
    if not lags:
        return None
    rows = []
    for group, costs in found:
        by_lag = {cost.lag: cost for cost in costs}
        budget = group.records[0].cell.budget.sequences
        rows.append([group.model, group.measure.label, *(_cell(by_lag.get(lag), budget) for lag in lags)])
    return pipes(["model", "measure", *map(str, lags)], rows, names=2)


def _cell(cost: LearningCost | None, budget: int) -> str:
    if cost is None:
        return "–"
    return f"{cost.sequences:,.0f}" if cost.sequences is not None else f"> {budget:,}"


def draw_learning_cost(groups: Sequence[Group]) -> Figure | None:
    """Sequences against lag, a panel for each measure, a line for each model; None where nothing climbed.

    A point at the budget, hollow, stands for a lag that half of the seeds or more did not learn within it.
    """
    shown = drawn({measure.label: members for measure, members in by_measure(climbs(groups)).items()})
    if not shown:
        return None
    with matplotlib.rc_context(STYLE):
        look = looks(g.model for members in shown.values() for g in members)
        figure, axes = panels(len(shown))
        for ax, (title, members) in zip(axes, shown.items(), strict=True):
            _panel(ax, members, look)
            ax.set_title(title, loc="left")
        for ax in leftmost(axes):
            ax.set_ylabel("sequences to learn it")
        legend(figure, [Line2D([], [], label=model, **how) for model, how in look.items()])
    return figure


def _panel(ax: Axes, members: Sequence[Group], look: Mapping[str, dict[str, Any]]) -> None:
    budgets = [g.records[0].cell.budget.sequences for g in members]
    ax.axhline(max(budgets), color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    ax.annotate("budget", (0, max(budgets)), (2, 2), ("axes fraction", "data"), "offset points", color=GREY, fontsize=7)
    lags: list[int] = []
    for group, budget in zip(members, budgets, strict=True):
        how, costs = look[group.model], learning_costs(group.records)
        lags += [cost.lag for cost in costs]
        ax.plot([c.lag for c in costs], [c.sequences or budget for c in costs], color=how["color"], linewidth=1.3)
        for cost in costs:
            face = how["color"] if cost.sequences is not None else "white"
            marks: dict[str, Any] = how | {"markerfacecolor": face, "markersize": 5, "linestyle": "none"}
            ax.plot(cost.lag, cost.sequences or budget, zorder=3, **marks)
    ax.set_xscale("log", base=2)
    ax.set_ylim(0, max(budgets) * 1.12)
    log2_ticks(ax.xaxis, min(lags), max(lags))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel(f"lag ({members[0].span.unit})")
