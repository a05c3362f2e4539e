"""The rectified recurrent network that starts as an integrator."""

from torch import nn

from models.torch_recurrence import TorchRecurrence


class Irnn(TorchRecurrence):
    """h_t = relu(W x_t + U h_{t−1} + b) with U = I and b = 0 at the start (Le, Jaitly & Hinton 2015, arXiv:1504.00941).

    Until training moves U, a unit adds up its inputs and hands its gradient back unchanged for as long as it stays
    positive; nothing keeps it from growing without end once U's spectral radius has passed 1. W starts at the standard
    deviation `input_std`: the paper's 0.001, for one layer, makes the outputs of two so faint that U grows in W's
    place. State: h of every layer, (B, D).
    """

    def __init__(self, dim: int = 64, layers: int = 2, input_std: float = 0.02) -> None:
        super().__init__(dim, (nn.RNN(dim, dim, nonlinearity="relu", batch_first=True) for _ in range(layers)))
        for cell in self.cells:
            w, u, b, c = cell.parameters()
            nn.init.normal_(w, std=input_std)
            nn.init.eye_(u)
            nn.init.zeros_(b)
            nn.init.zeros_(c)
