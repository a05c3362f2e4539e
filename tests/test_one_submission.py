"""What a pull request may add: one submission, whatever a stranger puts into a raw diff."""

import contextlib
import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from leaderboard.validation.folder import CELL_FILE, CELLS, MAIN
from leaderboard.validation.submission import ID

SCRIPT = Path(__file__).resolve().parent.parent / ".github" / "scripts" / "one_submission.py"
OF = b"leaderboard/submissions/gru-1f9a02c4/"
GOOD = OF + b"submission.json"
ZERO, SOME = b"0" * 40, b"5" * 40
SPEC = importlib.util.spec_from_file_location("one_submission", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
one_submission = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(one_submission)


def raw(path: bytes, mode: bytes = b"100644", status: bytes = b"A", old: bytes = b"000000", to: bytes = b"") -> bytes:
    """One entry of `git diff-tree -r -z --raw`."""
    line = b":" + b" ".join([old, mode, ZERO, SOME, status])
    return b"".join(each + b"\0" for each in (line, path, to) if each)


def judged(data: bytes) -> tuple[int, str]:
    """The exit code, and the one line."""
    with (
        mock.patch.object(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data))),
        contextlib.redirect_stdout(io.StringIO()) as out,
    ):
        code = one_submission.main()
    line = out.getvalue()
    assert line.isascii()
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert not line.startswith("::")
    return code, line[:-1]


@pytest.mark.parametrize(
    "data",
    [
        raw(GOOD),
        raw(OF + b"cells/learn-planted-bpe-512.json") + raw(GOOD) + raw(OF + b"cells/retain-delayed_recall.json"),
        raw(GOOD).replace(ZERO, b"0" * 64).replace(SOME, b"a" * 64),  # a repository of sha256
        raw(GOOD).replace(ZERO, b"0" * 7).replace(SOME, b"abcdef0"),  # abbreviated
    ],
)
def test_a_submission_is_let_through(data: bytes) -> None:
    assert judged(data) == (0, OF.decode().rstrip("/"))


@pytest.mark.parametrize("name", ["a1b", "0-", "a" * 80, "gru-1f9a02c4-2"])
def test_ids_of_every_kind(name: str) -> None:
    found = judged(raw(f"leaderboard/submissions/{name}/submission.json".encode()))
    assert found[0] == (0 if re.fullmatch(ID, name) else 1)


NAMES = [
    b"leaderboard/ledger.jsonl",
    b"leaderboard/suites/small-1.json",
    b"leaderboard/attestations/gru-1f9a02c4/2026-02-01-rescore.json",
    b".github/workflows/validate.yml",
    b".gitattributes",
    b".gitmodules",
    b"setup.py",
    OF + b"../ledger.jsonl",
    OF + b"cells/../../../ledger.jsonl",
    b"leaderboard/submissions/../ledger.jsonl",
    b"leaderboard/submissions/../submission.json",
    b"/leaderboard/submissions/gru-1f9a02c4/submission.json",
    b"./" + GOOD,
    b"x/" + GOOD,
    b"leaderboard//submissions/gru-1f9a02c4/submission.json",
    b"leaderboard/submissions/submission.json",
    b"leaderboard/submissions/ab/submission.json",
    b"leaderboard/submissions/-ab/submission.json",
    b"leaderboard/submissions/Gru-1f9a02c4/submission.json",
    b"leaderboard/submissions/gru_1f9a02c4/submission.json",
    b"leaderboard/submissions/" + b"a" * 81 + b"/submission.json",
    "leaderboard/submissions/gr\u00fc-1f9a02c4/submission.json".encode(),
    "leaderboard/submissions/gr\u0443-1f9a02c4/submission.json".encode(),  # a Cyrillic letter
    "leaderboard/submissions/\u202egru-1f9a02c4/submission.json".encode(),  # right to left
    OF + b"Submission.json",
    OF + b"submission.json.py",
    OF + b"submission.json/x",
    OF + b"submission.json\n",
    OF + b"submission.json\n::error::owned",
    OF + b"submission.json\r",
    OF + b"cells/learn-planted.json\x1b[2J",
    OF + b"cells/.json",
    OF + b"cells/learn.json",
    OF + b"cells/a/learn-planted.json",
    OF + b"__init__.py",
    OF + b".gitattributes",
    OF + b"weights.safetensors",
    OF + b"cells/learn-planted.json ",
    OF + b'cells/learn-"planted".json',
    OF + b"cells/learn-'planted'.json",
    OF + b"cells/learn-$(id).json",
    OF + b"cells/learn-`id`.json",
    OF + b"cells/learn-\xff\xfe.json",
    OF + b"cells/learn-" + b"\xf0\x9f" * 4000 + b".json",
    b"::set-output name=x::y",
    b"a" * 100_000,
    b"\\",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("first", [False, True], ids=["after", "before"])
def test_no_other_file_is_let_through(name: bytes, first: bool) -> None:
    """Alone, before or after the files of a submission."""
    data = raw(name) + raw(GOOD) if first else raw(GOOD) + raw(name)
    code, line = judged(data)
    assert code == 1
    assert line.startswith("expected leaderboard/submissions/ID/ with submission.json and cells/, got ")
    assert len(line) < 300


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (raw(OF + b"cells/learn-planted.json", mode=b"120000"), "plain files alone, .* is a link"),
        (raw(OF + b"cells/learn-planted.json", mode=b"100755"), "plain files alone, .* is an executable file"),
        (raw(OF + b"cells/learn-planted.json", mode=b"160000"), "plain files alone, .* is a submodule"),
        (raw(OF + b"cells", mode=b"040000"), "plain files alone, .* is something else"),
        (raw(GOOD, mode=b"100664"), "plain files alone"),
        (raw(GOOD, mode=b"000000", old=b"100644", status=b"D"), "added files alone, .* is deleted"),
        (raw(GOOD, old=b"100644", status=b"M"), "added files alone, .* is changed"),
        (raw(b"leaderboard/ledger.jsonl", old=b"100644", status=b"M"), "added files alone, .*ledger.* is changed"),
        (raw(GOOD, mode=b"120000", old=b"100644", status=b"T"), "added files alone, .* is of another kind now"),
        (raw(b"README.md", old=b"100644", status=b"R100", to=GOOD), "added files alone, .* is renamed"),
        (raw(GOOD, old=b"100644", status=b"C75", to=OF + b"cells/learn-x.json"), "added files alone, .* is copied"),
        (raw(GOOD, status=b"U"), "added files alone, .* is not added"),
        (raw(b"leaderboard/submissions/lstm-00000000/submission.json"), 'one submission, got "gru-.*" and "lstm-.*"'),
        (raw(GOOD)[:-1], "cut off"),
        (raw(GOOD).split(b"\0")[0] + b"\0", "a raw diff, got"),
        (raw(b"README.md", old=b"100644", status=b"R100"), "a raw diff, got"),
        (raw(GOOD, status=b"a"), "a raw diff, got"),
        (b":" + raw(GOOD), "a raw diff, got"),  # of a merge
        (GOOD + b"\0", "a raw diff, got"),
        (b"\0\0", "a raw diff, got"),
        (raw(GOOD).replace(b"\0", b"\n"), "cut off"),  # without -z
        (b"\xff" * 10_000 + b"\0", "a raw diff, got"),
    ],
)  # fmt: skip
def test_nothing_but_plain_added_files_of_one_submission(data: bytes, said: str) -> None:
    code, line = judged(raw(OF + b"submission.json") + data)
    assert code == 1
    assert re.match(f"expected {said}" if said != "cut off" else "expected a raw diff, it is cut off", line), line


@pytest.mark.parametrize("data", [raw(GOOD), raw(GOOD) + raw(NAMES[28])])
def test_it_stands_alone(data: bytes, tmp_path: Path) -> None:
    """As the workflow runs it, from anywhere."""
    command = [sys.executable, "-I", SCRIPT]
    done = subprocess.run(command, input=data, capture_output=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (judged(data)[0], judged(data)[1] + "\n", b"")


def test_nothing_is_no_submission() -> None:
    assert judged(b"") == (1, "expected a submission, nothing is added")


def test_it_asks_what_the_validator_asks() -> None:
    """One pattern stands in two places, because the script must stand alone."""
    pattern = f"leaderboard/submissions/({ID})/({re.escape(MAIN)}|{CELLS}/{CELL_FILE.pattern})"
    assert f'rb"{pattern}"' in SCRIPT.read_text(encoding="utf-8")
