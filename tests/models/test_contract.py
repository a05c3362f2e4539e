"""Every YAML in configs/models keeps the contract of models/base.py, and the contract catches those who do not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.contract import CHECKS, Breach
from benchmark.registry import entry, load_class, names
from models.base import SequenceModel, StreamingModel

DIM = 16


def built(name: str, **changes: int) -> SequenceModel:
    found = entry("models", name)
    torch.manual_seed(0)
    return load_class(found["class_path"])(**found["init_args"] | {"dim": DIM} | changes)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", names("models"))
def test_contract(name: str, check: str) -> None:
    CHECKS[check](lambda: built(name))


@pytest.mark.parametrize("name", names("models"))
def test_width(name: str) -> None:
    assert built(name, dim=32).dim == 32
    with pytest.raises(ValueError, match="dim"):
        built(name, dim=0)


class Faulty(StreamingModel):
    """A running mean of x, and then one fault."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__(dim)
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.cumsum(1)

    def init_state(self, batch: int) -> Any:
        return self.zeros(batch, self.dim)

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.scale * (state + x_t), state + x_t


class Transposes(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :-1] if x.shape[1] == 2 else super().forward(x)


class Peeks(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1e-3 * x.roll(-1, 1)


class SaysItPeeks(Faulty):
    causal = False


class Lags(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).roll(1, 1)


class StepsApart(Faulty):
    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.scale * (0.999 * state + x_t), 0.999 * state + x_t


class Grows(Faulty):
    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        past = state if isinstance(state, list) else []
        return self.scale * sum([*past, x_t]), [*past, x_t]


class Idle(Faulty):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)


class Explodes(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 1.05 ** torch.arange(x.shape[1], dtype=x.dtype)[:, None]


class Mixes(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class Drifts(Faulty):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class Hoards(Faulty):
    def __init__(self) -> None:
        super().__init__()
        self.drawn = torch.rand(DIM)  # neither a parameter nor a buffer

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.drawn


class ClaimsTooLittle(Faulty):
    def receptive_field(self, length: int) -> int:
        return 5


class ClaimsTooMuch(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x

    def receptive_field(self, length: int) -> int:
        return 5


class Casts(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 5 * (x @ x.transpose(1, 2) @ x) * float(torch.is_autocast_enabled("cpu"))


@pytest.mark.parametrize(
    ("fault", "check", "message"),
    [
        (Transposes, "shape", r"\(3, 2, 16\) gave output \(3, 1, 16\)"),
        (Peeks, "causality", "output 0 changes by .* with input 1, which comes later"),
        (SaysItPeeks, "causality", "no output depends on a later input"),
        (Lags, "causality", "output 41 does not depend on input 41|changes"),
        (StepsApart, "step = forward", "first differs at step 1 "),
        (Grows, "step = forward", "grows from"),
        (Idle, "gradients", "unused.weight, unused.bias"),
        (Explodes, "long inputs", "not finite"),
        (Mixes, "independent sequences", "alone"),
        (Drifts, "determinism", "two outputs"),
        (Hoards, "reloading", "another output"),
        (ClaimsTooLittle, "receptive field", "says 5 inputs, but an output depends on"),
        (ClaimsTooMuch, "receptive field", "no output depends on more than 1"),
        (Casts, "mixed precision", "off by"),
    ],
)
def test_each_clause_catches_its_fault(fault: Callable[[], SequenceModel], check: str, message: str) -> None:
    with pytest.raises(Breach, match=message):
        CHECKS[check](fault)
    if fault is not SaysItPeeks:
        CHECKS[check](Faulty)
