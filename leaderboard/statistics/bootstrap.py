"""Scatter over documents, by resampling them, joined with the scatter of seeds."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from leaderboard.protocol import DRAWS, LEVEL
from leaderboard.statistics.curves import Array, t_interval


def by_document(documents: Sequence[Sequence[int]], values: Sequence[Array]) -> tuple[Array, Array]:
    """Sums and counts, both (S, D, K), of a seed's figures (targets, K), NaN where there is none.

    `documents` names that of each target, a list a seed; a document is the same one for all seeds.
    """
    names = np.unique(np.concatenate([np.asarray(each, dtype=np.int64) for each in documents]))
    sums = np.zeros((len(values), len(names), values[0].shape[1]))
    counts = np.zeros_like(sums)
    for seed, (of, each) in enumerate(zip(documents, values, strict=True)):
        rows = np.searchsorted(names, of)
        np.add.at(sums[seed], rows, np.nan_to_num(each))
        np.add.at(counts[seed], rows, ~np.isnan(each))
    return sums, counts


def resampled(sums: Array, counts: Array) -> Array:
    """Means (DRAWS, S, K) over documents drawn with replacement, the same ones for all seeds and lags.

    Where a draw holds no figure, the mean of all.
    """
    n_seeds, n, n_lags = sums.shape
    both = np.concatenate([sums, counts]).transpose(1, 0, 2).reshape(n, -1)
    total, count = np.split((_weights(n) @ both).reshape(DRAWS, 2 * n_seeds, n_lags), 2, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), sums.sum(1) / np.maximum(counts.sum(1), 1))


@lru_cache(maxsize=4)
def _weights(n: int) -> Array:
    """How often each of n documents is drawn, (DRAWS, n)."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)


def joined(drawn: Array, seeds: Array, n_documents: int) -> tuple[Array, Array]:
    """How far the 95% limits of the mean over seeds lie below and above it, documents and seeds in quadrature.

    `drawn` (DRAWS, S, ...) is what the bootstrap over documents gives for each of `seeds` (S, ...). Its percentiles
    are widened as t is against the normal, with n − 1 for n: a bootstrap takes the spread of few documents too low.
    """
    mean = seeds.mean(0)
    n, quantile = max(n_documents, 2), (1 + LEVEL) / 2
    low, high = np.quantile(drawn.mean(1), [1 - quantile, quantile], axis=0)
    wider = special.stdtrit(n - 1, quantile) / special.ndtri(quantile) * (n / (n - 1)) ** 0.5
    half = t_interval(np.moveaxis(seeds, 0, -1))[1] if len(seeds) > 1 else 0.0
    return np.hypot(wider * np.maximum(mean - low, 0), half), np.hypot(wider * np.maximum(high - mean, 0), half)
