"""Whose doing is a span? Its variance, split into architecture, granularity, their interaction and the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from leaderboard.statistics.curves import Array

SOURCES = ("architecture", "granularity", "interaction", "seeds")
DRAWS = 1000
FINEST = 10_000  # SS/σ² at most: far beyond what any limit shows

Cells = Mapping[tuple[str, str], Sequence[float]]  # log2 S of the seeds of each (model, tokenizer)


@dataclass(frozen=True)
class Share:
    """Part of the variance, in [0, 1], with 95% limits (None: one seed)."""

    value: float
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """62% [41, 78]."""
        interval = (
            f" [{100 * self.low:.0f}, {100 * self.high:.0f}]" if self.low is not None and self.high is not None else ""
        )
        return f"{100 * self.value:.0f}%" + interval


def refusal(cells: Cells) -> str | None:
    """Why these spans cannot be split; None where they can."""
    models, tokenizers = ({key[i] for key in cells} for i in (0, 1))
    if len(models) < 2 or len(tokenizers) < 2:
        return "two architectures and two granularities are needed at least"
    empty = sorted(f"{m}@{k}" for m in models for k in tokenizers if not len(cells.get((m, k), ())))
    return f"no finished seed of {', '.join(empty)}" if empty else None


def decompose(cells: Cells, grid: float) -> dict[str, Share]:
    """The share of each source in the variance of log2 S over the cells and their seeds; `grid` is Δ in octaves.

    y = mean + architecture + granularity + interaction + seed; the first three are fixed, and their variances are
    those over the cells, each cell counting once. The square of an estimated effect holds the seeds' noise too, which
    is taken off (as in ω²), down to 0. Without a second seed in any cell, interaction and seeds cannot be told apart:
    the interaction stands for both, `seeds` is missing, and there are no intervals. Raises ValueError where `refusal`
    has a reason.
    """
    reason = refusal(cells)
    if reason:
        raise ValueError(f"no decomposition: {reason}")
    squares, freedom = squares_of(cells)
    n_cells, per_cell, spare = len(cells), _seeds_a_cell(cells), freedom["seeds"]
    if not spare:
        noise = squares["interaction"] / freedom["interaction"]
        parts = [max(0.0, (squares[k] - freedom[k] * noise) / n_cells) for k in SOURCES[:2]] + [noise]
        whole = sum(parts) or 1.0
        return {source: Share(part / whole) for source, part in zip(SOURCES, parts, strict=False)}
    noise = squares["seeds"] / spare
    parts = [max(0.0, (squares[k] - freedom[k] * noise) / (n_cells * per_cell)) for k in SOURCES[:3]] + [noise]
    whole = sum(parts) or 1.0
    low, high = _limits(squares, freedom, n_cells * per_cell, per_cell * grid**2 / 12)
    return {
        source: Share(part / whole, float(min(a, part / whole)), float(max(b, part / whole)))
        for source, part, a, b in zip(SOURCES, parts, low, high, strict=True)
    }


def squares_of(cells: Cells) -> tuple[dict[str, float], dict[str, int]]:
    """Sums of squares and degrees of freedom of each source; cells count alike, with a harmonic mean of their seeds."""
    models, tokenizers = (sorted({key[i] for key in cells}) for i in (0, 1))
    means = np.array([[np.mean(cells[m, k]) for k in tokenizers] for m in models])
    by_model, by_tokenizer = means.mean(1, keepdims=True), means.mean(0, keepdims=True)
    a, b, n = *means.shape, _seeds_a_cell(cells)
    within = sum(float(((np.asarray(ys) - np.mean(ys)) ** 2).sum()) for _, ys in sorted(cells.items()))
    squares = {
        "architecture": n * b * float(((by_model - means.mean()) ** 2).sum()),
        "granularity": n * a * float(((by_tokenizer - means.mean()) ** 2).sum()),
        "interaction": n * float(((means - by_model - by_tokenizer + means.mean()) ** 2).sum()),
        "seeds": within,
    }
    spare = sum(len(ys) for ys in cells.values()) - a * b
    return squares, dict(zip(SOURCES, (a - 1, b - 1, (a - 1) * (b - 1), spare), strict=True))


def _seeds_a_cell(cells: Cells) -> float:
    return len(cells) / sum(1 / len(ys) for ys in cells.values())


def _limits(squares: dict[str, float], freedom: dict[str, int], n: float, least: float) -> tuple[Array, Array]:
    """Limits (4,) of the shares, from confidence distributions (generalised pivots, Weerahandi 1993).

    SS/σ² of an effect is noncentral χ² with λ = n · variance / σ², n the number of spans. Each draw takes a σ² from
    SS_seeds / χ² and the λ at which the SS seen lies at a uniform quantile. An effect's share is λ / (Σ λ + n), that of
    the seeds n / (Λ + n) with Λ of all effects at once, so that it can reach 1. The grid may round all seeds of a
    cell alike, so that the variance of its mean is never taken below Δ²/12.
    """
    rng = np.random.default_rng(0)
    least = max(least, sum(squares.values()) / FINEST) or 1.0
    noise = np.maximum(squares["seeds"] / rng.chisquare(freedom["seeds"], DRAWS), least)
    effects = SOURCES[:3]
    drawn = np.array([_noncentralities(squares[k] / noise, freedom[k], rng) for k in effects])  # (3, DRAWS)
    together = _noncentralities(sum(squares[k] for k in effects) / noise, sum(freedom[k] for k in effects), rng)
    shares = np.concatenate([drawn / (drawn.sum(0) + n), [n / (together + n)]])
    low, high = np.quantile(shares, [0.025, 0.975], axis=1)
    return low, high


def _noncentralities(seen: Array, freedom: int, rng: np.random.Generator) -> Array:
    """λ at which χ²(freedom, λ) has `seen` (R,) at a uniform quantile; 0 where even λ = 0 puts it lower."""
    quantile = rng.uniform(size=len(seen))
    reached = special.chdtr(freedom, seen) > quantile
    found = np.zeros(len(seen))
    found[reached] = special.chndtrinc(seen[reached], freedom, quantile[reached])
    return found
