"""What is read off losses by context, written out as loops over blocks; and what is refused."""

import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.statistics.bits import kept_blocks
from leaderboard.statistics.context import context_curve
from tests.leaderboard.context_records import Nats, T, random_nats, written


def test_gains_are_ratios_over_documents_and_seeds_as_a_loop_computes_them() -> None:
    """L, G and its errors, written out block by block. Two blocks are not kept after every context, so nowhere used."""
    rng, contexts, n_seeds = np.random.default_rng(0), [3, 4, 6, 8, 12, T], 3
    sizes, documents = [10, 30, 20, 50, 40, 10, 60], [4, 4, 9, 9, 9, 2, 7]
    rows = [random_nats(rng, contexts, sizes) for _ in range(n_seeds)]
    rows[0][4][1] = rows[1][T][5] = None
    records = [written(row, sizes, documents, seed) for seed, row in enumerate(rows)]
    curve = context_curve(records)
    kept, names = [0, 2, 3, 4, 6], [4, 7, 9]
    total = sum(sizes[i] for i in kept)

    def bits(seed: int, context: int, document: int | None = None) -> float:
        mine = [i for i in kept if document in (None, documents[i])]
        return sum(rows[seed][context][i] or 0.0 for i in mine) / math.log(2)

    for context, found in zip(curve.contexts, curve.bits, strict=True):
        assert found == pytest.approx(sum(bits(s, context) for s in range(n_seeds)) / n_seeds / total)
    assert curve.gain_contexts == (6, 8, 12)  # 6 // 2 = 3; 64 was not scored, so T has no gain
    variances = np.zeros((3, 2))  # of documents, of seeds
    for m, context in enumerate(curve.gain_contexts):
        own = [(bits(s, context // 2) - bits(s, context)) / total for s in range(n_seeds)]
        gain = sum(own) / n_seeds
        assert curve.gains[m] == pytest.approx(gain)
        assert curve.seed_gains[:, m] == pytest.approx(own)
        for name in names:
            size = sum(sizes[i] for i in kept if documents[i] == name)
            of = sum(bits(s, context // 2, name) - bits(s, context, name) for s in range(n_seeds)) / n_seeds
            variances[m, 0] += len(names) / (len(names) - 1) * (of - gain * size) ** 2 / total**2
        variances[m, 1] = np.var(own, ddof=1) / n_seeds
    least = np.median(variances[:, 1] / variances[:, 0]) * variances[:, 0]
    assert curve.errors == pytest.approx(np.sqrt(variances[:, 0] + np.maximum(variances[:, 1], least)))
    assert (curve.n_blocks, curve.n_dropped, curve.drop_rate, curve.n_documents) == (5, 2, 2 / 7, 3)
    assert curve.exploratory


def test_documents_are_the_clusters_not_blocks() -> None:
    rng, sizes, documents = np.random.default_rng(2), [20, 30, 25, 40, 35], [0, 1, 1, 2, 3]
    rows = [random_nats(rng, [32, 64, T], sizes) for _ in range(2)]
    once = context_curve([written(row, sizes, documents, seed) for seed, row in enumerate(rows)])
    twice = context_curve(
        [
            written({context: [*nats, *nats] for context, nats in row.items()}, sizes * 2, documents * 2, seed)
            for seed, row in enumerate(rows)
        ]
    )
    assert twice.n_blocks == 2 * once.n_blocks
    for field in ("bits", "gains", "errors", "lows", "highs"):
        assert getattr(twice, field) == pytest.approx(getattr(once, field))
    apart = [*documents, *(d + 10 for d in documents)]
    more = context_curve(
        [
            written({context: [*nats, *nats] for context, nats in row.items()}, sizes * 2, apart, seed)
            for seed, row in enumerate(rows)
        ]
    )
    assert (more.errors < once.errors).all()  # as many documents again would


def test_several_tokenizers_share_the_blocks_that_all_of_them_keep() -> None:
    fine, sizes = random_nats(np.random.default_rng(3), [64, T], [20] * 8), [20] * 8
    coarse = {context: [None if i == 3 else value for i, value in enumerate(row)] for context, row in fine.items()}
    both = [written(nats, sizes, range(8), seed) for seed, nats in enumerate((fine, coarse))]
    kept = kept_blocks(both)
    shared = context_curve(both[:1], kept)
    assert (shared.n_blocks, shared.n_dropped) == (7, 1)
    assert shared.bits.tolist() == context_curve(both[1:], kept).bits.tolist()
    assert shared.bits.tolist() != context_curve(both[:1]).bits.tolist()
    with pytest.raises(ValueError, match="not scored after every context"):
        context_curve(both[1:], np.ones(8, dtype=bool))


def test_different_blocks_or_contexts_are_refused() -> None:
    rng, sizes = np.random.default_rng(4), [20] * 4
    first = written(random_nats(rng, [64, T], sizes), sizes, [0, 1, 2, 3])
    with pytest.raises(ValueError, match="different target blocks"):
        context_curve([first, written(random_nats(rng, [64, T], sizes), sizes, [0, 0, 1, 2], 1)])
    with pytest.raises(ValueError, match="different contexts"):
        context_curve([first, written(random_nats(rng, [32, T], sizes), sizes, [0, 1, 2, 3], 1)])


def test_reliance_is_what_foreign_text_costs_over_the_blocks_scored_both_ways() -> None:
    rng, sizes, documents = np.random.default_rng(6), [20, 30, 40, 50, 60], [0, 1, 1, 2, 3]
    own = [random_nats(rng, [64, T], sizes) for _ in range(2)]
    far = [{c: [v + 3.0 if v else v for v in row] for c, row in random_nats(rng, [8, 32], sizes).items()} for _ in own]
    far[0][8][4] = far[1][8][0] = own[0][64][2] = None
    curve = context_curve([written(o, sizes, documents, s, f) for s, (o, f) in enumerate(zip(own, far, strict=True))])
    both = {8: [1, 3], 32: [0, 1, 3, 4]}  # block 2 is not kept
    for found in curve.reliance:
        at = both[found.context]
        lost = [[(f[found.context][i] or 0) - (o[T][i] or 0) for i in at] for o, f in zip(own, far, strict=True)]
        total = math.log(2) * sum(sizes[i] for i in at)
        by_seed = [sum(each) / total for each in lost]
        assert found.value == pytest.approx(np.mean(by_seed))
        assert (found.n_blocks, found.n_documents) == (len(at), len(at))
        residuals = np.mean(lost, axis=0) - np.mean(by_seed) * math.log(2) * np.array([sizes[i] for i in at])
        documents_half = (
            stats.t.ppf(0.975, len(at) - 1) * math.sqrt(len(at) / (len(at) - 1) * sum(residuals**2)) / total
        )
        seeds_half = stats.t.ppf(0.975, 1) * np.std(by_seed, ddof=1) / math.sqrt(2)
        assert found.high == pytest.approx(found.value + math.hypot(documents_half, seeds_half))
        assert found.low == pytest.approx(found.value - math.hypot(documents_half, seeds_half))
    assert curve.contexts == (64, T)  # foreign text is no context of its own


def test_reliance_may_lack_blocks_or_limits() -> None:
    own, far = {64: [9.0], T: [5.0]}, {8: [8.0], 32: [None]}
    few, none = context_curve([written(own, [10], [0], foreign=far)]).reliance
    assert few.value == pytest.approx(3 / (10 * math.log(2)))
    assert (few.low, few.high, none.n_blocks) == (None, None, 0)
    assert math.isnan(none.value)


def test_tokens_before_a_block_are_a_mean_over_the_blocks_scored() -> None:
    rows: list[Nats] = [{64: [1.0, 2.0, None], T: [1.0, 2.0, 3.0]}, {64: [1.0, 2.0, None], T: [1.0, 2.0, 3.0]}]
    curve = context_curve([written(row, [9, 9, 9], [0, 1, 2], seed) for seed, row in enumerate(rows)])
    assert curve.tokens.tolist() == [48, 96]
