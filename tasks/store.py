"""The cache on disk: folders that are whole or not there at all, whoever else builds them and whoever is killed."""

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

DAY = 86400  # seconds after which an unfinished folder is nobody's
UNFINISHED = re.compile(r"\.[0-9a-f]{32}")


def cache_dir() -> Path:
    """$SPANBENCH_CACHE, else spanbench/ in $XDG_CACHE_HOME, else ~/.cache/spanbench."""
    if named := os.environ.get("SPANBENCH_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanbench"


def built(folder: Path, build: Callable[[Path], None], sound: Callable[[Path], bool] = Path.is_dir) -> Path:
    """`folder`, first filled by `build` where it is missing or not `sound`.

    `build` gets an empty sibling, which takes its place once all of it is on disk. Where another process was first,
    its folder stays. What killed processes left unfinished more than a day ago is removed on the way.
    """
    if sound(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    ours = _sibling(folder)
    ours.mkdir()
    try:
        build(ours)
        for path in (*ours.rglob("*"), ours):
            _sync(path)
        _publish(ours, folder, sound)
    finally:
        shutil.rmtree(ours, ignore_errors=True)  # gone where it was published
    _sync(folder.parent)
    return folder


def _publish(ours: Path, folder: Path, sound: Callable[[Path], bool]) -> None:
    lock = folder.parent.with_name(f"{folder.parent.name}.lock")
    with FileLock(lock):  # nobody publishes between the look and the renaming
        if sound(folder):
            return
        with suppress(FileNotFoundError):  # the usual case: there was nothing
            folder.rename(damaged := _sibling(folder))
            shutil.rmtree(damaged, ignore_errors=True)
        ours.rename(folder)


def _sibling(folder: Path) -> Path:
    return folder.with_name(f".{uuid4().hex}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(parent: Path) -> None:
    """Remove the unfinished folders in which nothing was written for a day."""
    for path in parent.iterdir():
        if UNFINISHED.fullmatch(path.name):
            with suppress(FileNotFoundError):  # its own process has just finished it, or another one removed it
                newest = max(inside.stat().st_mtime for inside in (path, *path.rglob("*")))
                if newest < time.time() - DAY:
                    shutil.rmtree(path, ignore_errors=True)
