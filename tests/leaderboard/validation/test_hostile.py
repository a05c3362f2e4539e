"""Ten thousand submissions that nobody should accept: none is, none takes long, none raises.

Each is a valid one with something changed, in its bytes, in the structure of its JSON, or in one value. A change that
validation lets through must be one that the submitter is free to make (`FREE`), or one of a figure that no score adds
up (`UNSCORED`): losses at other contexts than T, say. Those only a rescoring can see.
"""

import copy
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.record import Record
from leaderboard.validation.claims import claims_of
from leaderboard.validation.submission import Seeds, Submission
from leaderboard.validation.validate import validated
from tests.leaderboard.boards import model_named, records_of, submission_of, suites, tiny_suite

SUITE = tiny_suite(("byte",), n_blocks=4, seeds=(101, 102))
READ = suites(SUITE)
RECORDS = records_of(SUITE, model_named("gru"))
SUBMISSION = submission_of(SUITE, RECORDS, "Gru")
FILES: dict[str, bytes] = {"submission.json": SUBMISSION.model_dump_json().encode()} | {
    f"cells/{key}.json": Seeds(cell=key, records=each).model_dump_json().encode() for key, each in RECORDS.items()
}
DATA = {name: json.loads(data) for name, data in FILES.items()}
NAMES = sorted(FILES)
TESTED: Counter[str] = Counter()
FREE = re.compile(
    r"submission\.json/(contact|link|date|family|commit|source|argv(/\d+)?|weights/[0-9a-f]{16}/[\w.-]+)"
    r"|cells/[\w-]+\.json/records/\d+/(reason|host(/.*)?|facts/(n_params|flops_per_token|receptive_field))"
)
UNSCORED = re.compile(
    r"cells/language-byte\.json/records/\d+/losses/\d+/nats/\d+"
    r"|cells/retain-delayed_recall\.json/records/\d+/curve/\d+/total"
    r"|cells/learn-planted-byte\.json/records/\d+/curve/\d+/(sequences|solved)"
)
HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**64, 10**40, 0.5, 1e-320, 1e308, -1e308, 5e-324, 1.0000001,
    "", " ", "0", "1", "NaN", "null", "x" * 400, "x" * 5000, "<script>alert(1)</script>", "=1+1", "@SUM(A1)", "+1",
    "-1", "'; DROP TABLE rows; --", "../../etc/passwd", "/etc/passwd", "..", "C:\\", "%2e%2e/", "file:///etc/passwd",
    "javascript:alert(1)", "http://example.org", "https://example.org", "data:text/html,<b>", "os.system",
    "models.gru.Gru", "__import__('os')", "${{ secrets.TOKEN }}", "$(id)", "`id`", "::error::x", "a\x00b", "a\nb",
    "\x1b[2J", "\u202eurg", "a\u200bb", "\ufeff", "Gr\u0443", "e\u0301", "\U0001f4a9", "ok", "failed", "diverged",
    "deadbeef" * 8, "0" * 16, [], [[]], [None], [1, 2], {}, {"a": 1}, {"__class__": "x"}, [[[[[[[[[[[[[1]]]]]]]]]]]]],
]  # fmt: skip


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a JSON value, the value itself apart."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from nodes(inner, (*path, key))


PATHS = {name: list(nodes(value)) for name, value in DATA.items()}


def changed(name: str, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> bytes:
    """The file with `change(parent, key)` done at a path."""
    data = copy.deepcopy(DATA[name])
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return json.dumps(data).encode()


def held(name: str, data: bytes, kind: str) -> bool:
    """Whether the submission with this one file changed is accepted; it may not raise nor take long."""
    TESTED[kind] += 1
    begin = time.process_time()
    found = validated(FILES | {name: data}, SUBMISSION.id, READ)
    assert time.process_time() - begin < 2
    for finding in found.findings:
        line = finding.line()
        assert line.isprintable()
        assert line.isascii() or line.endswith("…")
        assert len(line) <= 300
    return not found.findings


def meaning(name: str, data: bytes) -> Any:
    """What a file says, however it is written."""
    return (Submission if name == "submission.json" else Seeds).model_validate_json(data)


def same(name: str, data: bytes) -> bool:
    return meaning(name, data) == meaning(name, FILES[name])


def test_the_one_they_are_made_from_is_accepted() -> None:
    assert held("submission.json", FILES["submission.json"], "as it is")


@given(st.sampled_from(NAMES), st.data())
@settings(max_examples=4500, derandomize=True, database=None, deadline=None)
def test_bytes(name: str, data: st.DataObject) -> None:
    """Bytes put in, taken out, doubled, cut off."""
    whole = FILES[name]
    at = data.draw(st.integers(0, len(whole) - 1))
    put = data.draw(st.binary(max_size=3) | st.sampled_from([b",", b'"', b"{", b"]", b"0", b"-", b"e9", b"\\u0000"]))
    gone = data.draw(st.integers(0, 3) | st.integers(0, 200))
    found = whole[:at] + put + whole[at + gone :]
    if held(name, found, "bytes"):
        assert same(name, found) or excused(name, found)


def excused(name: str, data: bytes) -> bool:
    """Whether a file differs only where the submitter is free, or where no score does."""
    mine, other = dict(leaves(DATA[name])), dict(leaves(json.loads(data)))
    differing = {key for key in mine.keys() | other.keys() if mine.get(key, "?") != other.get(key, "?")}
    excuses = [FREE.fullmatch(f"{name}/{key}") or UNSCORED.fullmatch(f"{name}/{key}") for key in differing]
    if name == "submission.json":  # the last digits of a claim are rounding
        claims = [c.score for c in Submission.model_validate_json(data).claims]
        near = claims == pytest.approx([c.score for c in SUBMISSION.claims], rel=1e-8)
        return near and all(e or key.startswith("claims/") for key, e in zip(differing, excuses, strict=True))
    seeds = Seeds.model_validate_json(data)
    scores = claims_of(RECORDS | {seeds.cell: seeds.records}, SUITE)
    return all(excuses) and [c.score for c in scores] == pytest.approx([c.score for c in SUBMISSION.claims], rel=1e-8)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from leaves(inner, f"{path}/{key}" if path else str(key))
    else:
        yield path, value


@given(st.sampled_from(NAMES), st.randoms(use_true_random=False), st.sampled_from(HOSTILE))
@settings(max_examples=4000, derandomize=True, database=None, deadline=None)
def test_hostile_values(name: str, rng: random.Random, value: Any) -> None:
    """Any node replaced by something else."""
    path = rng.choice(PATHS[name])
    found = changed(name, path, lambda parent, key: parent.__setitem__(key, value))
    if held(name, found, "values"):
        assert same(name, found) or excused(name, found), (name, path, value)


@given(st.sampled_from(NAMES), st.randoms(use_true_random=False), st.sampled_from(["delete", "double", "swap", "nest"]))
@settings(max_examples=2000, derandomize=True, database=None, deadline=None)
def test_structure(name: str, rng: random.Random, how: str) -> None:
    """Any node taken out, doubled, put in a neighbour's place, or wrapped."""
    path = rng.choice(PATHS[name])

    def change(parent: Any, key: Any) -> None:
        if how == "delete":
            del parent[key]
        elif how == "double" and isinstance(parent, list):
            parent.insert(key, parent[key])
        elif how == "double":
            parent[f"{key}_"] = parent[key]
        elif how == "swap":
            keys = list(range(len(parent))) if isinstance(parent, list) else list(parent)
            other = rng.choice(keys)
            parent[key], parent[other] = parent[other], parent[key]
        else:
            parent[key] = [parent[key]]

    found = changed(name, path, change)
    if held(name, found, "structure"):
        assert same(name, found) or excused(name, found), (name, path, how)


@given(st.sampled_from([name for name in NAMES if name != "submission.json"]), st.randoms(use_true_random=False))
@settings(max_examples=1500, derandomize=True, database=None, deadline=None)
def test_any_number_a_little_better(name: str, rng: random.Random) -> None:
    """A number in a record moved a little, as somebody would who hopes that nobody adds up."""
    numbers = [path for path in PATHS[name] if is_number(at(DATA[name], path))]
    path = rng.choice(numbers)
    factor = rng.choice([0.5, 0.9, 0.999, 1.001, 1.1, 2.0])
    old = at(DATA[name], path)
    new = max(old + 1, round(old * factor)) if isinstance(old, int) else old * factor
    found = changed(name, path, lambda parent, key: parent.__setitem__(key, new))
    if held(name, found, "numbers"):
        assert same(name, found) or excused(name, found), (name, path, old, new)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_no_bad_seed_can_be_hidden_with_its_claims_kept(status: str) -> None:
    for name in NAMES[:-1]:
        for number in range(len(SUITE.seeds)):

            def change(parent: Any, key: Any) -> None:
                parent[key] |= {"status": status, "reason": "it was bad"}

            assert not held(name, changed(name, ("records", number), change), "hidden")


def test_no_other_seed_can_stand_for_a_registered_one() -> None:
    """A better seed under the registered one's number: its id gives it away, and so does the task's data."""
    better = records_of(SUITE, model_named("gru"), span=120.0, salt=7)
    for key, each in better.items():
        stolen = [record.model_copy(update={"id": r.id}) for record, r in zip(each, RECORDS[key][::-1], strict=True)]
        data = Seeds(cell=key, records=stolen).model_dump_json().encode()
        assert not held(f"cells/{key}.json", data, "stolen")
    swapped = [_as(RECORDS["learn-planted-byte"][1], 101), _as(RECORDS["learn-planted-byte"][0], 102)]
    data = Seeds(cell="learn-planted-byte", records=swapped).model_dump_json().encode()
    found = validated(FILES | {"cells/learn-planted-byte.json": data}, SUBMISSION.id, READ)
    assert any("as the tokenizer has it" in finding.line() for finding in found.findings)


def _as(record: Record, seed: int) -> Record:
    cell = record.cell.model_copy(update={"seed": seed})
    return record.model_copy(update={"cell": cell, "id": cell.id})


def test_ten_thousand_were_tried() -> None:
    """The last test of the file; hypothesis tries at least so many of each, repeats left out."""
    assert TESTED["bytes"] >= 3000
    assert TESTED["values"] >= 3900
    assert sum(TESTED.values()) >= 10_000
