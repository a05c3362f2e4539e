"""The Transformer decoder."""

from typing import get_args

from torch import Tensor, nn

from models.attention import Attention
from models.base import at_least, one_of
from models.positions import Learned, Positions, Sinusoidal
from models.residual import Norm, ResidualStack


class Transformer(ResidualStack):
    """Causal self-attention in heads of `head_dim`, and an MLP of mlp · dim, `layers` times (arXiv:1706.03762).

    `norm`: before each of the two, inside the residual branch ("pre"), or after each addition ("post", as published).
    `positions`: "rope" (arXiv:2104.09864) and "alibi" (arXiv:2108.12409) act on every layer's scores; "sinusoidal" and
    "learned", which ends at `max_length`, are added to the input of the first. Its state is the whole past.
    """

    def __init__(
        self,
        dim: int = 64,
        layers: int = 2,
        head_dim: int = 16,
        mlp: int = 4,
        norm: Norm = "pre",
        positions: Positions = "rope",
        max_length: int = 4096,
    ) -> None:
        at_least(1, layers=layers, max_length=max_length)
        one_of(get_args(Positions), positions=positions)
        added = positions in ("sinusoidal", "learned")
        within = "none" if added else positions  # what is left to the layers
        super().__init__(dim, (Attention(dim, head_dim, within) for _ in range(layers)), mlp, norm)
        self.place = nn.Identity()
        if added:
            self.place = Sinusoidal() if positions == "sinusoidal" else Learned(dim, max_length)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return super().forward(self.place(x))
