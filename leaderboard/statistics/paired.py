"""Whether rows of a board have the same mean: paired t tests over cells that are fixed and seeds that are few."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from leaderboard.statistics.curves import Array

ROUNDING = 1e-12  # of the greater score: a difference or a scatter this small is none


def checked(scores: ArrayLike) -> Array:
    """Scores (C, S), cells and seeds, as floats. Raises ValueError where they are empty or not finite."""
    found = np.asarray(scores, dtype=float)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"scores must be (cells, seeds), at least one of each, got shape {found.shape}")
    if not np.isfinite(found).all():
        cell, seed = np.argwhere(~np.isfinite(found))[0]
        raise ValueError(f"scores must be finite, got {found[cell, seed]} in cell {cell} at seed {seed}")
    return found


def paired_p(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p that two rows, each (C, S), have the same mean. With a single seed nothing can be told apart: 1.

    The paired t test of d = a − b: its mean over cells of the mean over seeds, with variance Σ_c var_s(d_c) / S / C²
    and Satterthwaite's degrees of freedom. Raises ValueError unless both have the same shape.

    Cells in which d has no scatter: where it is 0, as of two rows that are saturated, there is no doubt and none is
    added. Where it is some other δ at every seed, as of a perfect score and chance, S seeds have not shown that it
    always will be; the variance is then δ²/S, as if it had been 0 at one seed of S. One such cell alone gives
    p = .095 with 3 seeds and .0075 with 5, near the .100 and .0079 of Fisher's exact test for S solved against none.

    >>> round(paired_p([[0.5, 0.75, 1.0]], [[0.25, 0.25, 0.25]]), 3)
    0.074
    >>> round(paired_p([[1, 1, 1]], [[0, 0, 0]]), 3)
    0.095
    """
    first, second = checked(a), checked(b)
    if first.shape != second.shape:
        raise ValueError(f"rows must have the same cells and seeds, got shapes {first.shape} and {second.shape}")
    return float(pairwise(np.stack([first, second]))[1][0, 1])


def pairwise(scores: Array) -> tuple[Array, Array]:
    """How far each row's mean lies above each other's, and the two-sided p of it, both (N, N), of rows (N, C, S).

    As `paired_p`, but of three rows or more, where a pair's own variance in a cell is below that of the other rows
    there, it is the mean of the two with 2 (S − 1) degrees of freedom: a moderated t test (Smyth 2004,
    doi:10.2202/1544-6115.1027) that only ever widens. Where one cell scatters most, a few seeds that happen to agree
    in it leave a test as sure as the quiet cells are, and many pairs ask for p-values much rarer than that: of 20 equal
    rows in 7 cells with 3 seeds, one cell scattering ten times as much as the others, Holm's method told some apart in
    half of all trials by their own variances alone, and in none like this.
    """
    n_rows, n_cells, n_seeds = scores.shape
    d = scores[:, None] - scores[None]  # (N, N, C, S)
    size = np.abs(scores).max(-1)  # (N, C)
    rounding = ROUNDING * np.maximum(size[:, None], size[None])
    d = np.where(np.abs(d) <= rounding[..., None], 0.0, d)
    apart = d.mean((2, 3))
    if n_seeds == 1:
        return apart, np.ones((n_rows, n_rows))
    variances, freedom = _variances(scores, d, rounding)
    error = np.sqrt(variances.sum(-1) / n_seeds) / n_cells
    t = np.divide(np.abs(apart), error, out=np.zeros_like(error), where=error > 0)
    return apart, np.asarray(2 * stats.t.sf(t, satterthwaite(variances, freedom)))


def satterthwaite(variances: Array, freedom: ArrayLike) -> Array:
    """Degrees of freedom of the sum over the last axis of variances that have `freedom` each (Satterthwaite 1946).

    (Σ v)² / Σ v²/ν; ∞ where all are 0. Those of S seeds in C cells lie between S − 1, where one cell alone scatters,
    and C (S − 1), where all do alike.
    """
    total = variances.sum(-1, keepdims=True)
    share = np.divide(variances, total, out=np.zeros_like(variances), where=total > 0)
    inverse = (share**2 / freedom).sum(-1)
    return np.divide(1, inverse, out=np.full_like(inverse, np.inf), where=inverse > 0)


def _variances(scores: Array, d: Array, rounding: Array) -> tuple[Array, Array]:
    """Between seeds, of the differences `d` in each cell, and their degrees of freedom; both (N, N, C)."""
    own_freedom = d.shape[-1] - 1
    delta = d.mean(-1)
    squares = ((d - delta[..., None]) ** 2).sum(-1)
    flat = np.ptp(d, axis=-1) <= rounding
    own = np.where(flat, delta**2 / d.shape[-1], squares / own_freedom)
    others = np.where(flat & (delta == 0), 0.0, _of_the_others(scores, squares))
    return np.maximum(own, (own + others) / 2), np.where(others > own, 2 * own_freedom, own_freedom)


def _of_the_others(scores: Array, squares: Array) -> Array:
    """The variance in each cell of a difference between two rows, as the rows outside each pair tell; (N, N, C).

    `squares` are the pairs' own sums. All N rows' seeds, without what is common to a seed, have N − 1 contrasts, of
    which a pair's difference is one: the other N − 2 are orthogonal to it. Zero where there are none.
    """
    n_rows, _, n_seeds = scores.shape
    if n_rows < 3:
        return np.zeros_like(squares)
    residuals = scores - scores.mean(-1, keepdims=True)
    total = ((residuals - residuals.mean(0)) ** 2).sum((0, 2))  # (C,)
    return np.maximum(2 * total - squares, 0) / ((n_rows - 2) * (n_seeds - 1))
