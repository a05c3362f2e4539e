"""A recurrent network with complex units and a unitary recurrent matrix."""

import math

import torch
from torch import Tensor, nn

from models.base import at_least
from models.mod_relu import NonexpansiveRecurrence
from models.residual import StreamingStack


class UnitaryRnn(StreamingStack):
    """Layers of h_t = φ(W x_t + V h_{t−1}) on D/2 complex units, V unitary, φ modReLU (arXiv:1511.06464).

    V = exp(A − Aᴴ) for a complex matrix A, which reaches every unitary matrix (as arXiv:1611.00035 asks) and stays
    unitary throughout training (arXiv:1901.08428); it starts as diag(e^{iω}), ω uniform in [−π, π]. φ keeps a unit's
    phase and takes its threshold from its modulus (models/mod_relu.py), so that no gradient grows on its way back.
    State: h of every layer, (B, D), real parts before imaginary ones.
    """

    def __init__(self, dim: int = 64, layers: int = 2, threshold: float = 0.01, mlp: int = 0) -> None:
        super().__init__(dim, (UnitaryRecurrence(dim, threshold) for _ in range(layers)), mlp)


class UnitaryRecurrence(NonexpansiveRecurrence):
    """The recurrence, in real numbers: V acts on real and imaginary parts as U = [[Re V, −Im V], [Im V, Re V]]."""

    def __init__(self, dim: int, threshold: float) -> None:
        at_least(1, dim=dim)
        if dim % 2:
            raise ValueError(f"dim must be even, half as many complex units, got {dim}")
        super().__init__(dim, planes=2, threshold=threshold)
        units = dim // 2
        angles = torch.empty(units).uniform_(-math.pi, math.pi)
        self.generator = nn.Parameter(torch.stack((torch.zeros(units, units), torch.diag(angles / 2))))  # Re A, Im A

    def recurrent(self) -> Tensor:
        """U (D, D)."""
        real, imaginary = self.generator
        v = torch.matrix_exp(torch.complex(real - real.t(), imaginary + imaginary.t()))  # (D/2, D/2)
        return torch.cat((torch.cat((v.real, -v.imag), 1), torch.cat((v.imag, v.real), 1)))
