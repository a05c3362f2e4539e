"""Attackers who put everything else right: ids, digests, claims, weights and the folder's name follow from the lie."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.cell import Cell
from leaderboard.record import Record
from tests.leaderboard.boards import model_named, records_of, submission_of
from tests.leaderboard.validation.corrupted import LEARN, RECORDS, RETAIN, SUITE, TEXT, files_of, lines

Lie = Callable[[Record], Record]
GRU = model_named("gru")


def told(key: str, lie: Lie, seeds: Sequence[int] = tuple(SUITE.seeds)) -> list[str]:
    """What is found where the records of one cell lie, those of these seeds."""
    lies = [lie(record) if record.cell.seed in seeds else record for record in RECORDS[key]]
    return found(RECORDS | {key: lies})


def found(records: Mapping[str, Sequence[Record]], name: str = "Gru") -> list[str]:
    mine = {key: list(each) for key, each in records.items()}
    submission = submission_of(SUITE, mine, name)
    return lines(files_of(submission, mine), submission.id)


def in_cell(**changes: Any) -> Lie:
    """Another cell under the official one's key, with the id of what it says."""

    def lie(record: Record) -> Record:
        cell = Cell.model_validate(record.cell.model_dump() | changes)
        return record.model_copy(update={"cell": cell, "id": cell.id})

    return lie


def in_budget(**changes: Any) -> Lie:
    def lie(record: Record) -> Record:
        return in_cell(budget=record.cell.budget.model_dump() | changes)(record)

    return lie


def in_facts(**changes: Any) -> Lie:
    def lie(record: Record) -> Record:
        assert record.facts is not None
        return record.model_copy(update={"facts": record.facts.model_copy(update=changes)})

    return lie


def in_curve(**changes: Any) -> Lie:
    return lambda record: record.model_copy(update={"curve": [replace(each, **changes) for each in record.curve]})


def in_losses(change: Callable[[Any], dict[str, Any]]) -> Lie:
    return lambda record: record.model_copy(
        update={"losses": [each.model_copy(update=change(each)) for each in record.losses]}
    )


def test_the_truth_is_accepted() -> None:
    assert found(RECORDS) == []
    assert told(LEARN, lambda record: record) == []


@pytest.mark.parametrize(
    ("key", "lie", "field"),
    [
        (LEARN, in_budget(sequences=64_000), "cell.budget.sequences: expected 6400, got 64000"),
        (LEARN, in_budget(n_test=16), "cell.budget.n_test: expected 256, got 16"),
        (RETAIN, in_budget(batch_size=64, sequences=64_000), "cell.budget.sequences: expected 6400"),
        (LEARN, in_cell(lags=[16]), "cell.lags: expected [16, 32, 64, 128, 256], got [16]"),
        (RETAIN, in_cell(lags=[16, 1024]), "cell.lags: expected [16, 64], got [16, 1024]"),
        (LEARN, in_cell(bisect=True), "cell.bisect: expected False, got True"),
        (TEXT, in_cell(c_max=128), "cell.c_max: expected 64, got 128"),
        (TEXT, in_cell(corpus={"name": "sympy", "digest": "0" * 64}), "cell.corpus.digest: expected abab"),
        (TEXT, in_cell(tokenizer=None), "cell.tokenizer: expected name='bpe-512'"),
        (TEXT, in_cell(precision="64-true"), "cell.precision: expected 32-true, got 64-true"),
        (LEARN, in_facts(chance=0.0), "facts.chance: expected 0.125, got 0.0"),
        (TEXT, in_facts(bytes_per_token=3.8), "facts.bytes_per_token: expected 1.9, got 3.8"),
        (TEXT, in_facts(tokenizer_digest="0" * 64), "facts.tokenizer_digest: expected "),
        (LEARN, in_facts(n_params_non_embedding=25_001), "facts.n_params_non_embedding: expected 1 to 25000"),
        (LEARN, in_curve(n=1, total=1.0), "n: expected 256, got 1"),
        (LEARN, in_curve(total=257.0), "total: expected a whole number of right answers, at most 256"),
        (RETAIN, in_curve(lag_tokens=0), "lag_tokens: expected "),
        (TEXT, in_losses(lambda each: {"n_tokens": 2 * each.n_tokens}), "n_tokens: expected 208 tokens"),
        (TEXT, in_losses(lambda each: {"context_tokens": 0}), "n_tokens: expected 208 tokens"),
        (TEXT, in_losses(lambda each: {"nats": [n and 0.0 for n in each.nats]}), "nats: expected no less than 1.000"),
        (TEXT, in_losses(lambda each: {"nats": [n and n / 5 for n in each.nats]}), "nats: expected no less than 1.000"),
    ],
)
def test_another_question_answered_better_is_found(key: str, lie: Lie, field: str) -> None:
    got = told(key, lie)
    assert got
    assert all(line.startswith((f"cells/{key}.json: ", "submission.json: cells: ")) for line in got)
    assert field in got[0]


def test_fewer_bytes_to_predict_are_found() -> None:
    def lie(record: Record) -> Record:
        assert record.blocks is not None
        shorter = record.blocks.model_copy(update={"n_bytes": [2 * n for n in record.blocks.n_bytes]})
        return record.model_copy(update={"blocks": shorter})

    assert [line.partition(": expected")[0] for line in told(TEXT, lie)] == [
        f"cells/{TEXT}.json: records.{number}.blocks" for number in range(3)
    ]


def test_a_rate_of_its_own_for_one_cell_or_one_seed_is_found() -> None:
    expected = ["submission.json: cells: expected one learning rate in all cells"]
    assert told(LEARN, in_budget(lr=1e-3)) == expected
    assert told(LEARN, in_budget(lr=1e-3), [102]) == expected


def test_a_model_of_its_own_for_one_cell_is_found() -> None:
    for other in (model_named("lstm"), model_named("gru", layers=2)):
        mine = records_of(SUITE, other)
        got = found(RECORDS | {TEXT: mine[TEXT]})
        assert [line.partition(": expected")[0] for line in got] == [
            f"cells/{TEXT}.json: records.{number}.cell.model"
            + (".name" if other.name != "gru" else ".init_args")
            for number in range(3)
        ]  # fmt: skip


def test_a_smaller_model_for_one_cell_is_found() -> None:
    expected = "submission.json: cells: expected one number of parameters, without embedding and head, in all cells"
    assert told(LEARN, in_facts(n_params_non_embedding=12_000)) == [expected]


def test_better_seeds_than_the_registered_ones_are_found() -> None:
    """Run many, keep three: under their own numbers, or under the registered ones."""
    lucky = [in_cell(seed=seed)(record) for seed, record in zip((7, 8, 9), RECORDS[LEARN], strict=True)]
    (line,) = found(RECORDS | {LEARN: lucky})
    assert line.endswith("records: expected the seeds 101, 102, 103, each once, in this order")
    more = [*RECORDS[LEARN], in_cell(seed=104)(RECORDS[LEARN][0])]
    (line,) = found(RECORDS | {LEARN: more})
    assert line.endswith("records: expected the seeds 101, 102, 103, each once, in this order")
    renamed = [in_cell(seed=r.cell.seed)(RECORDS[LEARN][1]) for r in RECORDS[LEARN]]
    assert all("lag_tokens: expected " in line for line in found(RECORDS | {LEARN: renamed}))


def test_lags_that_went_badly_are_missed() -> None:
    def lie(record: Record) -> Record:
        return record.model_copy(update={"curve": record.curve[:4]})

    assert [line.partition(", got")[0] for line in told(RETAIN, lie)] == [
        f"cells/{RETAIN}.json: records.{number}.curve: expected the lags 16, 23, 32, 45, 64, 91, 128, 181, 256"
        for number in range(3)
    ]


@pytest.mark.parametrize("key", [LEARN, RETAIN, TEXT])
def test_a_bad_seed_may_be_given_up_but_not_averaged_away(key: str) -> None:
    """A seed said to have failed leaves the cell without a score: whoever hides one loses the rank."""

    def lie(record: Record) -> Record:
        return record.model_copy(update={"status": "failed", "reason": "lost", "curve": [], "losses": []})

    mine = {k: list(each) for k, each in RECORDS.items()}
    mine[key] = [lie(mine[key][0]), *mine[key][1:]]
    submission = submission_of(SUITE, mine)
    assert lines(files_of(submission, mine), submission.id) == []
    claims = {claim.cell: claim for claim in submission.claims}
    assert claims[key].score is None
    kept = [score for score in claims[key].seeds if score is not None]
    changed = [
        claim.model_copy(update={"score": sum(kept) / len(kept)}) if claim.cell == key else claim
        for claim in submission.claims
    ]
    averaged = submission_of(SUITE, mine, claims=changed)
    (line,) = lines(files_of(averaged, mine), averaged.id)
    assert f"expected what the sums of {key} give, none, " in line


def test_records_of_one_name_are_no_submission_of_another() -> None:
    mine = {key: list(each) for key, each in RECORDS.items()}
    theirs = submission_of(SUITE, mine, "Gru")
    mine_as = submission_of(SUITE, mine, "Mine", id=theirs.id)
    assert lines(files_of(mine_as, mine), theirs.id) == [
        f"submission.json: id: expected {submission_of(SUITE, mine, 'Mine').id}, from the name and the records"
    ]


def test_what_is_invented_with_care_is_not_found() -> None:
    """Validation alone cannot know it; a rescoring and a rerun can."""
    assert told(LEARN, in_curve(total=256.0)) == []
    assert told(TEXT, in_losses(lambda each: {"nats": [n and n * 0.7 for n in each.nats]})) == []
    assert found(records_of(SUITE, GRU, span=10_000.0, bits=1.4), "Gru") == []
