"""Scores, against the sums by hand."""

import math

import numpy as np
import pytest

from leaderboard.scores import mean_score, normalised_score, raw_score
from leaderboard.suite import read_suite, revisions
from tests.leaderboard.boards import ALL, RETAIN, model_named, records_of, tiny_suite

SUITE = tiny_suite(ALL)
RECORDS = records_of(
    SUITE, model_named("gru"), statuses={("language-byte", 101): "diverged", ("learn-planted-byte", 102): "failed"}
)


def test_a_recall_score_is_the_mean_strength_over_the_lags_up_to_four_t() -> None:
    official = SUITE.by_key["retain-delayed_recall"]
    for record in RECORDS[official.key]:
        s = {o.lag: (o.total / o.n - 0.125) / 0.875 for o in record.curve}
        expected = np.mean([min(1, max(0, s[lag])) for lag in RETAIN])
        raw = raw_score(official, record, SUITE)
        assert raw == pytest.approx(expected)
        assert normalised_score(official, record, SUITE) == pytest.approx(expected / 0.9)


def test_a_climb_that_ended_counts_nothing_at_the_lags_it_did_not_reach() -> None:
    official = SUITE.by_key["learn-planted-byte"]
    weak = records_of(SUITE, model_named("rnn"), span=17.0)[official.key][0]
    assert len(weak.curve) < len(official.cell.lags)
    s = [max(0, (o.total / o.n - 0.125) / 0.875) for o in weak.curve]
    assert raw_score(official, weak, SUITE) == pytest.approx(sum(s) / len(official.cell.lags))


def test_bits_are_those_of_the_blocks_that_all_tokenizers_keep_at_t() -> None:
    for tokenizer in ALL:
        official = SUITE.by_key[f"language-{tokenizer}"]
        record = RECORDS[official.key][1]
        nats = next(each.nats for each in record.losses if each.context == 32 and not each.foreign)
        kept = [i for i in range(len(nats)) if i != 1]  # block 1 is dropped by every BPE, and so by all
        expected = sum(nats[i] or 0 for i in kept) / math.log(2) / sum(SUITE.blocks.n_bytes[i] for i in kept)
        raw = raw_score(official, record, SUITE)
        assert raw == pytest.approx(expected)
        assert normalised_score(official, record, SUITE) == pytest.approx((8 - expected) / (8 - official.reference))


def test_a_seed_that_diverged_is_at_chance_and_one_that_failed_has_no_score() -> None:
    diverged, failed = RECORDS["language-byte"][0], RECORDS["learn-planted-byte"][1]
    assert raw_score(SUITE.by_key["language-byte"], diverged, SUITE) is None
    assert normalised_score(SUITE.by_key["language-byte"], diverged, SUITE) == 0.0
    assert normalised_score(SUITE.by_key["learn-planted-byte"], failed, SUITE) is None
    assert mean_score([0.5, None]) is None
    assert mean_score([0.5, 1.0]) == 0.75
    assert mean_score([]) is None


def test_every_revision_of_a_suite_can_be_read() -> None:
    for revision in revisions("small"):
        suite = read_suite("small", revision)
        assert (suite.name, suite.revision) == ("small", revision)
    with pytest.raises(ValueError, match="no revision 999 of suite small"):
        read_suite("small", 999)
