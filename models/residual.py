"""The residual stack: what most architectures are, once their mixer is written down."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from models.base import GatedModel, SequenceModel, StreamingModel, at_least, one_of

Norm = Literal["pre", "post"]


class Mlp(nn.Module):
    """W₂ gelu(W₁ x), `hidden` wide."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(dim, hidden, bias=False), nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return self.down(gelu(self.up(x)))


class Block(nn.Module):
    """x + f(norm x) for a mixer along time and then, where `mlp` > 0, for an MLP of mlp · dim.

    With `norm="post"`, norm(x + f(x)) (Vaswani 2017); pre-norm keeps a path from output to input that nothing scales
    (Xiong et al. 2020).
    """

    def __init__(self, mixer: SequenceModel, mlp: int = 0, norm: Norm = "pre") -> None:
        super().__init__()
        one_of(get_args(Norm), norm=norm)
        at_least(0, mlp=mlp)
        dim = mixer.dim
        self.pre, self.mixer, self.norm_mixer = norm == "pre", mixer, nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp * dim) if mlp else None
        self.norm_mlp = nn.LayerNorm(dim) if mlp else None
        self.mlp_weights = 2 * mlp * dim * dim

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x = x + self.mixer(self.norm_mixer(x)) if self.pre else self.norm_mixer(x + self.mixer(x))
        return self.feed_forward(x)

    def feed_forward(self, x: Tensor) -> Tensor:
        """The MLP's half, position by position: (…, D) -> (…, D)."""
        if self.mlp is None or self.norm_mlp is None:
            return x
        return x + self.mlp(self.norm_mlp(x)) if self.pre else self.norm_mlp(x + self.mlp(x))

    def received(self, x: Tensor) -> Tensor:
        """What the mixer is given of the block's input: (…, D) -> (…, D)."""
        return self.norm_mixer(x) if self.pre else x

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(B, D) and the mixer's state -> (B, D) and its next state."""
        assert isinstance(self.mixer, StreamingModel)
        y, state = self.mixer.step(self.received(x_t), state)
        return self.feed_forward(x_t + y if self.pre else self.norm_mixer(x_t + y)), state


class ResidualStack(SequenceModel):
    """One block after the other. A mixer is itself a SequenceModel, one layer without norm or residual.

    What comes as a block stays one; any other mixer becomes the mixer of one.
    """

    def __init__(self, dim: int, mixers: Iterable[SequenceModel | Block], mlp: int = 0, norm: Norm = "pre") -> None:
        super().__init__(dim)
        self.blocks = nn.ModuleList(each if isinstance(each, Block) else Block(each, mlp, norm) for each in mixers)
        if not self.blocks:
            raise ValueError("layers must be at least 1, got 0")

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        for block in self.blocks:
            x = block(x)
        return x

    def units(self) -> list[Block]:
        """The blocks."""
        return blocks_of(self)

    def receptive_field(self, length: int) -> int | None:
        """Each layer adds what its mixer looks back."""
        looks = [block.mixer.receptive_field(length) for block in blocks_of(self)]
        return None if None in looks else sum(look - 1 for look in looks if look is not None) + 1

    def flops(self, length: int) -> int:
        """The mixers' own, and every weight of the MLPs once a position."""
        return sum(block.mixer.flops(length) + 2 * length * block.mlp_weights for block in blocks_of(self))


class StreamingStack(ResidualStack, StreamingModel):
    """A residual stack whose mixers stream. State: a list, what each mixer carries."""

    def init_state(self, batch: int) -> list[Any]:
        """Every mixer's state before the first input."""
        return [block.mixer.init_state(batch) for block in self.blocks]  # pyright: ignore

    def step(self, x_t: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        """(B, D) and the state -> (B, D) and the next state."""
        following = []
        for block, carried in zip(self.blocks, state, strict=True):
            assert isinstance(block, Block)
            x_t, carried = block.step(x_t, carried)
            following.append(carried)
        return x_t, following


class GatedStack(StreamingStack, GatedModel):
    """A residual stack whose mixers are gated."""

    def forget_gates(self, x: Tensor) -> Tensor:
        """The mixers' own, each on what it receives: (B, L, D) -> (layers, B, L, U)."""
        gates = []
        for block in blocks_of(self):
            assert isinstance(block.mixer, GatedModel)
            gates.append(block.mixer.forget_gates(block.received(x)))
            x = block(x)
        return torch.cat(gates)


def blocks_of(model: SequenceModel) -> list[Block]:
    """A stack's own blocks; any other model becomes the mixer of one."""
    if isinstance(model, ResidualStack):
        return [block for block in model.blocks if isinstance(block, Block)]
    return [Block(model)]
