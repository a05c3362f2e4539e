"""Step by step against forward: the clause of the contract for models that stream."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmark.budget import n_bytes
from benchmark.pinpoint import Breach, Build, Verified, by_position, inputs
from models.base import SequenceModel, StreamingModel

STEPS, BATCH = 90, 3
TOLERANCE = 1e-4  # of the output's scale


def streaming(build: Build) -> Verified:
    """Step by step gives what forward gives, in a state that does not grow."""
    model = build().eval()
    if not isinstance(model, StreamingModel):
        if hasattr(model, "step"):
            raise Breach("it has a step, and is no StreamingModel", "derive it from models.base.StreamingModel")
        return Verified("it has no step", applies=False)
    x = inputs(model, BATCH, STEPS)
    first = model.init_state(BATCH)
    allowed, state = n_bytes(first), copy.deepcopy(first)
    outputs, faults = [], []
    for t, x_t in enumerate(x.unbind(1)):
        y, state = _stepped(model, x_t, state, t)
        outputs.append(y)
        if n_bytes(state) > allowed and not faults:
            faults.append(f"the state grows from {allowed // BATCH} to {n_bytes(state) // BATCH} bytes at step {t}")
    apart = by_position(model(x), torch.stack(outputs, 1))
    if (apart > TOLERANCE).any():
        at = int((apart > TOLERANCE).nonzero()[0])
        faults += _of_state(model, first, state)
        faults.insert(0, f"first differs at step {at} by {float(apart[at]):.1e} of the output's scale")
    if faults:
        raise Breach("; ".join(faults), _what_to_do(faults))
    size = f"in a state of {allowed // BATCH:,} bytes"
    return Verified(f"{STEPS} steps give what forward gives, within {float(apart.max()):.0e} of its scale, {size}")


def _stepped(model: StreamingModel, x_t: Tensor, state: object, t: int) -> tuple[Tensor, object]:
    """One step, its results looked at. Raises Breach."""
    found = model.step(x_t, state)
    if not isinstance(found, tuple) or len(found) != 2:
        raise Breach(f"step returns a {type(found).__name__}", "return two things: the output (B, D), the next state")
    y, state = found
    if not isinstance(y, Tensor) or y.shape != x_t.shape:
        given = f"an output {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise Breach(f"step {t} gave {given}, where {tuple(x_t.shape)} is due", "return (B, D) and the next state")
    for part in leaves(state):
        if not isinstance(part, Tensor | int | float | None):
            said = f"the state holds a {type(part).__name__} after step {t}"
            raise Breach(said, "keep it in tensors, batch first, in lists, tuples or dicts: others are not counted")
    return y, state


def leaves(state: object) -> Iterator[object]:
    """What a state holds, however nested."""
    if isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from leaves(part)
    else:
        yield state


def _of_state(model: SequenceModel, first: object, last: object) -> list[str]:
    """What is wrong with a state, seen from that before the first input and that after the last."""
    before, after = ([each for each in leaves(state) if isinstance(each, Tensor)] for state in (first, last))
    wanted = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    narrow = [x.dtype for x in after if x.is_floating_point() and x.element_size() < wanted.itemsize]
    if narrow:
        return [f"the state is kept in {narrow[0]}, and the parameters in {wanted}"]
    if before and len(before) == len(after) and all(map(torch.equal, before, after)):
        return ["step hands its state on unchanged"]
    return []


def _what_to_do(faults: list[str]) -> str:
    said = "; ".join(faults)
    if "grows" in said:
        return "a state has a fixed size: keep a sum or the last few inputs, not all of them"
    if "kept in" in said:
        return "make the state with self.zeros(…), which has the parameters' precision, and do not cast it"
    if "unchanged" in said:
        return "return the next state, not the one that came in"
    if "step 0 " in said:
        return "already the first step is wrong: compare init_state and step with what forward starts from"
    return "the first step is right: look at the state that step hands on, and at how the next step reads it"
