"""The gated recurrent unit."""

from torch import nn

from models.torch_recurrence import TorchRecurrence


class Gru(TorchRecurrence):
    """h_t = (1 − z_t) n_t + z_t h_{t−1}, with n_t = tanh(W x_t + r_t ∘ (U h_{t−1} + b)) (arXiv:1406.1078).

    z and r are sigmoids of x_t and h_{t−1}; the reset gate acts after U, as in cuDNN. `forget_bias` is z's bias at
    the start of training: a unit then keeps σ(forget_bias) of itself a step. State (layers, B, D).
    """

    cell_type = nn.GRU

    def __init__(self, dim: int = 64, layers: int = 2, forget_bias: float = 0.0) -> None:
        super().__init__(dim, layers)
        self.set_gate_bias(1, forget_bias)  # torch stacks the gates r, z, n
