"""What every architecture must keep, checked one clause at a time: the tests run it, and so does `spanbench check`.

A check takes `build`, which makes the model afresh with the same weights each time. It returns what it has verified, or
why the clause does not apply, and raises Breach with what is wrong, where, and what to do. Lengths are in positions.
"""

import re
import tempfile
from collections.abc import Callable

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from benchmark.pinpoint import ROUNDING, Breach, Build, Verified, by_position, farthest, first_leak, inputs, joint_leak
from benchmark.stepping import streaming

LENGTHS = (1, 2, 257)
LONG = 4096
CUTS = (64, 100, 128, 150, 192, 225, 256)  # of 257 inputs: within and between the blocks that models like to cut into
MOST_NAMES = 6  # parameters that a complaint names


def shape(build: Build) -> Verified:
    """(B, L, D) in, (B, L, D) out, for short and odd lengths, in training and in evaluation."""
    model = build()
    hint = "return one tensor of the input's shape, batch first, for any length from 1 on"
    for length in LENGTHS:
        x = inputs(model, 3, length)
        for mode in (True, False):
            y = model.train(mode)(x)
            if not isinstance(y, Tensor):
                raise Breach(f"it returns a {type(y).__name__}, where a tensor (B, L, D) is due", hint)
            if tuple(y.shape) != (3, length, model.dim):
                raise Breach(f"input (3, {length}, {model.dim}) gave output {tuple(y.shape)}", hint)
    return Verified(f"(3, L, {model.dim}) in, the same out, for L = {', '.join(map(str, LENGTHS))}")


def causality(build: Build) -> Verified:
    """A causal model ignores what comes later; one that is not must say so, and be right.

    Every input of 70 is drawn anew by itself, and all from a cut on together, of 70 and of 257 inputs.
    """
    model, length, cut = build().eval(), 70, 41
    found = first_leak(model, length) or joint_leak(model, length, cut)
    if model.causal and not found:
        found = next((leak for at in CUTS if (leak := joint_leak(model, LENGTHS[-1], at))), None)
    if model.causal and found:
        raise Breach(
            f"{found}",
            "output t may use inputs 0 … t alone: look for a mean, norm, flip, roll, padding or attention mask along "
            "time; a model that is meant to read ahead says causal = False",
        )
    if not model.causal and not found:
        raise Breach("causal is False, yet no output depends on a later input", "leave causal = False out")
    x = inputs(model, 2, length)
    now = x.clone()
    now[:, cut:] = inputs(model, 2, length - cut, seed=1)
    if by_position(model(x), model(now))[cut] < 1e-4:
        raise Breach(
            f"output {cut} does not depend on input {cut}",
            "an answer is read at the position of its question, so output t must use x_t itself: is it one late?",
        )
    if not model.causal:
        return Verified(f"causal = False, rightly: {found}", applies=False)
    return Verified(f"no output changes with a later input of {length}, or with all from a cut on of {LENGTHS[-1]}")


def gradients(build: Build) -> Verified:
    """The loss at the last output reaches every parameter; of a model that reads ahead, the loss at all of them."""
    model = build()
    x = inputs(model, 2, 30).requires_grad_()
    y = model(x)
    if not y.isfinite().all():
        return Verified("outputs are not finite", applies=False)
    where, asked = ("the last output", y[:, -1:]) if model.causal else ("the outputs", y)
    if asked.requires_grad:
        asked.square().sum().backward()
    each = {"the input": x, **dict(model.named_parameters())}
    without = [name for name, p in each.items() if p.grad is None or not p.grad.any()]
    if without:
        raise Breach(
            f"no gradient of {where} reaches {_listed(without)}",
            "use it in forward, without detach, .data or no_grad; what is not learned is a buffer (register_buffer)",
        )
    return Verified(f"the gradient of {where} reaches the input and all {len(each) - 1} parameters")


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def long_inputs(build: Build) -> Verified:
    """Outputs and gradients stay finite over 4,096 positions."""
    model = build()
    for length in (70, LONG):
        x = inputs(model, 1, length).requires_grad_()
        y = model(x)
        if not y.isfinite().all():
            raise Breach(
                f"output {int((~y.isfinite()).any(2).nonzero()[0, 1])} of {length} is not finite",
                "what multiplies the state at every step must not exceed 1; a softmax needs one score that is finite",
            )
    if y.requires_grad:
        y.square().mean().backward()
    each = {"the input": x, **dict(model.named_parameters())}
    wrong = [name for name, p in each.items() if p.grad is not None and not p.grad.isfinite().all()]
    if wrong:
        raise Breach(
            f"over {LONG} positions the gradient is not finite at {_listed(wrong)}",
            "look for a root, a norm or a division that can meet 0, or for products that grow with the length",
        )
    return Verified(f"outputs and gradients are finite over {LONG:,} positions")


def independence(build: Build) -> Verified:
    """One sequence's output does not depend on the others in its batch."""
    model = build()
    x = inputs(model, 3, 50)
    moved = by_position(model(x)[:1], model(x[:1]))
    if moved.max() > ROUNDING:
        at = int((moved > ROUNDING).nonzero()[0])
        raise Breach(
            f"alone, a sequence's output {at} differs by {float(moved[at]):.1e} from what it is in a batch",
            "look for a mean or a norm over the batch (BatchNorm), or a reshape that mixes it with time",
        )
    return Verified("a sequence alone gives what it gives in a batch of 3")


def determinism(build: Build) -> Verified:
    """The same weights and inputs give the same output, bit for bit."""
    model, other = build().eval(), build().eval()
    x = inputs(model, 2, 60)
    y, again = model(x), model(x)
    hint = "in evaluation draw nothing at random, and keep nothing on self from call to call"
    if not same(y, again):
        raise Breach(f"the same weights and inputs gave two outputs, {_apart(y, again)}", hint)
    if not same(y, other(x)):
        said = f"built twice from one seed, the same inputs gave two outputs, {_apart(y, other(x))}"
        raise Breach(said, "draw initial weights with torch's own generator, which the seed sets")
    return Verified("called twice, and built twice from one seed, it gives the same output, bit for bit")


def same(a: Tensor, b: Tensor) -> bool:
    """Bit for bit, where not a number is what it was, too."""
    return torch.equal(a.nan_to_num(), b.nan_to_num())


def _apart(a: Tensor, b: Tensor) -> str:
    moved = by_position(a, b)
    at = int((moved > 0).nonzero()[0]) if (moved > 0).any() else 0
    return f"first at position {at}, by {float(moved[at]):.1e} of its scale"


def reloading(build: Build) -> Verified:
    """Weights written and read again give the same output: nothing that matters lives outside the state dict."""
    model, other = build(), build().eval()
    x = inputs(model, 2, 40)
    model(x)  # in training: what it gathers on the way must be in the state dict, too
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/weights.safetensors"
        save_model(model, path)
        load_model(other, path)
    if not same(model(x), other(x)):
        raise Breach(
            f"reloaded weights give another output, {_apart(model(x), other(x))}",
            "a tensor that matters is neither parameter nor buffer: register_buffer it; derive others in forward",
        )
    return Verified("weights written and read again give the same output")


def receptive_field(build: Build) -> Verified:
    """No output depends on more inputs than claimed, and some output depends on exactly so many."""
    model = build().double().eval()
    reach = model.receptive_field(LONG)
    if reach is not None and (not isinstance(reach, int) or reach < 1):
        raise Breach(f"receptive_field gave {reach!r}", "return a whole number from 1 on, or None for all inputs")
    if reach is None:
        return Verified("it claims none: an output may depend on all inputs up to its own", applies=False)
    if not model.causal:
        return Verified("not tried of a model that reads ahead", applies=False)
    if reach >= LONG:
        return Verified(f"{reach:,} inputs are more than are tried", applies=False)
    seen, tried, of = farthest(model, reach)
    hint = f"return {seen} for these options, or None for all inputs"
    if seen > reach:
        raise Breach(f"receptive_field says {reach} inputs, but an output depends on {seen} or more", hint)
    if seen < reach:
        raise Breach(f"receptive_field says {reach} inputs, but no output depends on more than {seen}", hint)
    some = "" if tried == of else f", {tried} of {of} first inputs tried"
    return Verified(f"an output depends on {reach:,} inputs, none on more{some}")


def mixed_precision(build: Build) -> Verified:
    """Under bfloat16 autocast it runs, backward too, and stays near the full-precision output."""
    model = build()
    x = inputs(model, 2, 40).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = model(x)
        if y.requires_grad:
            y.float().square().mean().backward()
    with torch.no_grad():
        exact = model(x)
        if not exact.isfinite().all():
            return Verified("outputs are not finite in full precision", applies=False)
        error = float((y - exact).square().mean().sqrt() / exact.std())
    if not error < 0.1:
        raise Breach(
            f"under bfloat16 autocast outputs are off by {error:.2f} of their spread",
            "keep sums along time and exponentials in float32: x.float() inside forward",
        )
    return Verified(f"under bfloat16 autocast outputs are off by {error:.1e} of their spread")


def operations(build: Build) -> Verified:
    """Its operations can be counted, on tensors that have a shape and no numbers."""
    length = 16
    try:
        n = build().flops(length)
    except RuntimeError as error:
        if not re.search("expected device|same device", str(error)):
            raise
        hint = "use nn.Parameter, register_buffer or nn.ModuleList; what is made in forward takes x.device"
        raise Breach("a tensor or a module is not registered: it stays behind when the model moves", hint) from None
    if not isinstance(n, int) or n < 0:
        raise Breach(f"flops gave {n!r}", "return a whole number: operations of the forward pass of one sequence")
    return Verified(f"counted over {length} positions: {n:,}")


CHECKS: dict[str, Callable[[Build], Verified]] = {
    "shape": shape,
    "causality": causality,
    "step = forward": streaming,
    "gradients": gradients,
    "long inputs": long_inputs,
    "independent sequences": independence,
    "determinism": determinism,
    "reloading": reloading,
    "receptive field": receptive_field,
    "mixed precision": mixed_precision,
    "operations": operations,
}
