"""The figure of a comparison: learning span, retention span and bits per byte against bytes per token."""

from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leaderboard.comparison.compared import SPANS, Comparison
from leaderboard.reports.granularity import guides, kappa_axis, nudge, span_panel
from leaderboard.reports.plots import STYLE, legend, looks, panels


def draw_comparison(found: Comparison) -> Figure | None:
    """A panel for each span and one for bits per byte; None where no cell got as far as a tokenizer."""
    regimes = [regime for regime in found.regimes if any(g.bytes_per_token for _, _, g in found.of(regime))]
    count = len(regimes) + any(bits.value is not None for bits in found.bits.values())
    if not count:
        return None
    with matplotlib.rc_context(STYLE):
        look = looks(found.models)
        figure, axes = panels(count, height=3.1, width=3.9)
        spans = []
        for ax, regime in zip(axes, regimes, strict=False):
            members = [group for _, _, group in found.of(regime) if group.bytes_per_token]
            span_panel(ax, SPANS[regime], members, look)
            ax.set_ylabel("span (bytes)")
            spans += members
        if count > len(regimes):
            _bits_panel(axes[-1], found, look)
        handles = [Line2D([], [], label=model, **look[model]) for model in found.models]
        legend(figure, handles + (guides(spans) if spans else []), beside=count == 1)
    return figure


def _bits_panel(ax: Axes, found: Comparison, look: Mapping[str, dict[str, Any]]) -> None:
    """Bits per byte with their intervals; less is better."""
    members = [group for _, tokenizer, group in found.of("language") if tokenizer in found.kappa]
    kappa_axis(ax, "bits per byte", members)
    for i, model in enumerate(found.models):
        aside, how = nudge(ax, i, len(found.models)), look[model]
        line = [
            (found.kappa[k] * aside, bits) for (m, k), bits in found.bits.items() if m == model and k in found.kappa
        ]
        known = [(x, bits, value) for x, bits in line if (value := bits.value) is not None]
        ax.plot([x for x, *_ in known], [value for *_, value in known], color=how["color"], linewidth=1.3, zorder=3)
        for x, bits, value in known:
            if bits.low is not None and bits.high is not None:
                ax.plot([x, x], [bits.low, bits.high], color=how["color"], linewidth=1.0, zorder=3)
            ax.plot(x, value, markeredgecolor="white", markeredgewidth=0.4, zorder=4, linestyle="none", **how)
    ax.set_ylabel("bits per byte of text")
    ax.margins(y=0.12)
