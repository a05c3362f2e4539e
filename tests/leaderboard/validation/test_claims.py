"""Claims are what the sums give; weights are those of the trainings that came to an end."""

import json
from typing import Any

import pytest

from tests.leaderboard.boards import model_named, records_of, submission_of
from tests.leaderboard.validation.corrupted import (
    LEARN,
    MAIN,
    RECORDS,
    RETAIN,
    SUBMISSION,
    SUITE,
    TEXT,
    Change,
    assert_found,
    files_of,
    found,
    lines,
    put,
)

ORDER = "claims: expected the cells of the suite, in its order"
SUMS = f"claims.0: expected what the sums of {RETAIN} give, "
SAME = "weights: expected no two files of weights to be the same"
FIRST = RECORDS[RETAIN][0].id
CLIMBED = RECORDS[LEARN][0].id
LAGS = "expected weights-128.safetensors, weights-16.safetensors, weights-256.safetensors, weights-32.safetensors, weig"


def claim(*path: str | int, value: Any) -> Change:
    return put("claims", 0, *path, value=value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("claims", value=lambda old: old[:-1]), [ORDER]),
        (put("claims", value=lambda old: old[::-1]), [ORDER]),
        (put("claims", value=lambda old: [*old, old[0]]), [ORDER]),
        (put("claims", value=[]), [ORDER]),
        (claim("cell", value=LEARN), [ORDER]),
        (claim("score", value=0.999), [SUMS]),
        (claim("score", value=lambda old: old * (1 + 1e-6)), [SUMS]),
        (claim("score", value=1e308), [SUMS]),
        (claim("score", value=None), [SUMS]),
        (claim("seeds", 1, value=0.999), [SUMS]),
        (claim("seeds", 1, value=None), [SUMS]),
        (claim("seeds", value=lambda old: [*old, 0.9]), [SUMS]),
        (claim("seeds", value=lambda old: old[:2]), [SUMS]),
        (claim("seeds", value=lambda old: old[::-1]), [SUMS]),
        (put("weights", FIRST, value=None), [f"weights.{FIRST}: Input should be a valid dictionary"]),
        (put("weights", FIRST, value={}), [f"weights.{FIRST}: expected weights.safetensors"]),
        (lambda data: data["weights"].pop(FIRST), [f"weights.{FIRST}: expected weights.safetensors"]),
        (lambda data: data["weights"][CLIMBED].pop("weights-16.safetensors"), [f"weights.{CLIMBED}: {LAGS}"]),
        (put("weights", CLIMBED, "../x", value="ef" * 32), [f"weights.{CLIMBED}: {LAGS}"]),
        (put("weights", "x" * 99, value={"y": "ef" * 32}), [f"weights.{'x' * 40}: expected nothing"]),
        (lambda data: data["weights"][CLIMBED].update(data["weights"][CLIMBED] | {"weights-16.safetensors": "0" * 64,
         "weights-32.safetensors": "0" * 64}), [SAME]),
        (put("weights", FIRST, value=lambda old: {"weights.safetensors": first_of(TEXT)}), [SAME]),
    ],
)  # fmt: skip
def test_what_does_not_follow_from_the_records(change: Change, expected: list[str]) -> None:
    assert_found(MAIN, change, expected)


def first_of(key: str) -> str:
    return SUBMISSION.weights[RECORDS[key][0].id]["weights.safetensors"]


@pytest.mark.parametrize(
    ("key", "number", "change"),
    [
        (LEARN, 1, put("records", 0, "curve", 0, "total", value=lambda old: old - 9)),
        (RETAIN, 0, put("records", 2, "curve", 3, "total", value=lambda old: old + 1)),
        (TEXT, 4, put("records", 1, "losses", 3, "nats", 0, value=lambda old: old - 0.001)),
        (TEXT, 4, put("records", 1, "losses", 3, "nats", 0, value=lambda old: old + 0.001)),
    ],
)
def test_a_sum_that_is_changed_afterwards_gives_another_score(key: str, number: int, change: Change) -> None:
    (line,) = found({f"cells/{key}.json": change})
    assert line.startswith(f"{MAIN}: claims.{number}: expected what the sums of {key} give, ")


@pytest.mark.parametrize("status", ["failed", "diverged"])
@pytest.mark.parametrize("key", [LEARN, RETAIN, TEXT])
def test_a_bad_seed_that_is_hidden_leaves_its_claim_and_its_weights(key: str, status: str) -> None:
    name = f"cells/{key}.json"
    got = found({name: put("records", 0, value=lambda old: old | {"status": status, "reason": "out of memory"})})
    assert [line.partition(" expected")[0] for line in got] == [
        f"{MAIN}: claims.{[cell.key for cell in SUITE.cells].index(key)}:",
        f"{MAIN}: weights.{RECORDS[key][0].id}:",
    ]


def test_a_seed_that_did_not_finish_needs_no_weights_and_has_no_score() -> None:
    statuses: Any = {(TEXT, 101): "diverged", (LEARN, 102): "failed"}
    records = records_of(SUITE, model_named("gru"), statuses=statuses)
    submission = submission_of(SUITE, records)
    files = files_of(submission, records)
    assert lines(files, submission.id) == []
    claims = {claim["cell"]: claim for claim in json.loads(files[MAIN])["claims"]}
    assert (claims[TEXT]["seeds"][0], claims[TEXT]["score"]) == (None, None)


def test_losses_of_other_contexts_are_in_no_score() -> None:
    """They are drawn, not ranked; validation alone cannot know them better than the submitter."""
    assert found({f"cells/{TEXT}.json": put("records", 1, "losses", 0, "nats", 0, value=lambda old: old - 0.001)}) == []
