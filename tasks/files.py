"""Text in files of your own."""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from tasks.corpora import Corpus
from tasks.rows import KINDS

TICK = 0.05  # seconds: a file system's clock ticks more often than that
ENDINGS = ", ".join(KINDS)


class Files(Corpus):
    """A folder and those in it, one file, or all that a pattern such as `books/**/*.txt` matches.

    A .txt file is a document; so is each line of a .jsonl file, an object whose key `column` holds the text, and each
    row of a .parquet file, whose column of that name does. Other files in a folder are passed over.
    """

    def __init__(self, path: str, column: str = "text") -> None:
        self.path, self.column = path, column

    def __str__(self) -> str:
        return self.path

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every document, file by file. Raises ValueError naming the file, and the line, row or byte."""
        for path in self._paths():
            try:
                yield from KINDS[path.suffix.lower()](path, self.column)
            except OSError as error:
                _unreadable(path, error)

    def fingerprint(self) -> str:
        """The files, their sizes and times, and the column."""
        return f"{self.column}\n{stamps(self._paths())}"

    def _paths(self) -> list[Path]:
        path = Path(self.path).expanduser()
        if path.is_dir():
            found, where = inside(path), f"{self.path} and the folders in it hold"
        elif path.exists():
            found, where = [path], f"{self.path} is"
        elif has_magic(self.path):
            found, where = [Path(match) for match in glob(str(path), recursive=True)], f"{self.path} matches"
        else:
            raise ValueError(f"{self.path} does not exist: give a folder, a {ENDINGS} file, or a pattern of files")
        wanted = sorted(file for file in found if file.suffix.lower() in KINDS)
        if not wanted:
            raise ValueError(f"{where} no file of a kind that can be read: {ENDINGS}")
        return wanted


def stamps(paths: Iterable[Path]) -> str:
    """A hash of the files' names, sizes and times. Raises ValueError where one is no file, or out of reach."""
    found = []
    youngest = 0
    for path in paths:
        try:
            facts = path.stat()
        except OSError as error:
            _unreadable(path, error)
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError(f"{path} is not a file")
        found.append((os.path.abspath(path), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
        youngest = max(youngest, facts.st_ctime_ns)
    if time.time() - youngest / 1e9 < TICK:  # what changes it within the same tick would leave no trace
        time.sleep(TICK)
    return sha256(repr(found).encode()).hexdigest()


def inside(folder: Path) -> list[Path]:
    """The files in a folder and in those below. Raises ValueError where one cannot be looked into."""

    def refuse(error: OSError) -> NoReturn:
        _unreadable(folder, error)

    return [Path(place, name) for place, _, names in os.walk(folder, onerror=refuse) for name in names]


def _unreadable(path: Path, error: OSError) -> NoReturn:
    raise ValueError(f"{path} cannot be read: {error.strerror or ' '.join(str(error).split())}") from None
