"""A valid submission in memory, and what is found once one thing in it is changed."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from leaderboard.record import Record
from leaderboard.suite import Suite
from leaderboard.validation.submission import Seeds, Submission
from leaderboard.validation.validate import validated
from tests.leaderboard.boards import model_named, records_of, submission_of, suites, tiny_suite

MAIN = "submission.json"
LEARN, RETAIN, TEXT = "learn-planted-byte", "retain-delayed_recall", "language-bpe-512"
Change = Callable[[Any], None]


def files_of(submission: Submission, records: Mapping[str, Sequence[Record]]) -> dict[str, bytes]:
    """The files of a submission's folder."""
    cells = {f"cells/{key}.json": Seeds(cell=key, records=list(each)) for key, each in records.items()}
    return {MAIN: submission.model_dump_json().encode()} | {
        name: seeds.model_dump_json().encode() for name, seeds in cells.items()
    }


SUITE = tiny_suite()
RECORDS = records_of(SUITE, model_named("gru"))
SUBMISSION = submission_of(SUITE, RECORDS)
FILES = files_of(SUBMISSION, RECORDS)
DATA = {name: json.loads(data) for name, data in FILES.items()}


def put(*path: str | int, value: Any) -> Change:
    """Set data[path] to `value`, or to what it makes of the value there."""

    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        old = data.get(path[-1]) if isinstance(data, dict) else data[path[-1]]
        data[path[-1]] = value(old) if callable(value) else value

    return change


def lines(files: Mapping[str, bytes], name: str = SUBMISSION.id, suite: Suite = SUITE) -> list[str]:
    """What is found in these files, in a folder called `name`."""
    return [finding.line() for finding in validated(files, name, suites(suite)).findings]


def found(changes: Mapping[str, Change]) -> list[str]:
    """What is found once each of these files is changed."""
    files = dict(FILES)
    for name, change in changes.items():
        data = copy.deepcopy(DATA[name])
        change(data)
        files[name] = json.dumps(data).encode()
    return lines(files)


def assert_found(name: str, change: Change, expected: Sequence[str]) -> None:
    """Exactly these findings, each by how it begins; those of another file with its name in front."""
    wanted = [each if each.startswith((MAIN, "cells/")) else f"{name}: {each}" for each in expected]
    got = found({name: change})
    assert len(got) == len(wanted), got
    assert all(line.startswith(each) for line, each in zip(got, wanted, strict=True)), got
