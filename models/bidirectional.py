"""Two recurrences, one from each end."""

import torch
from torch import Tensor, nn

from models.base import SequenceModel
from models.by_name import recurrence_named
from models.residual import ResidualStack


class Bidirectional(ResidualStack):
    """Layers of y_t = M [h_t ; g_t], h run over x_0 … x_t, g over x_{L−1} … x_t (Schuster & Paliwal 1997).

    Every output sees the whole input, so the model is not causal and cannot stream. g_0 reads x_0 in its last step,
    through one application of the cell, where h_{L−1} has it through L of them; g_{L−1}, in turn, has only just begun
    and knows x_{L−1} alone. So at the last position, where most tasks ask, a single layer knows the past through h, as
    without g. What a second layer gains is that the question has already travelled back to every position when its h
    sets out, which can then keep what will be asked for. `cell` is any streaming architecture of the suite: gru, lstm …
    """

    causal = False

    def __init__(self, dim: int = 64, layers: int = 2, cell: str = "gru", mlp: int = 0) -> None:
        super().__init__(dim, (BidirectionalRecurrence(dim, cell) for _ in range(layers)), mlp)


class BidirectionalRecurrence(SequenceModel):
    """One layer: two cells of width D and the map M of their outputs, side by side, back to D."""

    causal = False

    def __init__(self, dim: int, cell: str) -> None:
        super().__init__(dim)
        recurrent = recurrence_named("cell", cell)
        self.ahead, self.behind = (recurrent(dim, layers=1) for _ in range(2))
        self.merge = nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        both = torch.cat((self.ahead(x), self.behind(x.flip(1)).flip(1)), dim=-1)  # (B, L, 2D)
        return self.merge(both)

    def flops(self, length: int) -> int:
        """The cells' own, and the map."""
        return self.ahead.flops(length) + self.behind.flops(length) + 2 * length * self.merge.weight.numel()
