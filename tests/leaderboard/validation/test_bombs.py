"""Files that are small for a disk and large for a parser: none takes long, and none takes much memory."""

import copy
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from leaderboard.validation.folder import MAX_FILE, MAX_TOTAL
from leaderboard.validation.strict_json import MAX_OBJECTS, MAX_VALUES
from tests.benchmark.cells import TOP
from tests.leaderboard.boards import write_submission
from tests.leaderboard.validation.corrupted import DATA, FILES, LEARN, MAIN, RECORDS, SUITE, lines, put

NAMES = [name for name in FILES if name != MAIN]
SECONDS = 2.0
MEMORY = 400 * 2**20  # of the whole process; numpy and pydantic alone are a quarter of that
HEAD = {  # and what closes it
    "records": (b'{"cell":"x","records":[', b"]}"),
    "curve": (b'{"cell":"x","records":[{"curve":[', b"]}]}"),
    "losses": (b'{"cell":"x","records":[{"losses":[', b"]}]}"),
    "nats": (b'{"cell":"x","records":[{"losses":[{"nats":[', b"]}]}]}"),
    "lags": (b'{"cell":"x","records":[{"cell":{"lags":[', b"]}}]}"),
    "init_args": (b'{"cell":"x","records":[{"cell":{"model":{"init_args":{"a":[', b"]}}}}]}"),
}
UNITS = [b"{}", b"[]", b"-1", b'""', b"1e5", b"null", b'{"a":1}', b"[[[]]]", b'"' + b"x" * 501 + b'"', b'"\\u0061"']


def filled(where: str, unit: bytes, size: int) -> bytes:
    """Valid JSON of about `size` bytes: many a `unit`."""
    head, tail = HEAD[where]
    return head + b",".join([unit] * ((size - len(head) - len(tail)) // (len(unit) + 1))) + tail


def bombs() -> Iterator[tuple[str, bytes]]:
    """As large as a file may be, and as many values as it may have."""
    for where in HEAD:
        for unit in UNITS:
            n = MAX_OBJECTS - 10 if b"{" in unit else (MAX_VALUES - 100) // (1 + unit.count(b"["))
            for size in (MAX_FILE - 10, min(MAX_FILE - 10, n * (len(unit) + 1))):
                yield f"{where} {unit[:8]!r} {size}", filled(where, unit, size)
    for n in (90_000, MAX_VALUES - 100):
        yield f"{n} keys", json.dumps({f"{i}": 0 for i in range(n)}).encode()
        yield f"{n} digits", b'{"a": ' + b"9" * n + b"}"
    for unit in (
        b'"',
        b"[",
        b"{",
        b"1,",
        b'"x",',
        b"\\",
        b'\\"',
        b"1e5,",
        b"null,",
        b" ",
        b"\xc3\xa9",
        b"\x00",
        b'{"a":',
    ):
        yield f"open {unit!r}", b'{"records": [' + unit * ((MAX_FILE - 20) // len(unit))
    for where, change in LARGE.items():
        data = copy.deepcopy(DATA[f"cells/{LEARN}.json"])
        for number in range(len(data["records"])):
            put("records", number, *where.split("."), value=change)(data)
        yield where, json.dumps(data).encode()


N = MAX_VALUES // 3 - 500
LARGE = {  # what a record of the right shape can be made large with
    "cell.model.init_args": {f"a{i}": 1 for i in range(N)},
    "cell.task.init_args": {"a": [[]] * (N // 2)},
    "cell.lags": list(range(1, N)),
    "host.versions": {f"a{i}": "x" * 20 for i in range(N)},
    "facts.splits": {f"a{i}": {"digest": "x", "n_documents": 1, "n_bytes": 1} for i in range(MAX_OBJECTS // 3 - 30)},
    "curve": [DATA[f"cells/{LEARN}.json"]["records"][0]["curve"][0]] * (MAX_OBJECTS // 3 - 30),
    "blocks": {"starts": [1] * (N // 3), "n_bytes": [1] * (N // 3), "documents": [1] * (N // 3)},
    "skipped": [{"measure": "audit", "reason": "x" * 400}] * 500,
}
BOMBS = dict(bombs())
MEASURED = [name for name in BOMBS if "[[[]]]" in name or "-1" in name or "keys" in name or name in LARGE]


def with_all(data: bytes) -> Mapping[str, bytes]:
    """As many cells as fit with this in them; the one it is made for with its own key."""
    n = min(len(NAMES), MAX_TOTAL // len(data))
    made = {name: data.replace(LEARN.encode(), name[6:-5].encode()) for name in NAMES[:n]}
    return FILES | made


@pytest.mark.parametrize("name", BOMBS)
def test_no_cell_takes_long(name: str) -> None:
    begin = time.process_time()
    assert lines(with_all(BOMBS[name]))
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("n", [100, 1000, 20_000, 80_000])
@pytest.mark.parametrize("field", ["weights", "digests", "claims", "seeds", "argv", "init_args", "nested"])
def test_no_submission_takes_long(field: str, n: int) -> None:
    main = DATA[MAIN]
    many = {
        "weights": {"weights": {f"{i}": {} for i in range(n)}},
        "digests": {"weights": {"a": {f"{i}": "ab" * 32 for i in range(min(n, 13_000))}}},
        "claims": {"claims": [{"cell": "a", "seeds": [], "score": None}] * min(n, 20_000)},
        "seeds": {"claims": [main["claims"][0] | {"seeds": [0] * n}, *main["claims"][1:]]},
        "argv": {"argv": [""] * n},
        "init_args": {"model": main["model"] | {"init_args": {"dim": 48} | {f"a{i}": 1 for i in range(n)}}},
        "nested": {"model": main["model"] | {"init_args": {"dim": 48, "a": [[]] * n}}},
    }
    data = json.dumps(main | many[field]).encode()
    begin = time.process_time()
    assert lines(FILES | {MAIN: data})
    assert time.process_time() - begin < SECONDS


def test_no_bomb_takes_much_memory(tmp_path: Path) -> None:
    """In a process of its own that may not have more."""
    (tmp_path / "tiny-1.json").write_text(SUITE.model_dump_json())
    folders = []
    for number, name in enumerate(MEASURED):
        folder = write_submission(tmp_path / str(number), SUITE, records=RECORDS)
        for file, data in with_all(BOMBS[name]).items():
            (folder / file).write_bytes(data)
        folders.append(folder)
    code = (
        "import sys; from pathlib import Path; from leaderboard import suite; suite.SUITES = Path(sys.argv[1]); "
        "from leaderboard.validation.validate import validate; "
        "print(sum(bool(validate(Path(each)).findings) for each in sys.argv[2:]))"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))

    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path, *folders],
        capture_output=True, text=True, cwd=TOP, preexec_fn=limit, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )  # fmt: skip
    assert ran.stderr == ""
    assert int(ran.stdout) == len(folders)
