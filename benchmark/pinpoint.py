"""Where a model leaves its contract: what a clause raises or returns, and which input reaches which output."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.base import SequenceModel

ROUNDING = 1e-5  # of the output's scale, in float32: what an FFT or another order of summation may leave
WORK = 400_000  # positions that a search of a receptive field may run over
AT_ONCE = 16_384  # positions in one batch of it
Build = Callable[[], SequenceModel]


class Breach(AssertionError):  # noqa: N818
    """The contract is broken: `said` tells what is wrong and where, `hint` what to do."""

    def __init__(self, said: str, hint: str) -> None:
        super().__init__(f"{said}; {hint}")
        self.said, self.hint = said, hint


@dataclass(frozen=True)
class Verified:
    """What a check has found right or, where the clause does not apply to the model, why not."""

    said: str
    applies: bool = True


def inputs(model: SequenceModel, batch: int, length: int, seed: int = 0) -> Tensor:
    """(B, L, D) from N(0, 1), as embeddings are at the start of training."""
    return torch.randn(batch, length, model.dim, generator=torch.Generator().manual_seed(seed))


def by_position(a: Tensor, b: Tensor) -> Tensor:
    """Largest difference of two outputs (B, L, D) at each position, as a share of their scale: (L,)."""
    scale = a.abs().amax().clamp(min=1e-6)
    return ((a - b).abs().amax((0, 2)) / scale).detach()


@dataclass(frozen=True)
class Leak:
    """An output that depends on a later input: by how much of its scale it moves when that input is drawn anew."""

    source: int
    target: int
    size: float

    def __str__(self) -> str:
        return (
            f"output {self.target} changes by {self.size:.1e} of its scale with input {self.source}, which comes later"
        )


@torch.no_grad()
def first_leak(model: SequenceModel, length: int, confirm: bool = False) -> Leak | None:
    """The first input that reaches an earlier output, and the first such output; each input is drawn anew by itself.

    All inputs are tried in one batch, and where that shows anything (or with `confirm`) again one by one: what is
    reported does not hang on what else stands in a batch.
    """
    x, other = inputs(model, 1, length), inputs(model, 1, length, seed=1)
    base = model(x)
    if not confirm:
        rows = torch.arange(1, length)
        changed = x.repeat(length - 1, 1, 1)
        changed[rows - 1, rows] = other[0, rows]
        apart = (model(changed) - base).abs().amax(2) / base.abs().amax().clamp(min=1e-6)  # (L − 1, L)
        if not (apart * (torch.arange(length) < rows[:, None]) > ROUNDING).any():
            return None
    for source in range(1, length):
        changed = x.clone()
        changed[:, source] = other[:, source]
        apart = by_position(base, model(changed))[:source]
        if (apart > ROUNDING).any():
            target = int((apart > ROUNDING).nonzero()[0])
            return Leak(source, target, float(apart[target]))
    return None


@torch.no_grad()
def joint_leak(model: SequenceModel, length: int, cut: int) -> Leak | str | None:
    """Whether outputs before `cut` change with all inputs from there on; the pair to blame, where one input does."""
    x = inputs(model, 1, length)
    later = x.clone()
    later[:, cut:] = inputs(model, 1, length - cut, seed=1)
    moved = by_position(model(x), model(later))[:cut]
    if not (moved > ROUNDING).any():
        return None
    target = int((moved > ROUNDING).nonzero()[0])
    together = f"output {target} changes by {float(moved[target]):.1e} of its scale with inputs {cut} and later"
    return first_leak(model, length, confirm=True) or together


@torch.no_grad()
def farthest(model: SequenceModel, reach: int) -> tuple[int, int, int]:
    """How many inputs an output can depend on, as far as 2 · `reach` + 3 inputs show it; double precision, causal.

    Inputs 0 … p are drawn anew, for every p up to `reach` or, where that would take too long, for some of them. Returns
    the most inputs found, its own included, how many p were tried, and how many there are.
    """
    length = 2 * reach + 3
    n_tried = max(2, min(reach + 1, WORK // length))
    ends = torch.linspace(0, reach, n_tried).round().long().unique()
    x, other = inputs(model, 1, length).double(), 10 * inputs(model, 1, length, seed=3).double()
    base, most, positions = model(x), 0, torch.arange(length)
    for part in ends.split(max(1, min(64, AT_ONCE // length))):
        fresh = positions <= part[:, None]  # (rows, L)
        moved = ((model(torch.where(fresh[..., None], x + other, x)) - base).abs() > 1e-10 * base.abs().amax()).any(2)
        last = (moved * positions).amax(1)
        most = max(most, int((last - part).max()) + 1)
    return most, len(ends), reach + 1
