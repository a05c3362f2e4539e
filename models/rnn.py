"""The plain recurrent network."""

from torch import nn

from models.torch_recurrence import TorchRecurrence


class Rnn(TorchRecurrence):
    """h_t = tanh(W x_t + U h_{t−1} + b) (Elman 1990). State: h of every layer, (B, D).

    Its gradient over a lag ℓ is a product of ℓ Jacobians diag(1 − h²) U, which vanishes or explodes
    (Bengio et al. 1994).
    """

    def __init__(self, dim: int = 64, layers: int = 2) -> None:
        super().__init__(dim, (nn.RNN(dim, dim, batch_first=True) for _ in range(layers)))
