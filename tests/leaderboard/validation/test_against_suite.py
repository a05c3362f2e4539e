"""The official cell, the registered seeds, the task's own facts: what was run is not the submitter's to choose."""

from typing import Any

import pytest

from leaderboard.cell import Part
from tests.leaderboard.boards import records_of, submission_of
from tests.leaderboard.validation.corrupted import (
    LEARN,
    SUITE,
    TEXT,
    Change,
    assert_found,
    files_of,
    found,
    lines,
    put,
)

FILE = f"cells/{LEARN}.json"
ID = "records.0.id: expected the digest of the cell"
SEEDS = "records: expected the seeds 101, 102, 103, each once, in this order"
SAME = "records: expected the same n_params, n_params_non_embedding, flops_per_token, receptive_field whatever the seed"
ONE = "submission.json: cells: expected one "
TIME = "records.0.host.finished: expected a time in UTC"


def record(*path: str | int, value: Any) -> Change:
    return put("records", 0, *path, value=value)


def cell(*path: str | int, value: Any) -> Change:
    return record("cell", *path, value=value)


def facts(*path: str | int, value: Any) -> Change:
    return record("facts", *path, value=value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("cell", value=TEXT), [f"cell: expected {LEARN}"]),
        (put("cell", value="../x"), [f"cell: expected {LEARN}"]),
        (put("more", value=1), ["more: Extra inputs are not permitted"]),
        (put("records", value=[]), ["records: List should have at least 1 item"]),
        (put("records", value=lambda old: old[:2]), [SEEDS]),
        (put("records", value=lambda old: old[::-1]), [SEEDS]),
        (put("records", value=lambda old: [*old, old[0]]), [SEEDS]),
        (put("records", value=lambda old: [old[0]] * 3), [SEEDS]),
        (put("records", 1, value=None), ["records.1: Input should be a valid dictionary"]),
        (cell("seed", value=104), [SEEDS]),
        (cell("seed", value=101.0), ["records.0.cell.seed: Input should be a valid integer"]),
        (record("score", value=1), ["records.0.score: Extra inputs are not permitted"]),
        (record("schema_version", value=1), ["records.0.schema_version: Input should be 2"]),
        (record("schema_version", value=True), ["records.0.schema_version: expected a whole number"]),
        (record("status", value="perfect"), ["records.0.status: Input should be 'ok', 'diverged' or 'failed'"]),
        (record("id", value="0" * 16), [ID, "submission.json: id: expected gru-"]),
        (record("reason", value="all is well"), ["records.0.reason: expected a reason where the status is not ok"]),
        (record("reason", value=""), ["records.0.reason: expected a reason where the status is not ok"]),
        (record(value=lambda old: old | {"status": "failed", "reason": ""}), ["records.0.reason: expected a reason"]),
        (record("status", value="failed"), ["records.0.reason: expected a reason where the status is not ok"]),
        (record("gradient", value={"documents": [], "curve": []}), ["records.0.gradient: expected null"]),
        (record("influence", value={"documents": [], "curve": [], "leaks": []}), ["records.0.influence: expected"]),
        (record("audit", value={"lag": 1, "plain": {"at": 1, "n": 1, "total": 1.0}}), ["records.0.audit: expected"]),
        (record("skipped", value=[{"measure": "audit", "reason": ""}]), ["records.0.skipped: expected none"]),
        (cell("lags", value=[16, 32]), ["records.0.cell.lags: expected [16, 32, 64, 128, 256], got [16, 32]"]),
        (cell("bisect", value=True), ["records.0.cell.bisect: expected False, got True"]),
        (cell("precision", value="bf16-true"), ["records.0.cell.precision: expected 32-true, got bf16-true"]),
        (cell("task", "init_args", value={"values": 2}), ["records.0.cell.task.init_args: expected {}, got"]),
        (cell("task", "class_path", value="os.system"), ["records.0.cell.task.class_path: expected tasks.pl"]),
        (cell("corpus", "digest", value="cd" * 32), ["records.0.cell.corpus.digest: expected abab"]),
        (cell("corpus", value=None), ["records.0.cell.corpus: expected name="]),
        (cell("tokenizer", "init_args", value={"kind": "bpe-512"}), ["records.0.cell.tokenizer.init_args.kind"]),
        (cell("model", "class_path", value="models.lstm.Lstm"), ["records.0.cell.model.class_path: expected m"]),
        (cell("model", "init_args", value={"dim": 48.0}), ["records.0.cell: expected the official one"]),
        (cell("budget", "sequences", value=64_000), ["records.0.cell.budget.sequences: expected 6400, got 64000"]),
        (cell("budget", "n_test", value=9), ["records.0.cell.budget.n_test: expected 256, got 9"]),
        (cell("budget", "weight_decay", value=0.0), ["records.0.cell.budget.weight_decay: expected 0.01, got 0.0"]),
        (cell("budget", "lr", value=0.1), [ID, ONE + "learning rate in all cells"]),
        (cell("budget", "lr", value=7.0), [ID, "records.0.cell.budget.lr: expected 1e-06 to 1.0, got 7.0", ONE]),
        (cell("budget", "lr", value=1e-300), [ID, "records.0.cell.budget.lr: expected 1e-06 to 1.0, got 1e-300", ONE]),
        (facts(value=None), ["records.0.facts: expected the task's facts"]),
        (facts("metric", value="mse"), ["records.0.facts.metric: expected accuracy, got mse"]),
        (facts("chance", value=0.0), ["records.0.facts.chance: expected 0.125, got 0.0"]),
        (facts("baseline", value=0.0), ["records.0.facts.baseline: expected 0.125, got 0.0"]),
        (facts("lag_unit", value="tokens"), ["records.0.facts.lag_unit: expected bytes, got tokens"]),
        (facts("bytes_per_token", value=0.5), ["records.0.facts.bytes_per_token: expected 1.0, got 0.5"]),
        (facts("tokenizer_digest", value="cd" * 32), ["records.0.facts.tokenizer_digest: expected "]),
        (facts("vocab_size", value=256), ["records.0.facts.vocab_size: expected 512, got 256"]),
        (facts("n_train_bytes", value=10**9), ["records.0.facts.n_train_bytes: expected 1000000, got 1000000000"]),
        (facts("splits", "test", "n_bytes", value=1), ["records.0.facts.splits.test.n_bytes: expected 100000, got 1"]),
        (facts("splits", "test", "digest", value="cd" * 32), ["records.0.facts.splits.test.digest: expected abab"]),
        (facts("splits", value={}), ["records.0.facts.splits: expected {'test'"]),
        (facts("n_params", value=60_001), [SAME]),
        (facts("flops_per_token", value=1.0), [SAME]),
        (facts("receptive_field", value=9), [SAME]),
        (facts("n_params", value=24_000), ["records.0.facts.n_params: expected more than the model's own", SAME]),
        (facts("n_params", value=10**13), ["records.0.facts: expected at most 1e+12 parameters and inputs", SAME]),
        (facts("flops_per_token", value=1e300), ["records.0.facts.flops_per_token: expected 1 to 1e+12, got", SAME]),
        (facts("flops_per_token", value=0.0), ["records.0.facts.flops_per_token: expected 1 to 1e+12, got 0", SAME]),
        (facts("n_params_non_embedding", value=9), [SAME, ONE + "number of parameters"]),
        (
            facts("n_params_non_embedding", value=25_001),
            ["records.0.facts.n_params_non_embedding: expected 1 to 25000, got 25001", SAME, ONE + "number"],
        ),
        (record("host", "finished", value="now"), [TIME]),
        (record("host", "finished", value="2026-02-30T12:00:00+00:00"), [TIME]),
        (record("host", "finished", value="2026-01-31T12:00:00+05:00"), [TIME]),
        (record("host", "commit", value="HEAD"), ["records.0.host.commit: expected 40 hex digits"]),
        (record("host", "seconds", value=1e300), ["records.0.host: expected at most 1e+08 seconds"]),
        (record("host", "seconds", value=-1.0), ["records.0.host.seconds: Input should be greater than or equal to 0"]),
        (record("host", "peak_bytes", value=10**13), ["records.0.host: expected at most 1e+08 seconds, 1e+12 bytes"]),
        (record("host", "versions", value={f"a{i}": "1" for i in range(51)}), ["records.0.host: expected at most"]),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be(change: Change, expected: list[str]) -> None:
    assert_found(FILE, change, expected)


@pytest.mark.parametrize(
    "change",
    [
        record("host", value=lambda old: old | {"seconds": 0.0, "device": "cuda", "commit": None, "versions": {}}),
        record("host", "finished", value="2026-01-31T12:00:00Z"),
    ],
)
def test_what_may_differ_between_two_runs(change: Change) -> None:
    assert found({FILE: change}) == []


def test_a_model_of_ones_own_is_named_by_its_file_and_the_digest_of_that() -> None:
    model = Part(name="mine", class_path="mine.py:Mine", init_args={"dim": 48, "gate": True}, source="cd" * 32)
    records = records_of(SUITE, model)
    submission = submission_of(SUITE, records, "Mine", source="cd" * 32)
    assert lines(files_of(submission, records), submission.id) == []
    other = submission_of(SUITE, records, "Mine")
    expected = "submission.json: model.source: expected the digest under source, or null for a class of the suite"
    assert lines(files_of(other, records), other.id) == [expected]
