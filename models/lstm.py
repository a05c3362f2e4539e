"""Long short-term memory."""

from typing import Any

from torch import Tensor, nn

from models.torch_recurrence import TorchRecurrence


class Lstm(TorchRecurrence):
    """c_t = f_t c_{t−1} + i_t g_t, h_t = o_t tanh c_t (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    `forget_bias` is the forget gates' bias at the start of training: a cell then keeps σ(forget_bias) of itself a
    step, so at 2 a gradient falls to 1/e in about 8 steps. State: h and c, each (layers, B, D).
    """

    cell_type = nn.LSTM

    def __init__(self, dim: int = 64, layers: int = 2, forget_bias: float = 2.0) -> None:
        super().__init__(dim, layers)
        self.set_gate_bias(1, forget_bias)  # torch stacks the gates i, f, g, o

    def init_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """Zeros for h and for c."""
        zeros: Any = super().init_state(batch)
        return zeros, zeros.clone()
