"""Ridge regression in its dual form: as cheap for thousands of features as for a few."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leaderboard.protocol import PENALTIES

ROUNDING = 1e-6  # a feature that varies by less, as a share of its mean, is constant


def kernel(features: Sequence[Tensor], n: int) -> Tensor:
    """Mean products (N, n) of the features of N examples with those of the first n, in double precision.

    Features come as matrices (N, F), and are standardised to mean 0 and variance 1 over the first n; constant ones say
    nothing.
    """
    total, count = torch.zeros(len(features[0]), n, dtype=torch.float64), 0
    for matrix in features:
        mean, std = matrix[:n].mean(0), matrix[:n].std(0, correction=0)
        varies = std > ROUNDING * mean.abs()
        scaled = (matrix - mean) / std.where(varies, torch.inf)
        total += (scaled @ scaled[:n].T).cpu()
        count += int(varies.sum())
    return total / max(1, count)


def fitted(kernel: Tensor, targets: Tensor) -> Tensor:
    """Predictions (N, K) of a ridge regression with bias on the first n examples, whose targets (n, K) are known.

    With w = Zᵀ a, the minimum of ‖y − b − Zw‖² + λ‖w‖² lies at a = (Z Zᵀ + λ)⁻¹ (y − b), b the mean of y.
    """
    targets = targets.double()
    values, vectors = torch.linalg.eigh(kernel[: len(targets)])
    values = values.clamp(min=0)
    mean = targets.mean(0)
    penalty = min(PENALTIES, key=lambda penalty: left_out(values, vectors, targets - mean, penalty))
    weights = vectors @ (vectors.T @ (targets - mean) / (values + penalty)[:, None])
    return kernel @ weights + mean


def left_out(values: Tensor, vectors: Tensor, centred: Tensor, penalty: float) -> float:
    """The sum of squares of what each example differs from its prediction by the others.

    That is e_i / (1 − H_ii) for the residuals e and the hat matrix H = 1/n + K (K + λ)⁻¹ (Allen 1974), with `values`
    and `vectors` of K = Z Zᵀ, and targets less their mean (n, K).
    """
    shrunk = values / (values + penalty)
    residuals = centred - vectors @ (shrunk[:, None] * (vectors.T @ centred))
    leverage = 1 / len(values) + vectors.square() @ shrunk
    return float((residuals / (1 - leverage)[:, None]).square().sum())
