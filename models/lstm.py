"""Long short-term memory."""

from typing import Any

from torch import Tensor, nn

from models.torch_recurrence import GatedRecurrence


class Lstm(GatedRecurrence):
    """c_t = f_t c_{t−1} + i_t g_t, h_t = o_t tanh c_t (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    `forget_bias` is the forget gates' bias at the start of training: a cell then keeps σ(forget_bias) of itself a
    step, so at 2 a gradient falls to 1/e in about 8 steps. Along this path alone, ∂c_t/∂c_{t−ℓ} is the product of the
    `forget_gates` of the last ℓ steps. State: (h, c) of every layer, each (B, D).
    """

    def __init__(self, dim: int = 64, layers: int = 2, forget_bias: float = 2.0) -> None:
        super().__init__(dim, (nn.LSTM(dim, dim, batch_first=True) for _ in range(layers)), forget_bias)

    def init_state(self, batch: int) -> list[Any]:
        """Zeros for h and for c."""
        return list(zip(super().init_state(batch), super().init_state(batch), strict=True))

    def step(self, x_t: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        """(B, D) and the state -> (B, D) and the next state."""
        following = []
        for cell, (h, c) in zip(self.cells, state, strict=True):
            _, (h, c) = cell(x_t[:, None], (h[None], c[None]))  # torch's state is (layers = 1, B, D)
            x_t = h[0]
            following.append((h[0], c[0]))
        return x_t, following
