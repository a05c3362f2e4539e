"""A recurrent network with an orthogonal recurrent matrix."""

import math

import torch
from torch import Tensor, nn

from models.mod_relu import NonexpansiveRecurrence
from models.residual import StreamingStack


class OrthogonalRnn(StreamingStack):
    """Layers of h_t = φ(W x_t + U h_{t−1}), U = exp(A − Aᵀ) (Lezcano-Casado & Martínez-Rubio 2019, arXiv:1901.08428).

    The exponential of a skew-symmetric matrix is a rotation, so U stays orthogonal at every step of training and the
    gradient of h_t with respect to any earlier state has norm at most 1. φ is modReLU, which shortens a unit by its
    threshold (models/mod_relu.py). U starts as rotations of pairs of units by angles uniform in [−π, π] (Henaff et al.
    2016, arXiv:1602.06662). State: h of every layer, (B, D).
    """

    def __init__(self, dim: int = 64, layers: int = 2, threshold: float = 0.01, mlp: int = 0) -> None:
        super().__init__(dim, (OrthogonalRecurrence(dim, threshold) for _ in range(layers)), mlp)


class OrthogonalRecurrence(NonexpansiveRecurrence):
    """The recurrence over D real units."""

    def __init__(self, dim: int, threshold: float) -> None:
        super().__init__(dim, planes=1, threshold=threshold)
        angles = torch.zeros(dim - 1)
        angles[::2].uniform_(-math.pi, math.pi)
        self.generator = nn.Parameter(torch.diag(angles, 1))  # A

    def recurrent(self) -> Tensor:
        """U (D, D)."""
        return torch.matrix_exp(self.generator - self.generator.t())
