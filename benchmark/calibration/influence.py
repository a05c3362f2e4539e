"""Influence: linear recurrences, structural bounds, and models that see what follows."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from benchmark.calibration.frozen import SEEDS, Checked, cell_of, record_of
from benchmark.calibration.sources import uniform
from benchmark.calibration.systems import GAIN, PowerLaw, frozen, legible
from benchmark.lit_sequence import LitSequence
from benchmark.measures.influence import influence, moved_by_lag
from benchmark.measures.recall import half_octaves
from leaderboard.calibration import Check, Trace, number, word
from leaderboard.measured import Influence, Moved
from leaderboard.protocol import AGREES, COVERS, FAINT, LEAK, MASS
from leaderboard.record import Record
from leaderboard.statistics.influence import faint_span, influence_curve, mass_span
from leaderboard.statistics.spans import Span
from models.base import SequenceModel
from models.bidirectional import Bidirectional
from models.linear import Linear
from models.sliding_window import SlidingWindow
from models.tcn import Tcn
from models.transformer_xl import TransformerXl
from tasks.base import Asked, Task
from tasks.delayed_recall import DelayedRecall
from tasks.language import Language
from tasks.tokenizers import Byte

REACHED = 1e-6  # share of the greatest influence, far above rounding

BOUNDS: dict[str, tuple[Callable[[], SequenceModel], int]] = {
    "TCN, kernel 2, 5 levels": (lambda: Tcn(dim=8, levels=5, kernel=2), (2 - 1) * (2**5 - 1) + 1),
    "TCN, kernel 4, 3 levels": (lambda: Tcn(dim=8, levels=3, kernel=4), (4 - 1) * (2**3 - 1) + 1),
    "windows of 16, 2 layers": (lambda: SlidingWindow(dim=8, layers=2, window=16, head_dim=8), 2 * (16 - 1) + 1),
    "Transformer-XL, 16 and 16, 2 layers": (
        lambda: TransformerXl(dim=8, layers=2, segment=16, memory=16, head_dim=8),
        16 + 16 + (2 - 1) * 16,
    ),
}


def text(horizon: int, documents: int) -> Language:
    """Symbols that nothing tells, a byte each."""
    return Language(uniform(documents, horizon + 1000), Byte(), block=64)


def recorded(name: str, lit: LitSequence, task: Task, lags: Sequence[int]) -> Record:
    """The measure, whole, in a record."""
    cell = cell_of(name, task, "language" if isinstance(task, Language) else "retain", lags, measures=["influence"])
    return record_of(cell, task, lit, [influence(lit, task, cell)])


def linear(reduced: bool) -> Checked:
    """h = ρ h + x: the last lag above 1%, and the lag that holds 95%, on a recall task and on text."""
    recall = DelayedRecall()
    for rho, horizon in ((0.9, 32), (0.99, 256)) if reduced else ((0.9, 32), (0.99, 256), (0.999, 2048)):
        lit = legible(partial(Linear, rho=rho), recall, GAIN)
        yield from told(f"linear, ρ = {rho}, delayed recall", recorded("linear", lit, recall, [1, horizon]), rho)
    for rho, horizon in ((0.9, 128),) if reduced else ((0.9, 128), (0.99, 1024)):
        task = text(horizon, 200 if reduced else 700)
        lit = legible(partial(Linear, rho=rho), task, GAIN)
        yield from told(f"linear, ρ = {rho}, text", recorded("linear", lit, task, [horizon]), rho)


def told(name: str, record: Record, rho: float) -> Checked:
    """The two spans, and the curve against ρ^(ℓ − 1)."""
    curve = influence_curve([record])
    assert curve is not None
    yield Trace(
        measure="influence", system=name, x=curve.lags.tolist(),
        found=(curve.influence / curve.influence[0]).tolist(), expected=(rho ** (curve.lags - curve.lags[0])).tolist(),
    )  # fmt: skip
    last, mass = 1 + math.floor(math.log(FAINT) / math.log(rho)), math.ceil(math.log(1 - MASS) / math.log(rho))
    yield near(name, f"last lag above {FAINT:.0%}", faint_span([record]), last)
    yield near(name, f"lag within which {MASS:.0%} lies", mass_span([record]), mass)


def near(name: str, what: str, span: Span, truth: int) -> Check:
    """A span against its closed form; a whole lag at least is allowed."""
    room = max(AGREES * truth, 1)
    found = round(span.value, 6) if span.value else math.nan  # it has been to a logarithm and back
    return number("influence", name, what, found, truth - room, truth + room, f"{truth} ± {room:.0f}")


def bounds(reduced: bool) -> Checked:
    """Nothing beyond the receptive field, something at its very end; lags one by one around it."""
    task = text(128, 200)
    for name, (make, bound) in BOUNDS.items():
        lit = frozen(make, task)
        yield number("influence", name, "receptive field, as the model states it", lit.model.receptive_field(128) or 0,
                     bound, bound)  # fmt: skip
        asked = (*half_octaves(1, bound - 4), *range(bound - 3, bound + 5), 2 * bound)
        cell = cell_of(name, task, "language", [128], measures=["influence"])
        found = moved_by_lag(lit, task, Asked(0, asked, n=16 if reduced else 32, horizon=128, width=1, window=1))
        curve = influence_curve([record_of(cell, task, lit, [found])])
        assert curve is not None
        lags = curve.lags.round().astype(int).tolist()
        share = dict(zip(lags, (curve.influence / curve.influence.max()).tolist(), strict=True))
        yield Trace(
            measure="influence", system=name, x=list(map(float, share)), found=list(share.values()),
            expected=[None if lag <= bound else 0.0 for lag in share],
        )  # fmt: skip
        yield number("influence", name, f"influence at {bound}, share of the greatest", share[bound], REACHED, None)
        beyond = max(value for lag, value in share.items() if lag > bound)
        yield number("influence", name, f"influence beyond {bound}", beyond, 0, 0)
        yield number("influence", name, "leak", curve.leak if curve.leak is not None else math.nan, 0, 0)


def leaks(reduced: bool) -> Checked:
    """A model that reads ahead is caught; the rounding of a Fourier transform is not taken for it."""
    recall, prose = DelayedRecall(), text(64, 200)
    for task, lags in ((recall, [1, 16]), (prose, [64])):
        where = "text" if task is prose else "delayed recall"
        reading = frozen(lambda: Bidirectional(dim=8, layers=1), task)
        single = legible(partial(PowerLaw, alpha=1.0), task, GAIN).float()
        for name, lit, verdict in (("reads ahead", reading, "leaks"), ("FFT, single precision", single, "causal")):
            curve = influence_curve([recorded(name, lit, task, lags)])
            assert curve is not None
            assert curve.leak is not None
            ends = (LEAK, None) if verdict == "leaks" else (0, LEAK)
            yield word("influence", f"{name}, {where}", "verdict", "leaks" if curve.leaks else "causal", verdict)
            yield number("influence", f"{name}, {where}", "leak, share of the greatest influence", curve.leak, *ends)


def coverage(reduced: bool) -> Checked:
    """Documents that differ in level and scatter, seeds whose time constants differ: is the span within its limits?"""
    rng, trials, lags = np.random.default_rng(0), 100 if reduced else 1000, np.arange(14)
    grid, task = np.unique(np.rint(2 ** (lags / 2))).astype(int), DelayedRecall()
    lit = frozen(lambda: Linear(dim=8), task)
    blank = record_of(cell_of("simulated", task, "retain", [1, 32]), task, lit, [])
    truth = np.array([1 + math.log(FAINT) / math.log(0.9), math.log(1 - MASS) / math.log(0.9)])
    covered = np.zeros(2)
    for _ in range(trials):
        times = -1 / math.log(0.9) * 2 ** rng.normal(0, 0.3, SEEDS)
        level = rng.lognormal(0, 0.5, (40, 1))
        records = []
        for seed, time in enumerate(times):
            values = level * np.exp(-(grid - 1) / time) * rng.lognormal(0, 0.5, (40, len(grid)))
            records.append(simulated(blank, seed, grid, values))
        for k, span in enumerate((faint_span(records), mass_span(records))):
            assert span.low is not None
            assert span.high is not None
            covered[k] += span.low <= truth[k] <= span.high
    for what, share in zip((f"{FAINT:.0%} lag", f"{MASS:.0%} of the mass"), covered / trials, strict=True):
        said = f"≥ {COVERS} of {trials} trials"
        yield number("influence", f"simulated, {SEEDS} seeds, {what}", "coverage", share, COVERS, None, said)


def simulated(blank: Record, seed: int, grid: np.ndarray, values: np.ndarray) -> Record:
    """A record with these amplitudes (documents, K)."""
    n = len(values)
    curve = [
        Moved(lag=lag, amplitudes=column, lag_sum=n * lag, lag_tokens=n * lag)
        for lag, column in zip(grid.tolist(), values.T.tolist(), strict=True)
    ]
    cell = blank.cell.model_copy(update={"seed": seed})
    found = Influence(documents=list(range(n)), curve=curve, leaks=[])
    return blank.model_copy(update={"id": cell.id, "cell": cell, "influence": found})


PARTS = (linear, bounds, leaks, coverage)
