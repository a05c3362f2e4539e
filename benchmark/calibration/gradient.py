"""Gradient profile: shapes and rates of models whose Jacobians are known."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmark.calibration.frozen import Checked, cell_of, record_of
from benchmark.calibration.influence import text
from benchmark.calibration.systems import GAIN, Dense, Leaky, PowerLaw, Unstable, frozen, legible
from benchmark.lit_sequence import LitSequence
from benchmark.measures.gradient import gradient
from leaderboard.calibration import Trace, number, word
from leaderboard.protocol import AGREES
from leaderboard.statistics.gradient import Profile, gradient_profile
from models.base import SequenceModel
from models.linear import Linear
from models.transformer_xl import TransformerXl
from tasks.base import Task
from tasks.delayed_recall import DelayedRecall
from tasks.language import Language

ORDER, U = 4, 1e-3  # of the RNN that looks several states back: the shortest path is all that counts
EXACT = 1e-6  # relative: what double precision leaves


def profile(lit: LitSequence, task: Task, horizon: int) -> Profile:
    """The measure, whole, and what is read off its record."""
    language = isinstance(task, Language)
    lags = [horizon] if language else [1, horizon]
    cell = cell_of("frozen", task, "language" if language else "retain", lags, measures=["gradient"])
    weights = {name: tensor.detach().clone() for name, tensor in lit.state_dict().items()}
    found = gradient_profile([record_of(cell, task, lit, [gradient(lit, task, cell, weights)])])
    assert found is not None
    return found


def shapes(reduced: bool) -> Checked:
    """Exponentials of three rates, one of which explodes, and power laws; on text, and on a recall task."""
    models: dict[str, tuple[Callable[[int], SequenceModel], str, float]] = {
        "linear, ρ = 0.9": (partial(Linear, rho=0.9), "exponential", 0.9),
        "linear, ρ = 0.99": (partial(Linear, rho=0.99), "exponential", 0.99),
        "unstable, ρ = 1.02": (partial(Unstable, rho=1.02), "exponential", 1.02),
        "kernel ℓ^−0.5": (partial(PowerLaw, alpha=0.5), "power law", 0.5),
        "kernel ℓ^−1.5": (partial(PowerLaw, alpha=1.5), "power law", 1.5),
    }
    places: dict[str, tuple[Task, int]] = {"text": (text(128, 200), 128) if reduced else (text(1024, 700), 512)}
    places |= {} if reduced else {"delayed recall": (DelayedRecall(), 128)}  # further out, what explodes is sure
    for where, (task, horizon) in places.items():
        for model, (make, shape, rate) in models.items():
            if where == "delayed recall" and shape == "power law":
                continue  # there the current input has lag 0, which this kernel counts as 1
            name = f"{model}, {where}"
            found = profile(legible(make, task, GAIN), task, horizon)
            yield from told(name, found, shape, rate)


def told(name: str, found: Profile, shape: str, rate: float) -> Checked:
    """Shape, rate and whether it explodes, before and after a training that changed nothing."""
    exponential = shape == "exponential"
    expected = rate**found.lags if exponential else found.lags**-rate
    yield Trace(
        measure="gradient", system=name, x=found.lags.tolist(),
        found=(found.after / found.after[0]).tolist(), expected=(expected / expected[0]).tolist(),
    )  # fmt: skip
    for when, each in (("before", found.shape_before), ("after", found.shape_after)):
        yield word("gradient", name, f"shape {when} training", each.name or "none", shape)
        value = (each.rho if exponential else each.alpha) or math.nan
        what = f"{'ρ' if exponential else 'α'} {when} training"
        said = f"{rate}; its {'time constant' if exponential else 'value'} within {AGREES:.0%}"
        ends = (rate**end if exponential else rate * end for end in (1 - AGREES, 1 + AGREES))
        low, high = sorted(ends)
        yield number("gradient", name, what, value, low, high, said)
    verdict = "explodes" if found.shape_after.explodes else "does not explode"
    yield word("gradient", name, "verdict", verdict, "explodes" if exponential and rate > 1 else "does not explode")


def paths(reduced: bool) -> Checked:
    """J(ℓ) of an RNN that looks m states back takes ⌈ℓ/m⌉ factors, its shortest path; a detached memory has no path."""
    task = DelayedRecall()
    found = profile(legible(partial(Dense, order=ORDER, u=U), task, GAIN), task, 32)
    steps = np.log(found.after / found.after[0]) / math.log(U) + 1  # lag 1 takes one
    expected = np.ceil(found.lags / ORDER)
    name = f"RNN with the last {ORDER} states"
    worst = float(np.abs(np.rint(steps) - expected).max())
    yield number("gradient", name, f"factors across ℓ against ⌈ℓ/{ORDER}⌉, up to ℓ = 32", worst, 0, 0)
    prose, name = text(128, 200), "Transformer-XL, 16 and 16, 2 layers"
    lit = frozen(lambda: TransformerXl(dim=8, layers=2, segment=16, memory=16, head_dim=8), prose)
    found = profile(lit, prose, 128)
    last = float(found.lags[found.after > 0].max())
    yield number("gradient", name, "last lag with a gradient", last, 16, 16, "16, its segment; influence goes on to 48")


def gates(reduced: bool) -> Checked:
    """A gate that is always ρ lets ρ^ℓ through."""
    task, rho = DelayedRecall(), 0.95
    found = profile(legible(partial(Leaky, rho=rho), task, GAIN), task, 64)
    assert found.gates is not None
    worst = float(np.abs(found.gates[0] / rho**found.lags - 1).max())
    yield number("gradient", f"gate of {rho}", "∏ f against ρ^ℓ, relative", worst, 0, EXACT)


PARTS = (shapes, paths, gates)
