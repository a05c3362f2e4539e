"""Limits that hold for many ratios at once: max-t over documents and seeds."""

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
    rng = np.random.default_rng(0)
    residuals = document_residuals(bits.mean(0), sizes).T  # (D, M)
    variances, drawn = (residuals**2).sum(0), _drawn(rng, residuals, n_documents - 1, deviates)
    if n_seeds > 1:
        deviations = _floored((by_seed - values) / np.sqrt(n_seeds * (n_seeds - 1)), variances)
        variances = variances + (deviations**2).sum(0)
        drawn = drawn + _drawn(rng, deviations, n_seeds - 1, deviates)
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


def _drawn(rng: np.random.Generator, deviations: Array, freedom: int, deviates: int) -> Array:
    """Multivariate t, (deviates, M): Σ_i ξ_i · deviations (n, M), ξ Gaussian, over √(χ² / freedom).

    The sum is drawn as what it is, a Gaussian with covariance RᵀR, from the few rows of R in deviations = QR.
    """
    root = np.linalg.qr(deviations, mode="r")
    normal = rng.standard_normal((deviates, len(root))) @ root
    return normal / np.sqrt(rng.chisquare(freedom, (deviates, 1)) / freedom)
