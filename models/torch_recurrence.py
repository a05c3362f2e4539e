"""What torch's own recurrences (nn.RNN, nn.LSTM, nn.GRU) share under the contract."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.base import StreamingModel


class TorchRecurrence(StreamingModel):
    """A stack of `layers` recurrences of width `dim`, run by the module a subclass names.

    Subclasses set `cell_type`. The state is what that module carries: h (layers, B, D), or (h, c) for an LSTM.
    """

    cell_type: ClassVar[type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]]
    parameter_names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__(dim)
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        self.layers = layers
        self.cells = self.cell_type(dim, dim, num_layers=layers, batch_first=True)

    def set_gate_bias(self, gate: int, value: float) -> None:
        """Start the `gate`-th gate's bias at `value` in every layer: torch adds two biases, the other becomes 0."""
        rows = slice(gate * self.dim, (gate + 1) * self.dim)
        with torch.no_grad():
            for name, bias in self.cells.named_parameters():
                if name.startswith("bias"):
                    bias[rows] = value if name.startswith("bias_ih") else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return self.cells(x)[0]

    def init_state(self, batch: int) -> Any:
        """Zeros (layers, B, D)."""
        like = next(self.parameters())
        return torch.zeros(self.layers, batch, self.dim, device=like.device, dtype=like.dtype)

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(B, D) and the state -> (B, D) and the next state."""
        y, state = self.cells(x_t[:, None], state)
        return y[:, 0], state
