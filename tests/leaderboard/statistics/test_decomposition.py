"""Shares of variance against sums of squares written out as loops, and coverage by simulation."""

import numpy as np
import pytest

from leaderboard.statistics import decomposition
from leaderboard.statistics.decomposition import SOURCES, decompose, refusal, squares_of

Cells = dict[tuple[str, str], list[float]]


def drawn(rng: np.random.Generator, shape: tuple[int, int, int], scale: tuple[float, float, float, float]) -> Cells:
    """Fixed effects whose standard deviations over the cells are exactly `scale`, and seeds around them."""
    a, b, n = shape
    parts = [rng.normal(size=(a, 1)), rng.normal(size=(1, b)), rng.normal(size=(a, b))]
    parts[2] -= parts[2].mean(0) + parts[2].mean(1, keepdims=True) - parts[2].mean()
    effects = [part - part.mean() for part in parts]
    cell = sum(s * e / np.sqrt((e**2).mean()) for s, e in zip(scale, effects, strict=False))
    y = np.asarray(cell)[..., None] + rng.normal(0, scale[3], (a, b, n))
    return {(f"m{i}", f"k{j}"): y[i, j].tolist() for i in range(a) for j in range(b)}


def test_squares_are_those_of_the_textbook() -> None:
    cells = drawn(np.random.default_rng(0), (3, 4, 3), (1, 0.5, 0.3, 0.4))
    squares, freedom = squares_of(cells)
    everything = [y for ys in cells.values() for y in ys]
    grand = sum(everything) / len(everything)

    def mean(model: str | None, tokenizer: str | None) -> float:
        ys = [y for (m, k), v in cells.items() if model in (m, None) and tokenizer in (k, None) for y in v]
        return sum(ys) / len(ys)

    expected = dict.fromkeys(SOURCES, 0.0)
    for (m, k), ys in cells.items():
        for y in ys:
            expected["architecture"] += (mean(m, None) - grand) ** 2
            expected["granularity"] += (mean(None, k) - grand) ** 2
            expected["interaction"] += (mean(m, k) - mean(m, None) - mean(None, k) + grand) ** 2
            expected["seeds"] += (y - mean(m, k)) ** 2
    assert squares == pytest.approx(expected)
    assert sum(squares.values()) == pytest.approx(sum((y - grand) ** 2 for y in everything))
    assert list(freedom.values()) == [2, 3, 6, 24]
    shares = decompose(cells, 0.0)
    noise = expected["seeds"] / 24
    parts = [max(0.0, (expected[k] - df * noise) / 36) for k, df in zip(SOURCES, (2, 3, 6), strict=False)] + [noise]
    assert [shares[k].value for k in SOURCES] == pytest.approx([part / sum(parts) for part in parts])


def test_shares_are_unbiased_though_seeds_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decomposition, "DRAWS", 2)
    rng, scale = np.random.default_rng(1), np.array([1.0, 0.5, 0.3, 0.5])
    found = [decompose(drawn(rng, (3, 4, 3), tuple(scale)), 0.0) for _ in range(60)]
    means = [np.mean([shares[k].value for shares in found]) for k in SOURCES]
    assert means == pytest.approx(scale**2 / (scale**2).sum(), abs=0.03)


@pytest.mark.parametrize(
    ("shape", "scale"),
    [
        ((3, 4, 3), (1, 0.5, 0.25, 0.35)),
        ((3, 4, 3), (1, 0.5, 0, 0.35)),
        ((2, 2, 3), (0.5, 0.5, 0.2, 0.4)),
        ((3, 4, 5), (0, 0, 0, 0.4)),
    ],
)
def test_intervals_cover_known_shares(
    shape: tuple[int, int, int], scale: tuple[float, float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """≥ 93% of 120 simulated tables, all four shares together; no share below 90%."""
    monkeypatch.setattr(decomposition, "DRAWS", 200)
    rng, covered = np.random.default_rng(sum(shape)), np.zeros(4)
    truth = np.square(scale) / np.square(scale).sum()
    for _ in range(120):
        shares = decompose(drawn(rng, shape, scale), 0.0)
        limits = np.array([[shares[k].low, shares[k].high] for k in SOURCES], dtype=float)
        covered += (limits[:, 0] <= truth + 1e-9) & (truth - 1e-9 <= limits[:, 1])
    assert covered.mean() / 120 >= 0.93
    assert covered.min() / 120 >= 0.90


def test_one_seed_cannot_tell_interaction_from_seeds() -> None:
    shares = decompose(drawn(np.random.default_rng(2), (3, 4, 1), (1, 0.5, 0.3, 0.3)), 1.0)
    assert set(shares) == {"architecture", "granularity", "interaction"}
    assert sum(share.value for share in shares.values()) == pytest.approx(1)
    assert all(share.low is None and "[" not in share.text() for share in shares.values())


def test_unequal_seeds_work_and_an_empty_cell_is_refused() -> None:
    cells = drawn(np.random.default_rng(3), (3, 4, 3), (1, 0.5, 0, 0.1))
    cells["m0", "k0"] = cells["m0", "k0"][:1]
    assert decompose(cells, 0.0)["architecture"].value == pytest.approx(0.8, abs=0.1)
    cells["m0", "k0"] = []
    assert refusal(cells) == "no finished seed of m0@k0"
    with pytest.raises(ValueError, match="no finished seed of m0@k0"):
        decompose(cells, 0.0)
    assert "two architectures" in str(refusal({("m0", "k0"): [1.0], ("m0", "k1"): [2.0]}))


def test_seeds_that_agree_are_no_surer_than_the_grid() -> None:
    """All seeds alike on a grid of octaves: no scatter among them, yet each cell may be off by half a step."""
    cells = {(m, k): [5.0 + i + (i == j)] * 3 for i, m in enumerate("ab") for j, k in enumerate("xy")}
    coarse, fine = decompose(cells, 1.0)["interaction"], decompose(cells, 0.0)["interaction"]
    assert fine.high is not None
    assert coarse.high is not None
    assert coarse.low is not None
    assert fine.high - (fine.low or 0.0) < 0.1
    assert coarse.high - coarse.low > 0.5


def test_a_share_lies_within_its_limits() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        for share in decompose(drawn(rng, (2, 3, 2), (0.3, 0.3, 0.0, 0.5)), 0.5).values():
            assert share.low is not None
            assert share.high is not None
            assert 0 <= share.low <= share.value <= share.high <= 1
