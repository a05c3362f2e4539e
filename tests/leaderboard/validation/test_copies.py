"""Measurements and weights that are another training's."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.cell import Part
from leaderboard.record import Record
from leaderboard.validation.copies import COPIED, figures, repeated
from leaderboard.validation.validate import validate
from tests.leaderboard.boards import model_named, records_of, submission_of, suites, write_submission
from tests.leaderboard.validation.corrupted import RECORDS, RETAIN, SUITE, TEXT, files_of, lines

Records = dict[str, list[Record]]


def findings(folder: Path) -> list[str]:
    return [finding.line() for finding in validate(folder, suites(SUITE)).findings]


def as_ones_own(records: Records, model: Part) -> Records:
    """Somebody else's records: the model and the ids are put right."""
    return {key: [_of(record, model, record.cell.seed) for record in each] for key, each in records.items()}


def _of(record: Record, model: Part, seed: int) -> Record:
    cell = record.cell.model_copy(update={"model": model, "seed": seed})
    return record.model_copy(update={"cell": cell, "id": cell.id})


@pytest.fixture
def gru(tmp_path: Path) -> Path:
    return write_submission(tmp_path / "submissions", SUITE, "Gru", RECORDS)


def test_the_records_of_another_model_are_found(gru: Path) -> None:
    mine = write_submission(gru.parent, SUITE, "Mine", as_ones_own(RECORDS, model_named("mine")))
    assert findings(mine) == [
        f"submission.json: cells: expected measurements of its own, {gru.name} has those of {key} too"
        for key in ("language-byte", TEXT)
    ]
    assert len(findings(gru)) == 2  # which of the two was there first is for git to say


def test_a_few_losses_changed_hide_nothing(gru: Path) -> None:
    """Every other one, so little that no score moves."""
    mine = as_ones_own(RECORDS, model_named("mine"))
    for key in ("language-byte", TEXT):
        mine[key] = [
            record.model_copy(
                update={
                    "losses": [
                        each.model_copy(update={"nats": [n and n + 1e-6 * (i % 2) for i, n in enumerate(each.nats)]})
                        for each in record.losses
                    ]
                }
            )
            for record in mine[key]
        ]
    assert len(findings(write_submission(gru.parent, SUITE, "Mine", mine))) == 2


def test_weights_of_another_submission_are_found(gru: Path) -> None:
    records = records_of(SUITE, model_named("mine"))
    weights = submission_of(SUITE, records, "Mine").weights
    theirs = json.loads((gru / "submission.json").read_text())["weights"]
    one = records[RETAIN][0].id
    weights[one] = dict(theirs[RECORDS[RETAIN][0].id])
    mine = write_submission(gru.parent, SUITE, "Mine", records, weights=weights)
    assert findings(mine) == [f"submission.json: weights: expected weights of its own, {gru.name} has some of them"]


def test_a_submission_is_no_copy_of_itself_nor_of_another_model(gru: Path) -> None:
    mine = write_submission(gru.parent, SUITE, "Mine", records_of(SUITE, model_named("mine")))
    assert findings(mine) == findings(gru) == []


def test_one_training_is_not_two_seeds() -> None:
    """The best seed's record three times, its seeds, ids and claims put right."""
    best = {key: [_of(each[0], each[0].cell.model, seed) for seed in SUITE.seeds] for key, each in RECORDS.items()}
    records = RECORDS | {TEXT: best[TEXT]}
    submission = submission_of(SUITE, records)
    begin = "submission.json: cells: expected measurements of its own for language-bpe-512, seed "
    assert lines(files_of(submission, records), submission.id) == [
        f"{begin}102, {TEXT}, seed 101 has them too",
        f"{begin}103, {TEXT}, seed 101 has them too",
        f"{begin}103, {TEXT}, seed 102 has them too",
    ]


def test_squared_errors_tell_trainings_apart_and_counts_do_not() -> None:
    first, second = RECORDS[RETAIN][0], RECORDS[RETAIN][1]
    assert figures([first, second]) == frozenset()
    errors = [replace(each, total=0.1 + each.lag / 3) for each in first.curve]
    same = {RETAIN: [record.model_copy(update={"curve": errors}) for record in (first, second)]}
    assert len(list(repeated(same))) == 1
    assert 1 / len(errors) > COPIED  # a single one in common is too many
    assert list(repeated({RETAIN: [first, second]})) == []


def test_a_neighbour_that_is_no_submission_is_its_own_problem(gru: Path) -> None:
    bombs = (b"[" * 100_000, b"\xff", b"{}", b'{"weights": 3}', b'{"records": [' + b"{}," * 300_000 + b"{}]}", b"")
    for number, data in enumerate(bombs):
        (gru.parent / f"other-{number}" / "cells").mkdir(parents=True)
        (gru.parent / f"other-{number}" / "submission.json").write_bytes(data)
        (gru.parent / f"other-{number}" / "cells" / f"{TEXT}.json").write_bytes(data)
    (gru.parent / "large").mkdir()
    with (gru.parent / "large" / "submission.json").open("wb") as file:
        file.truncate(2**40)
    (gru.parent / "pipe").mkdir()
    os.mkfifo(gru.parent / "pipe" / "submission.json")
    assert findings(gru) == []


def test_no_link_of_a_neighbour_is_followed(gru: Path) -> None:
    mine = write_submission(gru.parent, SUITE, "Mine", as_ones_own(RECORDS, model_named("mine")))
    hidden = gru.parent.parent / "hidden"
    gru.rename(hidden)
    assert findings(mine) == []
    gru.symlink_to(hidden)
    assert findings(mine) == []
    gru.unlink()
    gru.mkdir()
    (gru / "submission.json").write_text("{}")
    (gru / "cells").symlink_to(hidden / "cells")
    assert findings(mine) == []
    (gru / "cells").unlink()
    (hidden / "cells").rename(gru / "cells")
    assert len(findings(mine)) == 2
