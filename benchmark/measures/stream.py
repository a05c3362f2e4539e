"""A model run one input at a time, its state looked into and displaced on the way."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from benchmark.lit_sequence import LitSequence
from models.base import StreamingModel

RANK = 1e-9  # directions with less, as a share of the largest singular value, are none


class Stream:
    """Examples (B, L) run one input at a time, each begun so late that all read their `anchors` (B,) at one step.

    Until an example begins, its state is the one before any input; behind its last input it goes on reading that one.
    """

    def __init__(self, lit: LitSequence, inputs: Tensor, anchors: Tensor) -> None:
        assert isinstance(lit.model, StreamingModel)
        self.model, self.embedding = lit.model, lit.embedding
        self.inputs = inputs.to(lit.device)
        self.rows = torch.arange(len(inputs), device=lit.device)
        self.anchor = int(anchors.max())
        self.late = (self.anchor - anchors).to(lit.device)
        self.latest = int(self.anchor - anchors.min())
        self.start, self.state = self.model.init_state(1), self.model.init_state(len(inputs))
        self.time = 0

    def step(self) -> Tensor:
        """The outputs (B, D) of the next step."""
        at = self.time - self.late  # the input each reads; below 0, it has not begun
        x_t = self.embedding(self.inputs[self.rows, at.clamp(0, self.inputs.shape[1] - 1)])
        output, state = self.model.step(x_t, self.state)
        self.state = tree_map(lambda new, old: begun(at >= 0, new, old), state, self.start) if self.waiting else state
        self.time += 1
        return output

    @property
    def waiting(self) -> bool:
        """Whether there are examples that the next step does not begin."""
        return self.time < self.latest

    def run_to(self, offset: int) -> None:
        """Step until each example has read the input `offset` behind its anchor."""
        while self.time <= self.anchor + offset:
            self.step()

    def outputs(self, positions: Tensor) -> Tensor:
        """Step until all inputs at `positions` (B, Q), none of them read yet, are: the outputs there, (B, Q, D)."""
        due = positions.to(self.late.device) + self.late[:, None]
        found = torch.zeros(*due.shape, self.model.dim, device=due.device)
        for time in range(self.time, int(due.max()) + 1):
            found = torch.where((due == time)[..., None], self.step()[:, None], found)
        return found


def begun(which: Tensor, new: Any, old: Any) -> Any:
    """`new` for the examples `which` (B,), and `old` for the others."""
    if not isinstance(new, Tensor):
        return new
    return torch.where(which.view(-1, *[1] * (new.ndim - 1)), new, old)


def numbers(tensor: Any) -> Tensor | None:
    """A part of a state as a matrix (B, F), complex numbers as two; None for what only counts."""
    if not isinstance(tensor, Tensor) or not (tensor.is_floating_point() or tensor.is_complex()):
        return None
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return real.unsqueeze(-1).flatten(1)


def features(state: Any) -> list[Tensor]:
    """The numbers of a state, a matrix (B, F) for each of its tensors."""
    return [matrix for part in tree_leaves(state) if (matrix := numbers(part)) is not None]


def basis(columns: Tensor) -> Tensor:
    """An orthonormal basis (B, R) of what columns (B, P) and a constant span."""
    every = torch.cat([torch.ones(len(columns), 1), columns], 1).double()
    left, singular, _ = torch.linalg.svd(every, full_matrices=False)
    return left[:, singular > RANK * singular[0]]


def displaced(state: Any, known: Tensor, generator: torch.Generator) -> Any:
    """A state with Gaussian noise on each of its numbers, as large as what is left of them without `known`.

    What is `known` is a basis (B, R); the variance left has B − R degrees of freedom.
    """

    def move(part: Any) -> Any:
        matrix = numbers(part)
        if matrix is None:
            return part
        span = known.to(matrix)
        rest = matrix - span @ (span.T @ matrix)
        std = (rest.square().sum(0) / (len(span) - span.shape[1])).sqrt()
        moved = matrix + std * torch.randn(matrix.shape, generator=generator).to(matrix)
        return torch.view_as_complex(moved.view(*part.shape, 2)) if part.is_complex() else moved.view(part.shape)

    return tree_map(move, state)
