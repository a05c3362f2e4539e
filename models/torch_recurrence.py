"""What torch's own recurrences (nn.RNN, nn.LSTM, nn.GRU) share under the contract."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from models.base import GatedModel, StreamingModel


class TorchRecurrence(StreamingModel):
    """One recurrence on top of the other, each a single-layer module of torch. State: for each its h (B, D)."""

    def __init__(self, dim: int, cells: Iterable[nn.RNNBase]) -> None:
        super().__init__(dim)
        self.cells = nn.ModuleList(cells)
        if not self.cells:
            raise ValueError("layers must be at least 1, got 0")

    def run(self, cell: nn.Module, x: Tensor) -> Tensor:
        """One layer's outputs: (B, L, D) -> (B, L, D)."""
        return cell(x)[0]

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        for cell in self.cells:
            x = self.run(cell, x)
        return x

    def flops(self, length: int) -> int:
        """Every weight matrix once a position: what the counter finds, without walking through the steps."""
        return 2 * length * sum(p.numel() for p in self.parameters() if p.ndim == 2)

    def init_state(self, batch: int) -> list[Any]:
        """Zeros (B, D) for every layer."""
        return [self.zeros(batch, self.dim) for _ in self.cells]

    def step(self, x_t: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        """(B, D) and the state -> (B, D) and the next state."""
        following = []
        for cell, h in zip(self.cells, state, strict=True):
            x_t = cell(x_t[:, None], h[None])[0][:, 0]  # torch's state is (layers = 1, B, D)
            following.append(x_t)
        return x_t, following


class GatedRecurrence(TorchRecurrence, GatedModel):
    """A recurrence with a gate that keeps the state: the second of those torch stacks, i f g o or r z n."""

    def __init__(self, dim: int, cells: Iterable[nn.RNNBase], forget_bias: float) -> None:
        super().__init__(dim, cells)
        rows = slice(dim, 2 * dim)
        with torch.no_grad():
            for cell in self.cells:  # torch adds two biases
                cell.bias_ih_l0[rows], cell.bias_hh_l0[rows] = forget_bias, 0.0  # pyright: ignore

    def forget_gates(self, x: Tensor) -> Tensor:
        """What multiplies each layer's previous state (an LSTM's cell), σ(W x_t + U h_{t−1} + b): (layers, B, L, D)."""
        gates, rows = [], slice(self.dim, 2 * self.dim)
        for cell in self.cells:
            w, u, b, c = (p[rows] for p in cell.parameters())
            h = self.run(cell, x)
            before = pad(h[:, :-1], (0, 0, 1, 0))  # h_{t−1}, zeros before the first
            gates.append(torch.sigmoid(linear(x, w, b) + linear(before, u, c)))
            x = h
        return torch.stack(gates)
