"""Standings, against the submissions' records by other roads."""

import json
import math
import random
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from leaderboard.groups import Group, Measure
from leaderboard.ranking.boards import rank
from leaderboard.ranking.differences import span_difference
from leaderboard.ranking.standings import standings
from leaderboard.ranking.wording import amount, duration, interval, number, places, trainings
from leaderboard.statistics.bits import measure_bits
from leaderboard.statistics.bits_difference import difference
from leaderboard.statistics.joint import joint_effect
from leaderboard.statistics.kinds import Reading
from leaderboard.statistics.spans import measure_span
from tests.leaderboard.boards import ALL, KAPPA, SEEDS
from tests.leaderboard.site.sites import SUITE, entrants, of_revision

TOLD = standings(entrants())
(SMALL,) = TOLD["suites"]
BOARDS = {board["name"]: board for board in SMALL["boards"]}
BY_NAME = {entrant.submission.name: entrant for entrant in entrants()}


def row(board: str, name: str) -> dict:
    return next(each for each in BOARDS[board]["rows"] if each["name"] == name)


def kept() -> np.ndarray:
    return np.array([i in SUITE.kept for i in range(len(SUITE.blocks.starts))])


def test_they_are_json_without_a_number_that_is_none_and_the_same_in_any_order() -> None:
    shuffled = list(entrants())
    random.Random(0).shuffle(shuffled)
    assert json.dumps(TOLD, allow_nan=False) == json.dumps(standings(shuffled), allow_nan=False)
    assert json.loads(json.dumps(TOLD)) == TOLD


def test_every_board_has_every_row_once_as_it_is_ranked() -> None:
    for ranking in rank(sorted(entrants(), key=lambda each: each.id), SUITE):
        told = BOARDS[ranking.board.name]["rows"]
        assert [each["id"] for each in told] == [each.entrant.id for each in ranking.rows]
        assert sorted(each["id"] for each in told) == sorted(each.id for each in entrants())
        for each, own in zip(told, ranking.rows, strict=True):
            assert each["rank"] == (None if own.rank is None else list(own.rank))
            assert (each["score"], each["low"], each["high"], each["tied"]) == (own.score, own.low, own.high, own.tied)


@pytest.mark.parametrize("board", BOARDS)
def test_scores_are_means_over_cells_and_seeds_of_normalised_scores(board: str) -> None:
    for each in BOARDS[board]["rows"]:
        if each["score"] is None:
            continue
        by_cell = [cell["normalised_seeds"] for cell in each["cells"]]
        assert each["score"] == pytest.approx(fmean(fmean(seeds) for seeds in by_cell))
        for asked, cell in zip(BOARDS[board]["cells"], each["cells"], strict=True):
            for raw, normalised in zip(cell["raw_seeds"], cell["normalised_seeds"], strict=True):
                scale = asked["reference"] - asked["chance"]
                assert normalised == pytest.approx(0.0 if raw is None else (raw - asked["chance"]) / scale)


def test_a_failed_training_takes_the_row_off_its_board_alone() -> None:
    failing = row("recall", "Failing")
    assert (failing["rank"], failing["score"]) == (None, None)
    assert "1 of 12 trainings failed" in failing["why"]
    assert failing["seeds"] == {"finished": 11, "diverged": 0, "failed": 1}
    assert failing["text"]["seeds"] == "11/12, 1 failed"
    assert row("text", "Failing")["rank"] is not None


def test_a_diverged_training_counts_as_chance() -> None:
    diverging = row("text", "Diverging")
    cell = next(cell for cell in diverging["cells"] if cell["key"] == "language-byte")
    assert cell["statuses"] == ["ok", "diverged", "ok"]
    assert cell["raw_seeds"][1] is None
    assert cell["normalised_seeds"][1] == 0.0
    assert diverging["rank"] is not None
    assert "diverged 1/3" in cell["span"]["text"]


def test_disputed_and_withdrawn_rows_have_scores_and_no_rank() -> None:
    for name, note in (("Disputed", "does not reproduce"), ("Withdrawn", "by its author")):
        found = row("memory", name)
        assert found["rank"] is None
        assert found["score"] is not None
        assert found["why"] == name.lower()
        assert found["note"].startswith(note)


@pytest.mark.parametrize("name", ["Gru", "Rnn", "S4d"])
def test_spans_raw_scores_and_costs_are_those_of_the_records(name: str) -> None:
    entrant = BY_NAME[name]
    for board in BOARDS:
        found = row(board, name)
        for cell in found["cells"]:
            records, official = entrant.records[cell["key"]], SUITE.by_key[cell["key"]]
            if official.is_text:
                bits = measure_bits(records, kept())
                assert (cell["raw_low"], cell["raw_high"]) == (bits.low, bits.high)
                assert cell["raw"] == pytest.approx(bits.value, rel=1e-12)
                assert cell["raw_seeds"] == pytest.approx(bits.seeds)
            else:
                span = measure_span(records)
                assert (cell["span"]["text"], cell["span"]["value"]) == (span.text(), span.value)
                assert cell["raw"] == pytest.approx(span.recall)
                assert (cell["raw_low"], cell["raw_high"]) == (span.recall_low, span.recall_high)
        flops = [
            r.facts.flops_per_token / (r.facts.bytes_per_token or 1)
            for cell in found["cells"]
            for r in entrant.records[cell["key"]][:1]
            if r.facts
        ]
        assert found["flops_per_byte"] == pytest.approx(fmean(flops))
        assert found["seconds"] == pytest.approx(12.5 * 3 * len(found["cells"]))
    assert row("text", name)["n_params"] == 24_000


def test_infinite_limits_are_marked_not_written() -> None:
    open_ = [c["span"] for b in BOARDS.values() for r in b["rows"] for c in r["cells"] if c["span"]["unbounded"]]
    assert open_
    assert all(span["high"] is None and span["censor"] in ("above", "open") for span in open_)


@pytest.mark.parametrize("name", ["Gru", "Rnn", "Lstm"])
def test_gamma_is_that_of_the_joint_effect(name: str) -> None:
    for board, question, regime in (("recall", "learning", "learn-planted"), ("text", "context", "language")):
        groups = [_group(name, regime, tokenizer) for tokenizer in ALL]
        expected = joint_effect(groups).elasticities[name]
        assert expected is not None
        found = row(board, name)["gammas"][question]
        assert found["text"] == expected.text()
        assert found["value"] == expected.value
    assert row("memory", name)["gammas"] == {}


def _group(name: str, regime: str, tokenizer: str) -> Group:
    records = tuple(BY_NAME[name].records[f"{regime}-{tokenizer}"])
    cell = records[0].cell
    measure = Measure(regime, regime, cell.regime, cell.task.name, tokenizer, "sympy", cell.horizon)
    return Group(name, measure, records, kept())


def test_differences_of_bits_pair_the_documents_of_the_kept_blocks() -> None:
    found = [each for each in SMALL["differences"] if each["question"] == "bits"]
    assert len(found) == 3 * len(entrants())
    for each in found:
        entrant = next(e for e in entrants() if e.id == each["id"])
        fine, coarse = (measure_bits(entrant.records[f"language-{k}"], kept()) for k in ("byte", each["coarse"]))
        expected = difference(coarse, fine)
        assert expected is not None
        assert (each["value"], each["low"], each["high"]) == expected


def reading(log2_span: float, bound: int = 0, step: float = 0.0) -> Reading:
    return Reading(log2_span, bound, step)


def against_byte(fine: list[Reading], coarse: list[Reading], seeds: list[int] = SEEDS):
    keys = ("learn-planted-byte", "learn-planted-bpe-512")
    by_seed = {key: dict(zip(seeds, each, strict=True)) for key, each in zip(keys, (fine, coarse), strict=True)}
    return span_difference("learning", SUITE.by_key[keys[0]], SUITE.by_key[keys[1]], by_seed)


def test_a_difference_of_known_spans_is_the_paired_t_interval() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(6, 0.5, 3), rng.normal(7, 0.5, 3)
    found = against_byte(list(map(reading, a)), list(map(reading, b)))
    expected = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(b - a))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_difference_is_no_finer_than_the_grids_allow() -> None:
    found = against_byte([reading(6.0, step=1.0)] * 3, [reading(7.0, step=0.5)] * 3)
    half = math.hypot(1.0, 0.5) / 2
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0 - half, 1.0 + half))


@pytest.mark.parametrize(
    ("fine", "coarse", "bound", "text"),
    [
        ((6, 0), (8, 1), "at least", "≥ +2.00"),
        ((6, -1), (8, 0), "at least", "≥ +2.00"),
        ((6, -1), (8, 1), "at least", "≥ +2.00"),
        ((6, 1), (8, 0), "at most", "≤ +2.00"),
        ((6, 0), (8, -1), "at most", "≤ +2.00"),
        ((6, 1), (8, 1), "no bound", "no bound"),
        ((6, -1), (8, -1), "no bound", "no bound"),
    ],
)
def test_a_censored_span_bounds_the_difference(fine, coarse, bound: str, text: str) -> None:
    found = against_byte([reading(*fine)] * 3, [reading(*coarse)] * 3)
    assert (found.bound, found.value, found.text()) == (bound, None, text)


def test_one_seed_in_common_has_no_interval_and_none_has_no_difference() -> None:
    found = against_byte([reading(6.0)], [reading(7.0)], [101])
    assert found.text() == "+1.00 (1 seed)"
    by_seed = {"learn-planted-byte": {101: reading(6.0)}, "learn-planted-bpe-512": {102: reading(7.0)}}
    fine, coarse = (SUITE.by_key[key] for key in by_seed)
    assert span_difference("learning", fine, coarse, by_seed).text() == "–"


def test_a_suite_with_a_later_revision_is_frozen_and_stands_after_it() -> None:
    older, newer = entrants()[:3], [of_revision(each, 2) for each in entrants()[3:6]]
    told = standings([*older, *newer])["suites"]
    assert [(suite["revision"], suite["frozen"]) for suite in told] == [(2, False), (1, True)]
    assert [len(suite["boards"][0]["rows"]) for suite in told] == [3, 3]
    alone = standings(older)["suites"]
    assert [suite["frozen"] for suite in alone] == [False]
    assert alone[0]["boards"] == told[1]["boards"]  # a new revision moves nothing on the old one


def test_none_is_a_standing_too_and_two_of_one_id_are_refused() -> None:
    assert standings([]) == {"schema_version": 1, "suites": []}
    with pytest.raises(ValueError, match="two submissions of one id"):
        standings([*entrants()[:2], entrants()[0]])


def test_cells_say_what_they_ask() -> None:
    (memory,) = BOARDS["memory"]["cells"]
    assert (memory["unit"], memory["tokenizer"], memory["horizon"], memory["last_lag"]) == ("steps", None, 64, 1024)
    kappas = {cell["tokenizer"]: cell["bytes_per_token"] for cell in BOARDS["text"]["cells"]}
    assert kappas == KAPPA


def test_words_for_numbers() -> None:
    assert [number(-0.5), number(-0.0001), number(2.345, 1, signed=True)] == ["−0.50", "0.00", "+2.3"]
    assert interval(0.5, -0.25, 0.75) == "0.50 [−0.25, 0.75]"
    assert [interval(None, None, None), interval(0.5, None, None)] == ["–", "0.50"]
    assert [places(None), places([2, 2]), places([1, 3])] == ["–", "2", "1–3"]
    told = {0: "0", 512: "512", 999: "999", 999.9: "1k", 24_832: "24.8k", 999_800: "1M", 1.31e6: "1.31M", 2e9: "2G"}
    assert {value: amount(value) for value in told} == told
    told = {0.4: "0 s", 59.4: "59 s", 59.6: "1 min", 725: "12 min", 3599: "1 h 00 min", 3900: "1 h 05 min"}
    assert {value: duration(value) for value in told} == told
    assert [trainings(21, 0, 0), trainings(19, 1, 1)] == ["21/21", "19/21, 1 diverged, 1 failed"]
