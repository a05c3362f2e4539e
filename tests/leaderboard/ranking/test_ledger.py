"""The ledger: nothing in it can be changed unnoticed, and it says what a submission has come to."""

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.ranking import ledger
from leaderboard.ranking.ledger import FIRST, Entry, append, read_ledger, submission_digest, tier

DIGEST = "d" * 64


def event(name: Any, number: int = 1) -> Entry:
    return Entry(
        number=number, previous=FIRST, date="2026-02-01", id="gru-1", digest=DIGEST, event=name, by="us", note=""
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "ledger.jsonl"
    for number, name in enumerate(("rescored", "rerun", "disputed")):
        append("gru-1", DIGEST, name, "us", f"event {number} <b>", path=found)
    return found


def test_what_is_appended_is_read_again(path: Path) -> None:
    entries = read_ledger(path)
    assert [entry.event for entry in entries] == ["rescored", "rerun", "disputed"]
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert entries[0].previous == FIRST
    before = path.read_bytes()
    append("gru-1", DIGEST, "withdrawn", "us", "asked to", path=path)
    assert path.read_bytes().startswith(before)
    assert read_ledger(path.with_name("none.jsonl")) == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("key", ["date", "id", "event", "by", "note", "digest"])
def test_a_changed_line_shows(path: Path, number: int, key: str) -> None:
    """Every line but the last is held by its successor; of the last one git has the history."""
    lines = path.read_bytes().splitlines(keepends=True)
    changed = json.loads(lines[number])
    other = {"date": "2020-01-01", "event": "withdrawn", "digest": "e" * 64}.get(key, "other")
    lines[number] = json.dumps(changed | {key: other}, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    if number == 2:
        assert getattr(read_ledger(path)[2], key) == other
    else:
        with pytest.raises(ValueError, match=f"line {number + 2}.*altered"):
            read_ledger(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[1:], "line 1.*altered"),
        (lambda lines: [lines[0], lines[2]], "line 2.*altered"),
        (lambda lines: [lines[1], lines[0], lines[2]], "line 1.*altered"),
        (lambda lines: [*lines, lines[2]], "line 4.*altered"),
        (lambda lines: [*lines[:2], lines[2][:-1]], "cut off"),
        (lambda lines: [*lines[:2], b"{}\n"], "line 3: not an entry"),
        (lambda lines: [*lines[:2], b"\n"], "line 3: not an entry"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"by"', b'"by":"x","by"')], "line 3: not an entry"),
    ],
)
def test_lines_that_are_gone_moved_or_no_entries_show(path: Path, change, said: str) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(ValueError, match=said):
        read_ledger(path)
    with pytest.raises(ValueError, match=said):
        append("gru-1", DIGEST, "rerun", "us", "", path=path)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([], "self-reported"),
        (["rescored"], "rescored"),
        (["rescored", "rerun"], "rerun"),
        (["rerun", "rescored"], "rerun"),
        (["rerun", "disputed"], "disputed"),
        (["rerun", "disputed", "rescored"], "rescored"),
        (["disputed", "rerun"], "rerun"),
        (["withdrawn", "rerun"], "withdrawn"),
        (["disputed", "withdrawn"], "withdrawn"),
    ],
)
def test_the_tier_is_the_last_word(events: list[str], found: str) -> None:
    assert tier([event(name) for name in events]) == found


def test_a_digest_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "submission.json").write_text("1")
    (tmp_path / "cells" / "a.json").write_text("2")
    first = submission_digest(tmp_path)
    (tmp_path / "cells" / "a.json").rename(tmp_path / "cells" / "b.json")
    second = submission_digest(tmp_path)
    (tmp_path / "cells" / "b.json").write_text("3")
    assert len({first, second, submission_digest(tmp_path)}) == 3


def test_the_projects_own_ledger_is_whole() -> None:
    read_ledger(ledger.LEDGER)
