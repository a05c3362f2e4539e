"""A submission's folder: plain files of known names, and nothing that leads out of it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.validation import folder as folder_module
from leaderboard.validation.folder import MAX_ENTRIES, MAX_FILE, MAX_TOTAL, read_folder
from leaderboard.validation.validate import validate
from tests.leaderboard.boards import suites, tiny_suite, write_submission

SUITE = tiny_suite(("byte",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    return write_submission(tmp_path / "submissions", SUITE)


def test_what_belongs_there_is_read(folder: Path) -> None:
    files, findings = read_folder(folder)
    assert findings == []
    assert set(files) == {"submission.json", *(f"cells/{cell.key}.json" for cell in SUITE.cells)}
    assert all(data == (folder / name).read_bytes() for name, data in files.items())


def linked(folder: Path) -> None:
    (folder / "cells" / "language-byte.json").unlink()
    (folder / "cells" / "language-byte.json").symlink_to(folder.parent.parent / "secret")


def linked_folder(folder: Path) -> None:
    (folder / "cells").rename(folder.parent.parent / "cells")
    (folder / "cells").symlink_to(folder.parent.parent / "cells")


def second_name(folder: Path) -> None:
    (folder / "cells" / "language-byte.json").unlink()
    os.link(folder.parent.parent / "secret", folder / "cells" / "language-byte.json")


def socketed(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as found:
            found.bind("submission.json.sock")
    finally:
        os.chdir(here)


def many(folder: Path) -> None:
    for number in range(MAX_ENTRIES):
        (folder / "cells" / f"a-{number}.json").touch()


def heavy(folder: Path) -> None:
    for number in range(MAX_TOTAL // MAX_FILE + 1):
        with (folder / "cells" / f"z-{number}.json").open("wb") as file:
            file.truncate(MAX_FILE)


def written(name: str, size: int = 1) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return change


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        (linked, "cells/language-byte.json", "expected no links"),
        (linked_folder, "cells", "expected no links"),
        (second_name, "cells/language-byte.json", "another name elsewhere"),
        (lambda folder: os.mkfifo(folder / "cells" / "a-b.json"), "cells/a-b.json", "expected plain files"),
        (socketed, "submission.json.sock", "expected plain files"),
        (written("README.md"), "README.md", "submission.json and cells/KEY.json alone"),
        (written("cells/README.md"), "cells/README.md", "alone"),
        (written("cells/.hidden-a.json"), "cells/.hidden-a.json", "alone"),
        (written("cells/a-..json"), "cells/a-..json", "alone"),
        (written("Submission.json"), "Submission.json", "alone"),
        (written("more/a-b.json"), "more", "expected no folder but cells/"),
        (lambda folder: (folder / "cells" / "deep").mkdir(), "cells/deep", "expected no folder but cells/"),
        (written("cells/a-b.json", MAX_FILE + 1), "cells/a-b.json", "at most 1048576 bytes"),
        (written("cells/a-b.json", 2**40), "cells/a-b.json", "at most 1048576 bytes"),
        (heavy, "cells/z-", "bytes in all files together"),
        (many, "", f"at most {MAX_ENTRIES} files"),
    ],
)
def test_what_does_not_belong_there_is_named(
    folder: Path, change: Callable[[Path], None], where: str, said: str
) -> None:
    change(folder)
    found = validate(folder, suites(SUITE))
    lines = [finding.line() for finding in found.findings]
    assert any(where in line and said in line for line in lines), lines
    assert found.submission is None
    assert "secret" not in "".join(lines)


def test_a_link_to_a_submission_is_none(folder: Path) -> None:
    link = folder.parent / "other"
    link.symlink_to(folder)
    assert [finding.expected for finding in validate(link, suites(SUITE)).findings] == ["expected a folder, got a link"]


def test_the_way_to_it_does_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for way in (".", "../" + folder.name, str(folder) + "/", "cells/.."):
        assert validate(Path(way), suites(SUITE)).findings == []


def test_a_file_that_becomes_a_link_meanwhile_is_not_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = folder_module._problem

    def slow(name: str, found: os.stat_result) -> str:
        if name == "cells/language-byte.json":
            linked(folder)
        return look(name, found)

    monkeypatch.setattr(folder_module, "_problem", slow)
    files, findings = read_folder(folder)
    assert [finding.line() for finding in findings] == [
        "cells/language-byte.json: expected a file that can be read: Too many levels of symbolic links"
    ]
    assert b"secret" not in b"".join(files.values())


def test_a_name_is_shown_as_what_it_is(folder: Path) -> None:
    for name in ("a\x1b[31mb", "::error::x", "new\nline", 'x": submission.json', os.fsdecode(b"\xff\xfe"), "\u202egnp"):
        (folder / name).touch()
    lines = [finding.line() for finding in validate(folder, suites(SUITE)).findings]
    assert len(lines) == 6
    assert all(line.startswith('"') and line.isascii() and line.isprintable() for line in lines)
