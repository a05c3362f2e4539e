"""Only valid submissions enter, and only as they were when the ledger spoke of them."""

from pathlib import Path

import pytest

from leaderboard.ranking.entrants import read_entrants
from leaderboard.ranking.ledger import append, submission_digest
from tests.leaderboard.boards import (
    edited,
    entrants_of,
    model_named,
    records_of,
    suites,
    tiny_suite,
    write_board,
    write_submission,
)

SUITE = tiny_suite(("byte",))


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return write_board(tmp_path, SUITE, [("Gru", 60.0, 2.9), ("Lstm", 40.0, 3.0)])


def test_each_has_its_tier(board: Path) -> None:
    gru = next(path for path in board.iterdir() if path.name.startswith("gru"))
    append(gru.name, submission_digest(gru), "rescored", "us", "", path=board.parent / "ledger.jsonl")
    found = {entrant.submission.name: entrant for entrant in entrants_of(board, SUITE)}
    assert {name: entrant.tier for name, entrant in found.items()} == {"Gru": "rescored", "Lstm": "self-reported"}
    assert [event.event for event in found["Gru"].events] == ["rescored"]
    assert found["Gru"].n_params == 24_000
    assert found["Gru"].seconds == pytest.approx(12.5 * 3 * len(SUITE.cells))
    assert found["Gru"].flops_per_byte("language-byte") == pytest.approx(50_060.0)


def test_a_submission_that_changed_after_it_was_checked_is_refused(board: Path) -> None:
    gru = next(path for path in board.iterdir() if path.name.startswith("gru"))
    append(gru.name, submission_digest(gru), "rerun", "us", "", path=board.parent / "ledger.jsonl")
    edited(gru / "submission.json", lambda data: data.update(contact="@other"))
    with pytest.raises(ValueError, match="has changed since line 1 of the ledger, rerun"):
        entrants_of(board, SUITE)


def test_what_is_not_valid_is_named(board: Path) -> None:
    gru = next(path for path in board.iterdir() if path.name.startswith("gru"))
    (gru / "cells" / "language-byte.json").unlink()
    with pytest.raises(ValueError, match=rf"{gru.name}: cells/language-byte.json: expected the records"):
        entrants_of(board, SUITE)


def test_a_ledger_that_speaks_of_nobody_is_refused(board: Path) -> None:
    append("mamba-1", "d" * 64, "rerun", "us", "", path=board.parent / "ledger.jsonl")
    with pytest.raises(ValueError, match="speaks of mamba-1"):
        entrants_of(board, SUITE)


def test_two_rows_have_two_names(board: Path) -> None:
    records = records_of(SUITE, model_named("Gru", depth=3), salt=1)
    write_submission(board, SUITE, "gRU", records)
    with pytest.raises(ValueError, match="have one name"):
        read_entrants(board, suites=suites(SUITE))
