"""Records that nobody wrote so: refused in one line that names the file, or read, and then reported or refused so."""

import contextlib
import copy
import hashlib
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.cell import Cell
from leaderboard.groups import group
from leaderboard.record import SEAL, SEALED, Record, read_record, sealed
from leaderboard.reports.mechanism import mechanism_rows
from leaderboard.reports.report_text import markdown
from leaderboard.reports.sheets import costs_csv, long_csv
from leaderboard.reports.tables import terminal
from tests.leaderboard.profile_records import model_records
from tests.leaderboard.synthetic_records import record

RECORDS = [*model_records(seeds=1), record(status="failed"), record({16: 0.9, 32: 0.2}, status="diverged")]
REFUSED = re.compile("record [0-9a-f]{16}: |an (mse|accuracy) task needs a chance")  # what a report says of a record
FILES = [sealed(each) for each in RECORDS]
HOSTILE: list[Any] = [
    None, True, 0, 1, -1, 7, 2**31, 2**63, 2**64, 10**40, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308, float("nan"),
    float("inf"), "", " ", "0", "NaN", "x" * 5000, "a\nb", "a|b", "[/red]", "[bold]", "=1+1", "\x1b[2J", "a\0b",
    "\u202e", "e\u0301", "\U0001f4a9", "ok", "failed", "diverged", "none", "bytes", "mse", "bits_per_byte", "language",
    "retain", "learn", [], [[]], [None], [1, 2], [2, 1], [0], {}, {"a": 1}, {"": None}, [[[[[[[1]]]]]]],
]  # fmt: skip


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a JSON value but of a long list's middle."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in pairs if len(pairs) < 40 else pairs[:2]:
        yield (*path, key)
        yield from nodes(inner, (*path, key))


DATA = [json.loads(each.model_dump_json()) for each in RECORDS]
PATHS = [list(nodes(value)) for value in DATA]


def held(data: bytes, id: str, folder: Path) -> Record | None:
    """The record, where there is one; all that a report says of it can be said."""
    path = folder / f"{id}.json"
    path.write_bytes(data)
    said, found = "", None
    try:
        found = read_record(path)
    except ValueError as error:
        said = str(error)
    if found is None:
        assert said.startswith(f"{path}: ")
        assert len(said.splitlines()) == 1
        return None
    try:
        groups = group([found])
        terminal(groups, "t", {})
        texts = [markdown(groups, "t", {}, ""), long_csv(groups), costs_csv(groups), str(mechanism_rows(groups, {}))]
    except ValueError as error:
        texts = [str(error)] * bool(REFUSED.match(str(error)))
    except OverflowError:
        texts = ["a count that no machine can hold"]
    assert all(text.encode() for text in texts)
    assert texts
    return found


def test_those_they_are_made_from_are_read(tmp_path: Path) -> None:
    for data, each in zip(FILES, RECORDS, strict=True):
        assert held(data, each.id, tmp_path) == each


@given(st.integers(0, len(FILES) - 1), st.data())
@settings(max_examples=150, derandomize=True, database=None, deadline=None)
def test_bytes(tmp_path_factory: pytest.TempPathFactory, which: int, data: st.DataObject) -> None:
    """Cut off, bits turned, bytes put in or left out."""
    whole = FILES[which]
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["cut", "flip", "put in", "leave out"]))
    if how == "cut":
        found = whole[:at]
    elif how == "flip":
        found = whole[:at] + bytes([whole[at] ^ 1 << data.draw(st.integers(0, 7))]) + whole[at + 1 :]
    elif how == "put in":
        found = (
            whole[:at]
            + data.draw(st.binary(max_size=3) | st.sampled_from([b",", b'"', b"{", b"9" * 5000]))
            + whole[at:]
        )
    else:
        found = whole[:at] + whole[at + data.draw(st.integers(1, 200)) :]
    assert held(found, RECORDS[which].id, tmp_path_factory.getbasetemp()) is None or found == whole


@given(st.integers(0, len(FILES) - 1), st.randoms(use_true_random=False), st.sampled_from(HOSTILE), st.integers(0, 3))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # squares of 1e308 are infinite; the tables say so
def test_values(tmp_path_factory: pytest.TempPathFactory, which: int, rng: random.Random, value: Any, how: int) -> None:
    """Any node replaced, taken out or doubled under another name; id and digest are made to fit."""
    data = copy.deepcopy(DATA[which])
    *way, last = rng.choice(PATHS[which])
    parent = data
    for key in way:
        parent = parent[key]
    if how == 0:
        del parent[last]
    elif how == 1 and isinstance(parent, dict):
        parent[f"{last}_"] = parent[last]
    else:
        parent[last] = value
    with contextlib.suppress(KeyError, ValueError):
        data["id"] = Cell.model_validate_json(json.dumps(data["cell"])).id
    id = data["id"] if isinstance(data.get("id"), str) and data["id"].isalnum() else RECORDS[which].id
    body = json.dumps(data, indent=1).encode().removesuffix(b"\n}")
    found = body + SEAL + hashlib.sha256(body).hexdigest().encode() + SEALED
    held(found, id[:100], tmp_path_factory.getbasetemp())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{}", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 10**5, b'{"id": "a", "id": "b"}',
        b"{" + b" " * 10**6 + b"}", b'{"schema_version": 3}', b'{"schema_version": 2.0}', b'{"schema_version": true}',
        b'{"id": "\\ud800"}', b'{"a":' * 10**5, b"NaN", b"1e999", b"9" * 10**5,
    ],
    ids=lambda data: repr(data[:24]),
)  # fmt: skip
def test_what_is_no_record_is_refused(data: bytes, tmp_path: Path) -> None:
    assert held(data, "0123456789abcdef", tmp_path) is None
