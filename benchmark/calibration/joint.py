"""Joint effect: windows in tokens and in bytes through planted text at four granularities, and simulated slopes."""

import numpy as np

from benchmark.calibration.frozen import SEEDS, Checked
from benchmark.calibration.recall import retained
from benchmark.calibration.sources import Prose
from leaderboard.calibration import Check, Trace, number, word
from leaderboard.protocol import COVERS, REACHED, TRACE, TRIALS
from leaderboard.statistics.curves import Array, log2_span
from leaderboard.statistics.decomposition import SOURCES, decompose
from leaderboard.statistics.elasticity import Points, elasticity, slope
from leaderboard.statistics.spans import measure_span
from tasks.planted import Planted
from tasks.tokenizers import Bpe, Byte, Tokenizer

WINDOW = 60
VOCABULARIES = (350, 512, 1024)  # of a language of some thousand words
KAPPAS = (1.0, 1.95, 2.6, 3.4)
NEAR = 0.2  # what γ may be off by: the grid's steps over two octaves of κ


def tokenizers() -> list[Tokenizer]:
    """Four granularities."""
    return [Byte(), *(Bpe(vocab) for vocab in VOCABULARIES)]


def windows(reduced: bool) -> Checked:
    """γ = 1 for a window that counts tokens, 0 for one that counts bytes."""
    tasks = [Planted(Prose(400, 400), tokenizer) for tokenizer in tokenizers()]
    kappas = [task.bytes_per_token for task in tasks]
    for unit, truth in (("tokens", 1), ("bytes", 0)):
        name = f"window of {WINDOW} {unit}, planted text"
        granularities = [
            (task.bytes_per_token, [retained(task, WINDOW, unit, [16, 64], seed, 64 if reduced else 256)
             for seed in range(SEEDS)])
            for task in tasks
        ]  # fmt: skip
        spans = [measure_span(records).value or np.nan for _, records in granularities]
        yield Trace(
            measure="joint", system=name, x=kappas, found=spans,
            expected=[WINDOW * kappa**truth for kappa in kappas],
        )  # fmt: skip
        found = elasticity(granularities)
        assert found is not None
        known = f"{truth} ± {NEAR}, at κ {', '.join(f'{kappa:.2f}' for kappa in kappas)}"
        yield number(
            "joint", name, "γ", np.nan if found.value is None else found.value, truth - NEAR, truth + NEAR, known
        )
        for gamma, holds in ((truth, "yes"), (1 - truth, "no")):
            yield word("joint", name, f"{gamma} within the limits of γ", "yes" if found.holds(gamma) else "no", holds)


def slopes(reduced: bool) -> Checked:
    """Seeds scattered by a third of an octave, on grids of octaves and half octaves; spans cut off by the grid."""
    rng, trials = np.random.default_rng(0), 60 if reduced else -(-TRIALS // 3)
    x = np.log2(KAPPAS)
    for censored in (False, True):
        covered = made = 0
        for gamma in (0.0, 0.5, 1.0):
            for trial in range(trials):
                step, steep, seeds = ((1.0, 20.0, 3), (0.5, 3.0, 3), (0.5, 20.0, 5))[trial % 3]
                middle = 5 + rng.uniform(-0.5, 0.5)
                own = middle + gamma * x + rng.normal(0, 0.35, (seeds, len(x)))
                top = middle + gamma * x[-1] + (0.2 if gamma else 0.6) + 2.5 / steep if censored else 12.0
                grid = np.arange(top - step * np.ceil((top - 2) / step), top + step / 2, step)
                held = holds(grid, own, steep, gamma, rng)
                made, covered = made + (held is not None), covered + bool(held)
        name = f"simulated slopes, {'some spans censored' if censored else 'all spans known'}"
        said = f"≥ {COVERS} of {made} trials"
        yield number("joint", name, "coverage of γ", covered / made, COVERS, None, said)


def holds(grid: Array, own: Array, steep: float, gamma: float, rng: np.random.Generator) -> bool | None:
    """Whether the interval of γ holds it; None where fewer than three granularities have a known span."""
    x = np.log2(KAPPAS)
    y, bound = read_off(grid, own, steep, rng)
    known = x[(bound == 0).mean(0) > 0.5]
    if len(known) < 3:
        return None
    seed = np.repeat(np.arange(len(own)), len(x)).astype(float)
    step = float(grid[1] - grid[0])
    points = Points(np.tile(x, len(own)), y.ravel(), bound.ravel().astype(float), seed, step)
    value, half = slope(points, known)
    return half is not None and abs(value - gamma) <= half


def read_off(grid: Array, own: Array, steep: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """log2 S and bound (seeds, K) of smooth curves through `own`, 256 answers a lag, by the rules of spans."""
    s = 1 / (1 + 2 ** (steep * (grid - own[..., None])))
    seen = (rng.binomial(256, 0.125 + 0.875 * s) / 256 - 0.125) / 0.875
    y, first, last = log2_span(grid, seen), seen[..., 0], seen[..., -1]
    below = (last < TRACE) & ((first < TRACE) | (y < grid[0]))
    at = np.where(last >= REACHED, grid[-1], np.where(below, grid[0], y))
    return at, np.where(last >= TRACE, 1, np.where(below, -1, 0))


def interacting(reduced: bool) -> Checked:
    """Shares of variance where architecture and granularity interact."""
    yield shares((1, 0.5, 0.25, 0.35), 30 if reduced else TRIALS)


def additive(reduced: bool) -> Checked:
    """The same where they do not."""
    yield shares((1, 0.5, 0, 0.35), 30 if reduced else TRIALS)


def shares(scale: tuple[float, ...], trials: int) -> Check:
    """Tables of 3 architectures, 4 granularities and 3 seeds, whose shares of variance are known."""
    rng = np.random.default_rng(0)
    truth, covered = np.square(scale) / np.square(scale).sum(), np.zeros(4)
    for _ in range(trials):
        found = decompose(drawn(rng, (3, 4, 3), scale), 0.0)
        for k, source in enumerate(SOURCES):
            share = found[source]
            assert share.low is not None
            assert share.high is not None
            covered[k] += share.low - 1e-9 <= truth[k] <= share.high + 1e-9
    name = f"simulated shares, interaction {truth[2]:.0%}"
    said = f"≥ {COVERS} of {trials} trials, four shares each"
    return number("joint", name, "coverage of shares", float(covered.mean()) / trials, COVERS, None, said)


def drawn(
    rng: np.random.Generator, shape: tuple[int, int, int], scale: tuple[float, ...]
) -> dict[tuple[str, str], list[float]]:
    """Fixed effects whose standard deviations over the cells are exactly `scale`, and seeds around them."""
    a, b, n = shape
    parts = [rng.normal(size=(a, 1)), rng.normal(size=(1, b)), rng.normal(size=(a, b))]
    parts[2] -= parts[2].mean(0) + parts[2].mean(1, keepdims=True) - parts[2].mean()
    effects = [part - part.mean() for part in parts]
    cell = sum(s * e / np.sqrt((e**2).mean()) for s, e in zip(scale, effects, strict=False))
    y = np.asarray(cell)[..., None] + rng.normal(0, scale[3], (a, b, n))
    return {(f"m{i}", f"k{j}"): y[i, j].tolist() for i in range(a) for j in range(b)}


PARTS = (windows, slopes, interacting, additive)
