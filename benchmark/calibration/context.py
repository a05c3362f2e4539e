"""Context: L(c), its gains and reliance, of predictors that know their source."""

from collections.abc import Sequence

import numpy as np

from benchmark.calibration.frozen import Checked, cell_of, record_of, trained
from benchmark.calibration.predictors import Foreign, KnowsCopy, KnowsMarkov, KnowsMixture, Predictor, Superstitious
from benchmark.calibration.sources import SIZE, Copy, Markov, Mixture, Source, uniform
from benchmark.extras import octaves_below, scored_contexts
from benchmark.lit_sequence import LitSequence
from benchmark.measures.context import block_losses, foreign_losses
from benchmark.measures.recall import feed_for
from leaderboard.calibration import Trace, number
from leaderboard.cell import Budget, Cell
from leaderboard.measured import Losses
from leaderboard.protocol import AGREES, C_MAX, COVERS, EPSILON, FALSE, MANY
from leaderboard.record import Record
from leaderboard.statistics.context import ContextCurve, context_curve, read_span
from leaderboard.statistics.simultaneous import simultaneous
from tasks.language import Language
from tasks.tokenizers import Byte

BLOCK = 16  # bytes: few, so that what a context shows is not drowned by what the block shows of itself
DOCUMENTS = 1600  # 320 of them for testing, most of which have a block
HORIZON, LONGER = 256, 4 * 256
ORDER, LAG, NEAR, FAR = 40, 80, 24, 160
ROUNDING = 1e-12


def text_of(source: Source) -> Language:
    """The task of predicting a source's text, a byte at a time."""
    return Language(source, Byte(), block=BLOCK)


def language_cell(system: str, task: Language, horizon: int, c_max: int, n_blocks: int = 1024) -> Cell:
    """A cell that asks for the context curve."""
    return cell_of(
        system, task, "language", [horizon], c_max=c_max, measures=["context"], budget=Budget(n_test=n_blocks)
    )


def losses_by_context(lit: LitSequence, task: Language, cell: Cell) -> list[Losses]:
    """The test blocks after every context of the cell's grid, as a regime scores them."""
    feed = feed_for(cell, (cell.horizon, cell.horizon), (cell.horizon,))
    return block_losses(trained(lit), task, feed, scored_contexts(cell, task))


def expected_bits(source: Source, contexts: Sequence[int], record: Record) -> np.ndarray:
    """L(c) in closed form, (K,): byte j of a block has c + j bytes before it."""
    assert record.blocks is not None
    places = np.concatenate([np.arange(size) for size in record.blocks.n_bytes])
    return np.array([source.bits(context + places).mean() for context in contexts])


def curves(reduced: bool) -> Checked:
    """Sources whose curve is a step, and one with two."""
    size = (DOCUMENTS, LONGER + 300)
    markov, copy, mixture = Markov(*size, ORDER), Copy(*size, LAG), Mixture(*size, NEAR, FAR)
    yield from judged(f"Markov source of order {ORDER}", markov, KnowsMarkov(text_of(markov), markov))
    yield from judged(f"copy from {LAG} back", copy, KnowsCopy(text_of(copy), copy), foreign=True)
    yield from judged(f"copies from {NEAR} and {FAR} back", mixture, KnowsMixture(text_of(mixture), mixture))


def judged(name: str, source: Source, lit: Predictor, foreign: bool = False) -> Checked:
    """L(c) at every context, G where nothing more is told, and the span; what lies after foreign text, if asked."""
    task = lit.task
    cell = language_cell(name, task, HORIZON, C_MAX * HORIZON)
    found = losses_by_context(lit, task, cell)
    if foreign:
        found += foreign_losses(lit, task, cell, octaves_below(cell, task))
    record = record_of(cell, task, lit, found)
    curve = context_curve([record])
    expected = expected_bits(source, curve.contexts, record)
    yield Trace(
        measure="context", system=name, x=list(map(float, curve.contexts)), found=curve.bits.tolist(),
        expected=expected.tolist(),
    )  # fmt: skip
    worst = float(np.abs(curve.bits / expected - 1).max())
    said = f"≤ {AGREES}; L from {expected[0]:.4f} to {expected[-1]:.4f}"
    yield number("context", name, "L(c) against its closed form, relative", worst, None, AGREES, said)
    idle = [gain for c, gain in zip(curve.gain_contexts, curve.gains, strict=True) if c // 2 >= source.reach]
    yield number("context", name, f"greatest |G(c)|, c/2 ≥ {source.reach}", float(np.abs(idle).max()), 0, ROUNDING)
    span = read_span(curve)
    reach = float(source.reach)
    inside = f"in [{source.reach}, {2 * source.reach})"
    for what, value in (("span S", span.value), ("its lower limit", span.low), ("its upper limit", span.high)):
        yield number("context", name, what, value or 0.0, reach, np.nextafter(2 * reach, 0), inside)
    yield number("context", name, "documents", curve.n_documents, MANY, None)
    if foreign:
        yield from relied_on(name, source, curve)


def relied_on(name: str, source: Source, curve: ContextCurve) -> Checked:
    """R(c): another document's text costs the bytes that it takes in, and nothing where it lies beyond the source."""
    sure = 1 - source.noise + source.noise / SIZE
    fooled = -np.log2(sure) / SIZE - (1 - 1 / SIZE) * np.log2(source.noise / SIZE)
    each = {reliance.context: reliance.value for reliance in curve.reliance}
    cost = float(fooled - source.known())
    short = max(context for context in each if context + 2 * BLOCK <= source.reach)
    ends = (cost * (1 - AGREES), cost * (1 + AGREES))
    yield number("context", name, f"R({short}), bits/byte", each[short], *ends, f"{cost:.4f} within {AGREES:.0%}")
    beyond = max(abs(value) for context, value in each.items() if context >= source.reach)
    yield number("context", name, f"greatest |R(c)|, c ≥ {source.reach}", beyond, 0, ROUNDING)


def foreign(reduced: bool) -> Checked:
    """Contexts that are all another document's, read by predictors that see omens in them: nothing is gained."""
    task = Foreign(uniform(1000, 250), Byte(), block=BLOCK)
    trials, name = 25 if reduced else 200, "foreign context, read for omens"
    spans = []
    for seed in range(trials):
        cell, lit = language_cell(name, task, 32, 32, n_blocks=128), Superstitious(task, seed)
        record = record_of(cell, task, lit, losses_by_context(lit, task, cell))
        spans.append(read_span(context_curve([record])))
    rate = float(np.mean([(span.low or 0) > 0 for span in spans]))
    naive = float(np.mean([span.censor in ("none", "above", "open") for span in spans]))
    said = f"≤ {FALSE}; without limits {naive:.0%}"
    yield number("context", name, f"false positives in {trials} trials", rate, None, FALSE, said)


def limits(reduced: bool) -> Checked:
    """Documents with heavy tails and of many sizes, 3 seeds: do simultaneous limits hold what is known?"""
    rng, trials = np.random.default_rng(0), 200 if reduced else 1000
    truths = {"gains": 0.4 * 2.0 ** -np.arange(10), "no gain": np.zeros(10)}
    for name, truth in truths.items():
        covered = false = 0
        for _ in range(trials):
            sizes = rng.lognormal(5, 0.6, 200)
            own = rng.standard_t(3, (1, 10, 200)).cumsum(1) / 10 + rng.standard_t(3, (3, 10, 200)) / 20
            seeds = rng.normal(0, 0.005, (3, 10, 1))
            values, _, margins = simultaneous((truth[:, None] + seeds + own) * sizes, sizes)
            assert margins is not None
            covered += bool((np.abs(values - truth) <= margins).all())
            false += bool((values - margins >= EPSILON).any())
        said = f"≥ {COVERS} of {trials} trials"
        yield number("context", f"heavy-tailed documents, {name}", "coverage", covered / trials, COVERS, None, said)
        if not truth.any():
            said = f"≤ {FALSE} of {trials} trials"
            yield number(
                "context", f"heavy-tailed documents, {name}", "false positives", false / trials, None, FALSE, said
            )


PARTS = (curves, foreign, limits)
