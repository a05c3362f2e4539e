"""What every architecture must keep, checked one clause at a time: the tests run it, and so can an author.

A check takes `build`, which makes the model afresh with the same weights each time, and raises Breach with what is
wrong and where. Lengths are in positions.
"""

import tempfile
from collections.abc import Callable

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from benchmark.budget import n_bytes
from models.base import SequenceModel, StreamingModel

Build = Callable[[], SequenceModel]
LENGTHS = (1, 2, 257)
LONG = 4096
ROUNDING = 1e-5  # of the output's scale, in float32: what an FFT or another order of summation may leave
STEP_TOLERANCE = 1e-4


class Breach(AssertionError):  # noqa: N818
    """The contract is broken; the message says where."""


def inputs(model: SequenceModel, batch: int, length: int, seed: int = 0) -> Tensor:
    """(B, L, D) from N(0, 1), as embeddings are at the start of training."""
    return torch.randn(batch, length, model.dim, generator=torch.Generator().manual_seed(seed))


def by_position(a: Tensor, b: Tensor) -> Tensor:
    """Largest difference of two outputs (B, L, D) at each position, as a share of their scale: (L,)."""
    scale = a.abs().amax().clamp(min=1e-6)
    return ((a - b).abs().amax((0, 2)) / scale).detach()


def shape(build: Build) -> None:
    """(B, L, D) in, (B, L, D) out, for short and odd lengths, in training and in evaluation."""
    model = build()
    for length in LENGTHS:
        x = inputs(model, 3, length)
        for mode in (True, False):
            y = model.train(mode)(x)
            if not isinstance(y, Tensor):
                raise Breach(f"it returns a {type(y).__name__}, where a tensor (B, L, D) is due")
            found = tuple(y.shape)
            if found != (3, length, model.dim):
                raise Breach(f"input (3, {length}, {model.dim}) gave output {found}")


def causality(build: Build) -> None:
    """A causal model ignores what comes later; one that is not must say so, and be right."""
    model, length, cut = build().eval(), 70, 41
    x = inputs(model, 2, length)
    later = x.clone()
    later[:, cut:] = inputs(model, 2, length - cut, seed=1)
    moved = by_position(model(x), model(later))
    worst = int(moved[:cut].argmax())
    if model.causal and moved[worst] > ROUNDING:
        raise Breach(
            f"output {worst} changes by {float(moved[worst]):.1e} of its scale with inputs {cut} and "
            "later; a model that is meant to read ahead says causal = False"
        )
    if not model.causal and moved[:cut].max() <= ROUNDING:
        raise Breach("causal is False, yet no output depends on a later input")
    if moved[cut] < 1e-4:
        raise Breach(f"output {cut} does not depend on input {cut}")


def streaming(build: Build) -> None:
    """Step by step gives what forward gives, in a state that does not grow."""
    model = build().eval()
    if not isinstance(model, StreamingModel):
        if hasattr(model, "step"):
            raise Breach("it has a step: derive it from StreamingModel")
        return
    x = inputs(model, 3, 90)
    state, outputs, sizes = model.init_state(3), [], []
    for x_t in x.unbind(1):
        y, state = model.step(x_t, state)
        outputs.append(y)
        sizes.append(n_bytes(state))
    if max(sizes) > n_bytes(model.init_state(3)):
        raise Breach(f"the state grows from {n_bytes(model.init_state(3))} to {max(sizes)} bytes")
    apart = by_position(model(x), torch.stack(outputs, 1)) > STEP_TOLERANCE
    if apart.any():
        raise Breach(f"step differs from forward first at position {int(apart.nonzero()[0])}")


def gradients(build: Build) -> None:
    """The loss at the last output reaches every parameter; of a model that reads ahead, the loss at all of them."""
    model = build()
    y = model(inputs(model, 2, 30).requires_grad_())
    (y[:, -1:] if model.causal else y).square().sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    if without:
        raise Breach(f"no gradient reaches {', '.join(without)}")


def long_inputs(build: Build) -> None:
    """Outputs and gradients stay finite over 4,096 positions."""
    model = build()
    x = inputs(model, 1, LONG).requires_grad_()
    y = model(x)
    if not y.isfinite().all():
        raise Breach(f"output {int((~y.isfinite()).any(2).nonzero()[0, 1])} of {LONG} is not finite")
    y.square().mean().backward()
    tensors = {"the input": x, **dict(model.named_parameters())}
    wrong = [name for name, each in tensors.items() if each.grad is not None and not each.grad.isfinite().all()]
    if wrong:
        raise Breach(f"over {LONG} positions the gradient is not finite at {', '.join(wrong)}")


def independence(build: Build) -> None:
    """One sequence's output does not depend on the others in its batch."""
    model = build()
    x = inputs(model, 3, 50)
    moved = by_position(model(x)[:1], model(x[:1]))
    if moved.max() > ROUNDING:
        raise Breach(f"alone, a sequence's output {int(moved.argmax())} differs from what it is in a batch")


def determinism(build: Build) -> None:
    """The same weights and inputs give the same output, bit for bit."""
    model, other = build().eval(), build().eval()
    x = inputs(model, 2, 60)
    if not torch.equal(model(x), model(x)) or not torch.equal(model(x), other(x)):
        raise Breach("the same weights and inputs gave two outputs")


def reloading(build: Build) -> None:
    """Weights written and read again give the same output: nothing that matters lives outside the state dict."""
    model, other = build().eval(), build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    x = inputs(model, 2, 40)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/weights.safetensors"
        save_model(model, path)
        load_model(other, path)
    if not torch.equal(model(x), other(x)):
        raise Breach("reloaded weights give another output")


def receptive_field(build: Build) -> None:
    """No output depends on more inputs than claimed, and some output depends on exactly so many."""
    model = build().double().eval()
    reach = model.receptive_field(LONG)
    if reach is None or not model.causal:
        return
    length = 2 * reach + 3
    x = inputs(model, 1, length).double()
    base, seen = model(x).detach(), 0
    for start in range(0, reach + 1, 64):  # one input perturbed a row, 64 rows a batch
        rows = torch.arange(start, min(start + 64, reach + 1))
        other = x.repeat(len(rows), 1, 1)
        other[torch.arange(len(rows)), rows] += 10 * inputs(model, 1, 1, seed=3).double()[0, 0]
        moved = ((model(other).detach() - base).abs() > 1e-10 * base.abs().amax()).any(2)  # (rows, L)
        last = (moved * torch.arange(length)).amax(1)
        seen = max(seen, int((last - rows).max()) + 1)
    if seen > reach:
        raise Breach(f"receptive_field says {reach} inputs, but an output depends on {seen}")
    if seen < reach:
        raise Breach(f"receptive_field says {reach} inputs, but no output depends on more than {seen}")


def mixed_precision(build: Build) -> None:
    """Under bfloat16 autocast it runs, backward too, and stays near the full-precision output."""
    model = build()
    x = inputs(model, 2, 40).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = model(x)
        y.float().square().mean().backward()
    with torch.no_grad():
        exact = model(x)
        error = float((y - exact).square().mean().sqrt() / exact.std())
    if not error < 0.1:
        raise Breach(f"under bfloat16 autocast outputs are off by {error:.2f} of their spread")


CHECKS: dict[str, Callable[[Build], None]] = {
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
}
