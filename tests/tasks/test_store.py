"""The cache on disk: whole folders or none, with several processes at work and with some of them killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.store import DAY, built, cache_dir


def fill(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "a").write_text("one")
    (folder / "deep" / "b").write_text("two")


def never(folder: Path) -> None:
    raise AssertionError(f"{folder} was built again")


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def elsewhere(folder: Path, before: str = "") -> "subprocess.Popen[str]":
    code = f"""from pathlib import Path
from tasks import store
from tests.tasks.test_store import contents, fill
{before}
print(contents(store.built(Path({str(folder)!r}), fill)))"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_folder_is_built_once(tmp_path: Path):
    folder = tmp_path / "some" / "where"
    assert built(folder, fill) == built(folder, never) == folder
    assert contents(folder) == {"a": "one", "deep/b": "two"}
    assert os.listdir(folder.parent) == ["where"]


def test_what_fails_leaves_nothing(tmp_path: Path):
    def fail(folder: Path) -> None:
        fill(folder)
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        built(tmp_path / "x", fail)
    assert not os.listdir(tmp_path)


def test_what_is_damaged_is_built_again(tmp_path: Path):
    folder = built(tmp_path / "x", fill)
    (folder / "deep" / "b").unlink()
    assert contents(built(folder, fill, sound=lambda folder: (folder / "deep" / "b").is_file())) == contents(folder)
    assert contents(folder) == {"a": "one", "deep/b": "two"}
    assert os.listdir(tmp_path) == ["x"]


def test_whoever_is_first_wins(tmp_path: Path):
    def second(folder: Path) -> None:
        fill(folder)
        built(tmp_path / "x", lambda other: (other / "first").touch())

    assert os.listdir(built(tmp_path / "x", second)) == ["first"]
    assert os.listdir(tmp_path) == ["x"]


def test_processes_do_not_hinder_each_other(tmp_path: Path):
    processes = [elsewhere(tmp_path / "x") for _ in range(3)]
    assert {process.communicate()[0] for process in processes} == {"{'a': 'one', 'deep/b': 'two'}\n"}
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("place", ["store.os.fsync", "Path.rename"])
def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path, place: str):
    killed = elsewhere(tmp_path / "x", f"import os, signal\n{place} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.wait() == -signal.SIGKILL
    assert killed.stdout is not None
    killed.stdout.close()
    (left,) = tmp_path.iterdir()
    assert left.name != "x"
    assert contents(built(tmp_path / "x", fill)) == {"a": "one", "deep/b": "two"}


def test_only_what_was_left_a_day_ago_is_removed(tmp_path: Path):
    young, old, written, other = (tmp_path / f".{letter * 32}" for letter in "abcd")
    other = other.with_name(".kept")
    for folder in (young, old, written, other):
        folder.mkdir()
        (folder / "file").touch()
    before = time.time() - DAY - 60
    for path in (old, old / "file", written, other, other / "file"):
        os.utime(path, (before, before))
    built(tmp_path / "x", fill)
    assert {path.name for path in tmp_path.iterdir()} == {"x", young.name, written.name, other.name}


def test_the_cache_lies_where_it_is_said_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPANBENCH_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_dir() == Path("/a")
    monkeypatch.delenv("SPANBENCH_CACHE")
    assert cache_dir() == Path("/b/spanbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "spanbench"
