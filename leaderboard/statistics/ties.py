"""Who is not told apart from the best: paired tests, corrected for how many there are."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from scipy import special

from leaderboard.protocol import LEVEL


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: those up to α are significant at a family-wise error rate of α.

    The step-down of Holm (1979): of n p-values in ascending order the k-th, from 0, counts n − k times, and never less
    than the one before. Raises ValueError outside [0, 1].

    >>> holm([0.25, 0.125, 1.0])
    [0.5, 0.375, 1.0]
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values lie within [0, 1], got {list(p_values)}")
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for k, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - k) * p_values[i]))
        adjusted[i] = so_far
    return adjusted


def tied_with_best(scores: Mapping[str, Mapping[int, float]], greater_is_better: bool = True) -> set[str]:
    """The best by its mean score, and whoever is not told apart from it at 5%. `scores`: name, then seed.

    Paired t tests over the seeds in common, corrected over all comparisons with the best (Holm). With fewer than two
    such seeds nothing can be told apart: a tie. Names without a score take no part. The best being chosen by the same
    scores, somebody loses a tie in 5% of trials with 2 equal models, in 8% with 5 and in up to 15% with 20 (5 seeds).
    """
    means = {name: fmean(by_seed.values()) for name, by_seed in scores.items() if by_seed}
    if not means:
        return set()
    sign = -1 if greater_is_better else 1
    best, *others = sorted(means, key=lambda name: (sign * means[name], name))
    adjusted = holm([_paired_p(scores[best], scores[other]) for other in others])
    return {best} | {other for other, p in zip(others, adjusted, strict=True) if p > 1 - LEVEL}


def _paired_p(a: Mapping[int, float], b: Mapping[int, float]) -> float:
    """Two-sided p of the paired t test over the seeds in common; 1 with fewer than two."""
    apart = np.array([a[seed] - b[seed] for seed in sorted(set(a) & set(b))])
    n = len(apart)
    if n < 2 or not apart.any():
        return 1.0
    error = float(apart.std(ddof=1)) / n**0.5
    return float(2 * special.stdtr(n - 1, -abs(float(apart.mean())) / error)) if error else 0.0
