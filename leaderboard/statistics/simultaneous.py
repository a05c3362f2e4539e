"""Limits that hold for many ratios at once: max-t over documents and seeds."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from leaderboard.protocol import DEVIATES, LEVEL
from leaderboard.statistics.bits import document_residuals
from leaderboard.statistics.curves import Array


def simultaneous(bits: Array, sizes: Array, deviates: int = DEVIATES) -> tuple[Array, Array, Array | None]:
    """Σ bits / Σ bytes, mean over seeds, its standard errors, and half-widths that hold for all M at once; all (M,).

    `bits` (S, M, D) are those of each document, `sizes` (D,) its bytes. Half-widths are the errors times the 95%
    quantile of max |deviate / error| over M (Hothorn, Bretz & Westfall 2008), the deviate drawn jointly: documents
    through Gaussian multipliers on their residuals, seeds, of which there are several, through theirs on the seeds'
    deviations, either over the root of a χ² by its degrees of freedom. None: one document, or no scatter at all.
    """
    n_seeds, _, n_documents = bits.shape
    by_seed = bits.sum(-1) / sizes.sum()  # (S, M)
    values = by_seed.mean(0)
    if n_documents < 2:
        return values, np.full(len(values), np.nan), None
    residuals = document_residuals(bits.mean(0), sizes).T  # (D, M)
    variances, scatters = (residuals**2).sum(0), [residuals]
    if n_seeds > 1:
        deviations = _floored((by_seed - values) / np.sqrt(n_seeds * (n_seeds - 1)), variances)
        variances = variances + (deviations**2).sum(0)
        scatters.append(deviations)
    drawn = _drawn(scatters, deviates)
    errors = np.sqrt(variances)
    some = errors > 0
    if not some.any():
        return values, errors, None
    greatest = np.abs(drawn[:, some] / errors[some]).max(1)
    return values, errors, np.quantile(greatest, LEVEL) * errors


def _floored(deviations: Array, variances: Array) -> Array:
    """Deviations of seeds (S, M), enlarged where, measured by the documents' `variances` (M,), below their median.

    Where seeds scatter more than documents, a few of them that happen to agree at one of many contexts would make a
    limit far too narrow there: 3 seeds, independent from context to context, covered 78% instead of 95%.
    """
    own, some = (deviations**2).sum(0), variances > 0
    if not some.any():
        return deviations
    least = np.median(own[some] / variances[some]) * variances
    return deviations * np.sqrt(np.divide(np.maximum(own, least), own, out=np.ones_like(own), where=own > 0))


def _drawn(scatters: Sequence[Array], deviates: int) -> Array:
    """A sum of multivariate t, (deviates, M), one of each of `scatters` (n, M), whose freedom is n − 1.

    Each is Σ_i ξ_i · deviations_i, ξ Gaussian, over √(χ² / freedom): a Gaussian with covariance RᵀR, drawn from the few
    rows of R in deviations = QR.
    """
    roots = [np.linalg.qr(deviations, mode="r") for deviations in scatters]
    shapes = tuple((len(root), len(deviations) - 1) for root, deviations in zip(roots, scatters, strict=True))
    parts = zip(_deviates(shapes, deviates), roots, strict=True)
    return sum((normal @ root / chi for (normal, chi), root in parts), np.zeros(()))


@lru_cache(maxsize=4)
def _deviates(shapes: tuple[tuple[int, int], ...], deviates: int) -> list[tuple[Array, Array]]:
    """For each number of rows and freedom: Gaussians (deviates, rows), and √(χ² / freedom) (deviates, 1)."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((deviates, rows)), np.sqrt(rng.chisquare(freedom, (deviates, 1)) / freedom))
        for rows, freedom in shapes
    ]
