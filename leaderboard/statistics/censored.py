"""Straight lines through points some of which are only bounds: maximum likelihood with normal errors."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from leaderboard.statistics.curves import Array

STEPS = 100  # Newton steps at most; about ten are taken
NEAR = 1e-8


def censored_slopes(x: ArrayLike, y: ArrayLike, bound: ArrayLike, weights: ArrayLike, least: float) -> Array:
    """Slope of y on x, one for each row of `weights` (R, N), by maximum likelihood (Tobin 1958).

    `x`, `y` and `bound` are (N,); bound 0: y is known, 1: it is at least that, −1: at most that. The errors' standard
    deviation is never taken below `least`, in units of y. In θ = (a/σ, b/σ, 1/σ) the likelihood is concave (Olsen
    1978), so that Newton's method finds the one maximum. NaN where fewer than two different x have a known y.
    """
    x, y, bound = np.asarray(x, dtype=float), np.asarray(y, dtype=float), np.asarray(bound)
    weights = np.asarray(weights, dtype=float)
    found = np.full(len(weights), np.nan)
    fit = np.array([len(set(x[(row > 0) & (bound == 0)])) > 1 for row in weights], dtype=bool)
    if fit.any():
        design = np.stack([-np.ones_like(x), -x, y], axis=1)  # standardised residuals z = design @ θ
        theta = _maximum(design, bound, weights[fit], 1 / least)
        found[fit] = theta[:, 1] / theta[:, 2]
    return found


def _maximum(design: Array, bound: ArrayLike, weights: Array, most: float) -> Array:
    """θ (R, 3) of greatest likelihood, with 1/σ no greater than `most`."""
    theta = _start(design, weights, most)
    value, gradient, hessian = _likelihood(design, bound, weights, theta)
    for _ in range(STEPS):
        held = (theta[:, 2] >= most) & (gradient[:, 2] > 0)  # σ stays at its least
        gradient[held, 2], hessian[held, 2, :], hessian[held, :, 2], hessian[held, 2, 2] = 0.0, 0.0, 0.0, -1.0
        step = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        if np.abs(gradient * step).sum(axis=1).max() < NEAR:
            return theta
        size = np.ones(len(theta))
        while True:
            tried = theta + size[:, None] * step
            tried[:, 2] = np.clip(tried[:, 2], theta[:, 2] / 4, most)
            worse = ~(_likelihood(design, bound, weights, tried)[0] >= value - NEAR) & (size > NEAR)
            if not worse.any():
                break
            size[worse] /= 2
        theta = tried
        value, gradient, hessian = _likelihood(design, bound, weights, theta)
    return theta


def _start(design: Array, weights: Array, most: float) -> Array:
    """Least squares, bounds taken for values."""
    lines = design[:, :2]
    normal = np.einsum("rn,ni,nj->rij", weights, lines, lines)
    against = np.einsum("rn,ni,n->ri", weights, lines, design[:, 2])
    line = -np.linalg.solve(normal, against[..., None])[..., 0]  # (R, 2)
    squares = (weights * (design[:, 2] + line @ lines.T) ** 2).sum(1) / weights.sum(1)
    precision = np.minimum(most, 1 / np.sqrt(np.maximum(squares, most**-2)))
    return np.concatenate([line * precision[:, None], precision[:, None]], axis=1)


def _likelihood(design: Array, bound: ArrayLike, weights: Array, theta: Array) -> tuple[Array, Array, Array]:
    """Log-likelihood (R,), its gradient (R, 3) and its Hessian (R, 3, 3)."""
    z = theta @ design.T  # (R, N)
    sign = np.where(np.asarray(bound) == 1, -1.0, 1.0)
    tail = special.log_ndtr(sign * z)  # P(Y ≥ y) = Φ(−z), P(Y ≤ y) = Φ(z)
    mills = np.exp(-(z**2) / 2 - tail) / np.sqrt(2 * np.pi)
    known = np.asarray(bound) == 0
    each = np.where(known, np.log(theta[:, 2:]) - z**2 / 2, tail)
    slope = weights * np.where(known, -z, sign * mills)
    bend = weights * np.where(known, -1.0, -mills * (mills + sign * z))
    count = (weights * known).sum(1)
    gradient = slope @ design
    hessian = np.einsum("rn,ni,nj->rij", bend, design, design)
    gradient[:, 2] += count / theta[:, 2]
    hessian[:, 2, 2] -= count / theta[:, 2] ** 2
    return (weights * each).sum(1), gradient, hessian
