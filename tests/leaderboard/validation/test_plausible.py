"""Sums that cannot be: more right answers than questions, other tokens, fewer bits than the source has."""

import math
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.measured import Outcome
from leaderboard.suite import Suite
from leaderboard.validation.plausible import curve_problems
from tests.leaderboard.boards import model_named, records_of, submission_of, tiny_suite
from tests.leaderboard.validation.corrupted import (
    LEARN,
    RECORDS,
    RETAIN,
    SUITE,
    TEXT,
    Change,
    assert_found,
    files_of,
    found,
    lines,
    put,
)

CLIMB = "records.0.curve: expected the lags 16, 32, 64, 128, 256, got "
DISTINCT = "records.0.curve: expected distinct lags, ascending, out of 16, 32, 64, 128, 256"
RIGHT = "records.0.curve.0.total: expected a whole number of right answers, at most 256, got "
SPENT = "records.0.curve.0.sequences: expected a multiple of 800, "
SOLVED = "records.0.curve.0.solved: expected true where training ended early, else true or false"
CONTEXTS = "expected the contexts 4, 8, 16, 32, 64, 8 foreign, 16 foreign"
DROPPED = "records.0.losses.0.nats: expected null at the 1 blocks that the tokenizer does not keep, and there alone"
TOKENS = "records.0.losses.0.n_tokens: expected 208 tokens after 25, as the tokenizer has it"


def curve(*path: str | int, value: Any) -> Change:
    return put("records", 0, "curve", *path, value=value)


def losses(*path: str | int, value: Any) -> Change:
    return put("records", 0, "losses", *path, value=value)


@pytest.mark.parametrize(
    ("key", "change", "expected"),
    [
        (LEARN, curve(value=[]), [CLIMB + "none"]),
        (LEARN, curve(value=lambda old: old[1:]), [CLIMB + "32, 64, 128, 256"]),
        (LEARN, curve(value=lambda old: old[:3]), [CLIMB + "16, 32, 64"]),
        (LEARN, curve(value=lambda old: old[::-1]), [DISTINCT]),
        (LEARN, curve(value=lambda old: [*old, old[-1]]), [DISTINCT]),
        (LEARN, curve(0, "lag", value=15), [DISTINCT]),
        (LEARN, curve(0, "lag", value=0), ["records.0.curve.0.lag: Input should be greater than 0"]),
        (LEARN, curve(0, "n", value=255), ["records.0.curve.0.n: expected 256, got 255"]),
        (LEARN, curve(0, "n", value=1024), ["records.0.curve.0.n: expected 256, got 1024"]),
        (LEARN, curve(0, "total", value=257.0), [RIGHT + "257.0"]),
        (LEARN, curve(0, "total", value=200.5), [RIGHT + "200.5"]),
        (LEARN, curve(0, "total", value=1e308), [RIGHT + "1e+308"]),
        (LEARN, curve(0, "total", value=-1.0), ["records.0.curve.0.total: Input should be greater than or equal to 0"]),
        (LEARN, curve(0, "total", value="256"), ["records.0.curve.0.total: Input should be a valid number"]),
        (LEARN, curve(0, "lag_tokens", value=4098), ["records.0.curve.0.lag_tokens: expected 4099, as the tokenizer"]),
        (LEARN, curve(0, "sequences", value=6401), [SPENT]),
        (LEARN, curve(0, value=lambda old: old | {"sequences": 3201, "solved": True}), [SPENT + "1600 to 6400"]),
        (LEARN, curve(0, "sequences", value=7200), [SPENT]),
        (LEARN, curve(0, "sequences", value=None), [SPENT + "1600 to 6400, got None"]),
        (LEARN, curve(0, value=lambda old: old | {"sequences": 800, "solved": True}), [SPENT + "1600 to 6400"]),
        (LEARN, curve(0, value=lambda old: old | {"sequences": 3200, "solved": False}), [SOLVED]),
        (LEARN, curve(0, "solved", value=None), [SOLVED]),
        (LEARN, put("records", 0, "blocks", value={"starts": [], "n_bytes": [], "documents": []}),
         ["records.0.losses: expected none: the task is not text to predict"]),
        (RETAIN, curve(value=lambda old: old[:-1]), ["records.0.curve: expected the lags 16, 23, 32, 45, 64, 91, 128"]),
        (RETAIN, curve(0, "solved", value=True), ["records.0.curve.0.sequences: expected null: lags are mixed"]),
        (RETAIN, curve(0, "sequences", value=800), ["records.0.curve.0.sequences: expected null: lags are mixed"]),
        (TEXT, curve(value=[{"lag": 1, "n": 1, "total": 1.0, "lag_tokens": 1}]), ["records.0.curve: expected none"]),
        (TEXT, put("records", 0, "blocks", value=None), ["records.0: losses must have as many nats as there are"]),
        (TEXT, put("records", 0, "blocks", "n_bytes", 0, value=64), ["records.0.blocks: expected the suite's own"]),
        (TEXT, put("records", 0, "blocks", "starts", 0, value=1), ["records.0.blocks: expected the suite's own"]),
        (TEXT, put("records", 0, "blocks", "documents", 0, value=1), ["records.0.blocks: expected the suite's own"]),
        (TEXT, losses(value=lambda old: old[1:]), [f"records.0.losses: {CONTEXTS}"]),
        (TEXT, losses(value=lambda old: old[::-1]), [f"records.0.losses: {CONTEXTS}"]),
        (TEXT, losses(value=lambda old: [*old, old[0]]),
         [f"records.0.losses: {CONTEXTS}", "records.0.losses: expected each context once"]),
        (TEXT, losses(0, "context", value=5),
         [f"records.0.losses: {CONTEXTS}", "records.0.losses.0: expected one of the contexts"]),
        (TEXT, losses(0, "foreign", value=True),
         [f"records.0.losses: {CONTEXTS}", "records.0.losses.0: expected one of the contexts"]),
        (TEXT, losses(0, "nats", value=lambda old: old[:-1]), ["records.0: losses must have as many nats"]),
        (TEXT, losses(0, "nats", 0, value=None), [DROPPED]),
        (TEXT, losses(0, "nats", 1, value=9.0), [DROPPED]),
        (TEXT, losses(0, "nats", 0, value=-1.0), ["records.0.losses.0.nats.0: Input should be greater than or equal"]),
        (TEXT, losses(0, "nats", 0, value=1e308), ["records.0.losses.0.nats: expected at most 100 nats a byte"]),
        (TEXT, losses(0, "nats", value=lambda old: [n and n / 9 for n in old]),
         ["records.0.losses.0.nats: expected no less than 1.000 bits per byte, got "]),
        (TEXT, losses(0, "n_tokens", value=1), [TOKENS]),
        (TEXT, losses(0, "context_tokens", value=1), [TOKENS]),
    ],
)  # fmt: skip
def test_sums_that_cannot_be(key: str, change: Change, expected: list[str]) -> None:
    assert_found(f"cells/{key}.json", change, expected)


def test_no_text_is_predicted_better_than_its_source_allows() -> None:
    records = records_of(SUITE, model_named("gru"), bits=0.2)
    submission = submission_of(SUITE, records)
    got = lines(files_of(submission, records), submission.id)
    assert got
    assert all("nats: expected no less than 1.000 bits per byte, got " in line for line in got)


def test_nothing_is_made_up_for_on_blocks_that_are_not_scored() -> None:
    """Block 1 is in no score, since BPE does not keep it: a huge loss there would hide impossible ones elsewhere."""
    at_t = next(i for i, each in enumerate(RECORDS["language-byte"][0].losses) if each.context == 32)
    blocks = SUITE.blocks.n_bytes
    hidden = [0.01 * n for n in blocks[:1]] + [99.0 * blocks[1]] + [0.01 * n for n in blocks[2:]]
    assert sum(hidden) / math.log(2) / sum(blocks) > 1.0
    got = found({"cells/language-byte.json": losses(at_t, "nats", value=hidden)})
    expected = (
        f"cells/language-byte.json: records.0.losses.{at_t}.nats: expected no less than 1.000 bits per byte, got 0.014"
    )
    assert got == [expected]


def outcomes(suite: Suite, key: str, s: list[float]) -> list[str]:
    """Which lags are asked for where seed 101 has these strengths, lag by lag."""
    official = suite.by_key[key]
    tests = [test for test in official.tests if test.seed == 101][: len(s)]
    told: dict[str, Any] = {"sequences": 6400, "solved": False} if official.cell.regime == "learn" else {}
    made = [
        Outcome(lag=t.lag, n=t.n, total=float(round((x * 0.875 + 0.125) * t.n)), lag_tokens=t.lag_tokens, **told)
        for x, t in zip(s, tests, strict=True)
    ]
    return [expected for _, expected in curve_problems(official, RECORDS[key][0].model_copy(update={"curve": made}))]


@pytest.mark.parametrize(
    ("key", "s", "valid"),
    [
        (LEARN, [0.9, 0.2, 0.1], True),  # lost twice in a row: the climb ends
        (LEARN, [0.1, 0.1], True),
        (LEARN, [0.1, 0.1, 0.9], False),
        (LEARN, [0.9, 0.2, 0.9, 0.2], False),
        (LEARN, [0.9, 0.2, 0.9, 0.2, 0.9], True),
        (LEARN, [0.1], False),
        (LEARN, [0.9, 0.8, 0.7, 0.6], False),
        (RETAIN, [0.9] * 8 + [0.4], True),  # the memory is gone before the further lags
        (RETAIN, [0.9] * 8 + [0.6], False),
        (RETAIN, [0.9] * 9 + [0.4], True),
        (RETAIN, [0.9] * 8 + [0.4, 0.9], False),
        (RETAIN, [0.9] * 11, True),
        (RETAIN, [0.9] * 10, False),
    ],
)
def test_a_curve_goes_as_far_as_its_rules_say(key: str, s: list[float], valid: bool) -> None:
    got = outcomes(SUITE, key, s)
    assert not got if valid else [each.startswith("expected the lags") for each in got] == [True]


def test_errors_are_bounded_where_answers_are_numbers() -> None:
    facts = SUITE.by_key[RETAIN].facts.model_copy(update={"metric": "mse", "chance": 1 / 12})
    official = SUITE.by_key[RETAIN].model_copy(update={"facts": facts})
    record = RECORDS[RETAIN][0]
    first = record.curve[0]
    found = {}
    for total in (0.11867411148288443, 256e6, 257e6):
        curve = [replace(first, total=total), *record.curve[1:9]]
        found[total] = list(curve_problems(official, record.model_copy(update={"curve": curve})))
    assert found[0.11867411148288443] == found[256e6] == []
    assert found[257e6] == [("curve.0.total", "expected at most 1e+06 an answer, got 257000000.0")]


def test_a_suite_of_one_granularity_keeps_every_block() -> None:
    assert len(tiny_suite(("byte",)).kept) == len(SUITE.kept) + 1
