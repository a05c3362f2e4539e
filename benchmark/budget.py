"""What a model costs before it is run: parameters, operations, state; and the width that fits a budget."""

import inspect
import math
import re
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from benchmark.registry import UsageError, entry, load_class
from benchmark.resolver import check_kind
from leaderboard.cell import Part
from models.base import SequenceModel, StreamingModel

WIDEST = 2**14
NEAR = 1.25  # how far from a budget models may be taken that are to be alike, as a factor
ALIKE = 1.02  # the ratio of two models' parameters below which they are as good as equal
COARSEST = 256  # the largest step between widths that a model accepts


class TooLarge(UsageError):  # noqa: N818
    """No width of a model fits the budget."""


@dataclass(frozen=True)
class Sizes:
    """What one architecture is at one width; FLOPs and the bound at one length."""

    dim: int
    n_params: int
    flops_per_token: float
    state_bytes: int | None  # None: it does not stream
    bound: int | None  # inputs that an output can depend on; None: all
    causal: bool


def sizes(model: SequenceModel, length: int) -> Sizes:
    """Parameters of the model itself (no embedding, no head), FLOPs of the forward pass a position, float32 state."""
    return Sizes(
        dim=model.dim,
        n_params=count(model),
        flops_per_token=model.flops(length) / length,
        state_bytes=n_bytes(model.init_state(1)) if isinstance(model, StreamingModel) else None,
        bound=model.receptive_field(length),
        causal=model.causal,
    )


def count(model: torch.nn.Module) -> int:
    """Numbers that training can change."""
    return sum(p.numel() for p in model.parameters())


def n_bytes(state: object) -> int:
    """Bytes of the tensors in a state, however nested."""
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return sum(n_bytes(part) for part in parts)


def parse_count(text: str) -> int:
    """'50000', '100k' or '1.5M' -> a number. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text)
    if not match:
        raise UsageError(f'--n-params: expected a count like 50000, 100k or 1M, got "{text}"')
    found = round(float(match[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[match[2]])
    if found < 1:
        raise UsageError(f"--n-params must be at least 1, got {text}")
    return found


def part_named(name: str) -> Part:
    """The model a name stands for, as its YAML has it. Raises UsageError."""
    found = entry("models", name)
    check_kind("model", name, load_class(found["class_path"]))
    return Part(name=name, class_path=found["class_path"], init_args=found["init_args"])


def parameters_at(part: Part, dim: int) -> int | None:
    """The model's own parameters at a width; None where it refuses the width."""
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            return count(load_class(part.class_path)(**part.init_args | {"dim": dim}))
    except ValueError:
        return None


def fit_alike(parts: list[Part], target: int) -> list[Part]:
    """Every model at a width, so that their own parameters are as equal as widths allow, within a quarter of `target`.

    Among choices that are equal within 2%, the closest to `target`. Raises UsageError where a model has no such width.
    """
    choices = [_widths(part, target) for part in parts]
    anchors = sorted({found for widths in choices for found in widths.values()})

    def nearest(anchor: int) -> list[tuple[int, int]]:
        return [min(widths.items(), key=lambda item: abs(math.log(item[1] / anchor))) for widths in choices]

    def unlike(anchor: int) -> tuple[float, float]:
        counts = [found for _, found in nearest(anchor)]
        return max(ALIKE, max(counts) / min(counts)), abs(math.log(anchor / target))

    best = nearest(min(anchors, key=unlike))
    return [
        part.model_copy(update={"init_args": part.init_args | {"dim": dim}})
        for part, (dim, _) in zip(parts, best, strict=True)
    ]


def _widths(part: Part, target: int) -> dict[int, int]:
    """Parameters at every width that comes near `target`."""
    found: dict[int, int] = {}
    try:
        dim = fit_width(part, round(target * NEAR)).init_args["dim"]
    except TooLarge:
        dim = 0
    while dim and (n := parameters_at(part, dim)) != 0 and (n is None or n * NEAR >= target):
        found |= {} if n is None else {dim: n}
        dim -= 1
    if not found:
        raise UsageError(f"--n-params {target}: {part.name} has no width with about as many parameters")
    return found


def fit_width(part: Part, target: int) -> Part:
    """`part` at the width whose own parameters (no embedding, no head) come closest to `target` from below.

    Widths that the model refuses (heads that do not divide them) are passed over. Raises UsageError where the
    narrowest model is already too large, or where no parameter depends on the width.
    """
    model_class = load_class(part.class_path)
    if "dim" not in inspect.signature(model_class).parameters:
        raise UsageError(f"--n-params: {part.name} has no dim to choose")

    @cache
    def accepted(dim: int) -> tuple[int, int] | None:
        """The widest model no wider than `dim`: width and parameters."""
        tried = ((width, parameters_at(part, width)) for width in range(dim, max(0, dim - COARSEST), -1))
        return next(((width, found) for width, found in tried if found is not None), None)

    def fits(dim: int) -> bool:
        return (found := accepted(dim)) is None or found[1] <= target

    narrowest = next((dim for dim in range(1, COARSEST + 1) if accepted(dim)), None)
    if narrowest is None:
        model_class(**part.init_args)  # says what is wrong, if it is not the width
        raise UsageError(f"--n-params: {part.name} refuses every width up to {COARSEST}")
    if accepted(narrowest) == accepted(2 * narrowest) or parameters_at(part, narrowest) == 0:
        raise UsageError(f"--n-params: {part.name} has no parameters that a width could change")
    if not fits(narrowest):
        raise TooLarge(
            f"--n-params {target}: {part.name} has {parameters_at(part, narrowest)} at its narrowest, dim={narrowest}"
        )
    low, high = narrowest, 2 * narrowest
    while fits(high) and high < WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    found = accepted(low)
    assert found is not None
    return part.model_copy(update={"init_args": part.init_args | {"dim": found[0]}})
