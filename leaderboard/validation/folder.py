"""A submission's folder as bytes: plain files of known names and bounded size, and nothing that leads elsewhere."""

import os
import re
import stat
from pathlib import Path

from leaderboard.validation.findings import Finding

MAX_FILE = 2**20  # bytes
MAX_TOTAL = 4 * 2**20
MAX_ENTRIES = 100  # in the folder and in cells/ together
MAIN = "submission.json"
CELLS = "cells"
CELL_FILE = re.compile(r"[a-z]+(-[a-z0-9_]+)+\.json")


def read_folder(path: Path) -> tuple[dict[str, bytes], list[Finding]]:
    """Contents by name (`submission.json`, `cells/KEY.json`), and what should not be there.

    No link is followed; what is too large is not read. Raises OSError where `path` cannot be listed.
    """
    if path.is_symlink():
        return {}, [Finding(path.name, "", "expected a folder, got a link")]
    files: dict[str, bytes] = {}
    findings: list[Finding] = []
    total = 0
    for number, (name, entry) in enumerate(_entries(path)):
        if number == MAX_ENTRIES:
            findings.append(Finding(path.name, "", f"expected at most {MAX_ENTRIES} files"))
            break
        found = entry.stat(follow_symlinks=False)
        problem = _problem(name, found)
        if not problem:
            total += found.st_size
            problem = f"expected at most {MAX_TOTAL} bytes in all files together" if total > MAX_TOTAL else ""
        if problem:
            findings.append(Finding(name, "", problem))
        elif stat.S_ISREG(found.st_mode):
            try:
                files[name] = _read(Path(entry.path))
            except OSError as error:
                findings.append(Finding(name, "", f"expected a file that can be read: {error.strerror}"))
    return files, findings


def _entries(path: Path) -> list[tuple[str, os.DirEntry[str]]]:
    """What lies in the folder and in its cells/, by name; more than `MAX_ENTRIES` of each are not listed."""
    found: list[tuple[str, os.DirEntry[str]]] = []
    with os.scandir(path) as entries:
        for entry, _ in zip(entries, range(MAX_ENTRIES + 1), strict=False):
            found.append((entry.name, entry))
            if entry.name == CELLS and entry.is_dir(follow_symlinks=False):
                with os.scandir(entry.path) as inner:
                    found += [
                        (f"{CELLS}/{each.name}", each) for each, _ in zip(inner, range(MAX_ENTRIES), strict=False)
                    ]
    return sorted(found, key=lambda pair: pair[0])


def _problem(name: str, found: os.stat_result) -> str:
    """Why an entry cannot be part of a submission; empty where it can."""
    if stat.S_ISLNK(found.st_mode):
        return "expected no links"
    if stat.S_ISDIR(found.st_mode):
        return "" if name == CELLS else f"expected no folder but {CELLS}/"
    if not stat.S_ISREG(found.st_mode):
        return "expected plain files"
    if name != MAIN and not (name.startswith(f"{CELLS}/") and CELL_FILE.fullmatch(name.removeprefix(f"{CELLS}/"))):
        return f"expected {MAIN} and {CELLS}/KEY.json alone"
    if found.st_nlink > 1:
        return "expected no file with another name elsewhere"
    return f"expected at most {MAX_FILE} bytes, got {found.st_size}" if found.st_size > MAX_FILE else ""


def _read(path: Path) -> bytes:
    """At most `MAX_FILE` bytes, of a file that is not a link now either."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_FILE + 1)
