"""Bits per byte against loops, closed forms and simulation."""

import math

import numpy as np
import pytest

from leaderboard.measured import Losses
from leaderboard.protocol import MANY
from leaderboard.record import Record
from leaderboard.reports.headline import headline
from leaderboard.statistics.bits import Bits, kept_blocks, measure_bits, same_blocks
from leaderboard.statistics.bits_difference import difference
from tests.leaderboard.synthetic_records import OCTAVES, language, logistic, part, record


def scored(nats: list[float | None], sizes: list[int], documents: list[int], seed: int = 0) -> Record:
    given = language(2.0, documents=max(documents) + 1, seed=seed)
    assert given.blocks is not None
    starts = list(range(0, 1000 * len(sizes), 1000))
    blocks = given.blocks.model_copy(update={"starts": starts, "n_bytes": sizes, "documents": documents})
    return given.model_copy(
        update={"blocks": blocks, "losses": [Losses(context=256, nats=nats, n_tokens=1, context_tokens=1)]}
    )


def test_bits_are_nats_over_bytes_of_the_blocks_kept() -> None:
    found = measure_bits([scored([70.0, None, 30.0], [100, 50, 40], [0, 0, 1])])
    assert found.value == pytest.approx((70 + 30) / (math.log(2) * 140))
    assert (found.n_blocks, found.n_dropped, found.n_documents) == (2, 1, 2)


def test_the_mean_is_over_seeds_and_the_interval_joins_both_kinds_of_scatter() -> None:
    """Against the ratio estimator written out as a loop over documents."""
    records = [language(2.0 + 0.1 * seed, documents=30, seed=seed) for seed in range(3)]
    found = measure_bits(records)
    bits, sizes = np.zeros(30), np.zeros(30)
    for made in records:
        assert made.blocks is not None
        for nats, size, document in zip(made.losses[0].nats, made.blocks.n_bytes, made.blocks.documents, strict=True):
            bits[document] += (nats or 0.0) / math.log(2) / 3
            sizes[document] += size / 3
    ratio = bits.sum() / sizes.sum()
    variance = sum((b - ratio * n) ** 2 for b, n in zip(bits, sizes, strict=True)) * 30 / 29 / sizes.sum() ** 2
    seeds = np.std(found.seeds, ddof=1) / math.sqrt(3) * 4.3027  # t(.975, 2)
    half = math.hypot(seeds, 2.0452 * math.sqrt(variance))  # t(.975, 29)
    assert found.value == pytest.approx(ratio)
    assert found.high == pytest.approx(ratio + half, rel=1e-4)
    assert found.low == pytest.approx(ratio - half, rel=1e-4)


def test_one_seed_has_an_interval_over_documents_alone_and_says_so() -> None:
    found = measure_bits([language(2.0)])
    assert found.low is not None
    assert found.text().endswith("] (1 seed)")
    lonely = measure_bits([scored([70.0], [100], [0])])
    assert (lonely.low, lonely.high) == (None, None)


def test_few_documents_are_marked() -> None:
    assert "†" in measure_bits([language(2.0, documents=MANY - 1)]).text()
    assert "†" not in measure_bits([language(2.0, documents=MANY)]).text()


def test_failed_seeds_are_counted_not_averaged() -> None:
    broken = language(9.0, seed=1).model_copy(update={"status": "diverged", "reason": "nan"})
    found = measure_bits([language(2.0), broken])
    assert found.value == measure_bits([language(2.0)]).value
    assert "diverged 1/2" in found.text()
    assert headline([broken]) == "diverged 1/1"


def test_a_block_dropped_by_one_tokenizer_is_left_out_of_all() -> None:
    fine, coarse = [language(2.0)], [language(1.9, 2.0, dropped=[3, 4], tokenizer=part("bpe-512"))]
    both = same_blocks({"fine": fine, "coarse": coarse})
    assert {found.n_dropped for found in both.values()} == {2}
    assert both["fine"].value != measure_bits(fine).value
    assert both["fine"].value == measure_bits(fine, kept_blocks([*fine, *coarse])).value


def test_different_blocks_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different target blocks"):
        kept_blocks([language(2.0, documents=10), language(2.0, documents=11, seed=1)])
    with pytest.raises(ValueError, match="no losses"):
        measure_bits([language(2.0).model_copy(update={"losses": []})])
    apart = same_blocks({10: [language(2.0, documents=10)], 11: [language(2.0, documents=11)]})  # each by itself
    assert [found.n_documents for found in apart.values()] == [10, 11]
    with pytest.raises(ValueError, match="different blocks"):
        difference(apart[10], apart[11])


def simulated(rng: np.random.Generator, truth: float, hard: np.ndarray, seeds: int, apart: float) -> Bits:
    """Documents of unequal size, harder or easier for every model alike, and seeds `apart` from one another."""
    sizes = 100 + 7 * np.arange(len(hard)) % 60
    own = truth + rng.normal(0, apart, (seeds, 1)) + hard + rng.normal(0, 0.1, (seeds, len(hard)))
    nats, documents = math.log(2) * own * sizes, list(range(len(hard)))
    return measure_bits([scored(each.tolist(), sizes.tolist(), documents, seed) for seed, each in enumerate(nats)])


@pytest.mark.parametrize(("seeds", "apart"), [(1, 0.0), (3, 0.05), (3, 0.5)])
def test_intervals_cover_a_known_rate(seeds: int, apart: float) -> None:
    rng, trials, covered = np.random.default_rng(seeds), 300, 0
    for _ in range(trials):
        found = simulated(rng, 5.0, rng.normal(0, 0.4, 60), seeds, apart)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 5.0 <= found.high
    assert covered / trials >= 0.93


def test_paired_documents_tell_apart_what_intervals_do_not() -> None:
    rng, told, false, overlapping = np.random.default_rng(0), 0, 0, 0
    for _ in range(200):
        hard = rng.normal(0, 0.4, 60)
        base, same, worse = (simulated(rng, at, hard, 3, 0.01) for at in (2.0, 2.0, 2.1))
        equal, apart = difference(same, base), difference(worse, base)
        assert equal is not None
        assert apart is not None
        told += apart[1] > 0
        false += not equal[1] <= 0 <= equal[2]
        overlapping += (worse.low or 0.0) < (base.high or 0.0)
    assert overlapping >= 190
    assert told >= 190
    assert false <= 0.07 * 200


def test_one_line_says_what_a_cell_found() -> None:
    assert headline([language(2.0)]).endswith("(1 seed) bits/byte")
    assert headline([record(logistic(OCTAVES, 90, 50.0), 2.0, seed=seed) for seed in range(3)]) == (
        "91 [64, 128] (45 tokens)"
    )
