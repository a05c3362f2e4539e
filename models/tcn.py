"""A temporal convolutional network."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from models.base import StreamingModel, at_least


class Level(nn.Module):
    """x + gelu(conv(norm x)), the convolution causal and dilated.

    It runs as a 1 × kernel conv2d over channels-last memory, which is what (B, L, D) already is; on CPUs that is
    several times faster than conv1d.
    """

    def __init__(self, dim: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation  # inputs before the current one
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv2d(dim, dim, (1, kernel), dilation=(1, dilation))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return x + self.convolve(pad(self.norm(x), (0, 0, self.reach, 0)))

    def convolve(self, window: Tensor) -> Tensor:
        """(B, reach + L, D) of normed inputs -> (B, L, D)."""
        image = window.transpose(1, 2)[:, :, None]  # (B, D, 1, reach + L), channels last
        return gelu(self.conv(image)[:, :, 0].transpose(1, 2))


class Tcn(StreamingModel):
    """Residual causal convolutions of dilation 1, 2, 4, … (WaveNet, arXiv:1609.03499; TCN, arXiv:1803.01271).

    One convolution of size k a level, levels 0 … d: an output sees exactly (k − 1)(2^(d+1) − 1) + 1 inputs. State:
    for every level its last (k − 1)·dilation normed inputs, (B, reach, D).
    """

    def __init__(self, dim: int = 64, levels: int = 6, kernel: int = 4) -> None:
        super().__init__(dim)
        at_least(1, levels=levels)
        at_least(2, kernel=kernel)
        self.reaches = [(kernel - 1) * 2**level for level in range(levels)]
        self.levels = nn.ModuleList(Level(dim, kernel, 2**level) for level in range(levels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        for level in self.levels:
            x = level(x)
        return x

    def receptive_field(self, length: int) -> int | None:
        """The formula above."""
        return sum(self.reaches) + 1

    def init_state(self, batch: int) -> list[Tensor]:
        """Zeros: what padding puts before the first input."""
        return [self.zeros(batch, reach, self.dim) for reach in self.reaches]

    def step(self, x_t: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, D) and the state -> (B, D) and the next state."""
        following = []
        for level, past in zip(self.levels, state, strict=True):
            assert isinstance(level, Level)
            window = torch.cat((past, level.norm(x_t)[:, None]), dim=1)
            x_t = x_t + level.convolve(window)[:, 0]
            following.append(window[:, 1:])
        return x_t, following
