"""The short causal convolution in front of many mixers."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.base import StreamingModel, at_least


class ShortConv(StreamingModel):
    """y_t = b + Σ_j w_j ∘ x_{t−j} over the last `kernel` inputs, each channel for itself. State (B, kernel − 1, D)."""

    def __init__(self, dim: int, kernel: int = 4) -> None:
        super().__init__(dim)
        at_least(1, kernel=kernel)
        self.weight = nn.Parameter(torch.empty(kernel, dim).uniform_(-(kernel**-0.5), kernel**-0.5))  # oldest first
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        reach, length = self.weight.shape[0] - 1, x.shape[1]
        padded = pad(x, (0, 0, reach, 0))
        y = self.bias
        for j, weight in enumerate(self.weight.to(x.dtype)):
            y = torch.addcmul(y.to(x.dtype), padded[:, j : j + length], weight)
        return y

    def receptive_field(self, length: int) -> int:
        """The kernel."""
        return self.weight.shape[0]

    def init_state(self, batch: int) -> Tensor:
        """Zeros: what padding puts before the first input."""
        return self.zeros(batch, self.weight.shape[0] - 1, self.dim)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D), (B, kernel − 1, D) -> (B, D) and the next state."""
        window = torch.cat((state, x_t[:, None]), dim=1)
        return self.bias + (window * self.weight).sum(1), window[:, 1:]
