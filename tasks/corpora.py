"""Corpora: where text comes from, and how it is split."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

TENTHS = {"train": 7, "val": 1, "test": 2}
FEW = 40  # a corpus with fewer documents has each of them cut
BREAKS = (re.compile(rb"\n[ \t\r]*\n"), re.compile(rb"\n"))  # blank lines, line breaks
CHARACTER = re.compile(rb"[^\x80-\xbf]|\Z")  # where one starts, or the end


class Corpus(ABC):
    """UTF-8 documents without exact duplicates, split 70/10/20 into train, val and test.

    Documents stand in the order of their sha256, so neither splits nor digests depend on names or on the order of
    reading, and are cut by rank. A corpus of fewer than 40 documents has each document cut by position instead, at
    the first blank line in the tenth of the document that follows the cut point; failing that, at the first line
    break there; failing that, between two code points. Empty documents are left out.
    """

    @abstractmethod
    def read(self) -> Iterator[tuple[str, bytes]]:
        """The name (for messages) and the text of every file."""

    def documents(self) -> list[bytes]:
        """Distinct documents, sorted by their sha256. Raises ValueError where one is not UTF-8 or all are empty."""
        return list(self._by_hash.values())

    @property
    def digest(self) -> str:
        """The sha256 of the documents' own sha256 in sorted order."""
        return sha256(b"".join(self._by_hash)).hexdigest()

    def split(self, name: str) -> bytes:
        """The documents of a split end to end, a line break added between them where one lacks it."""
        return self._texts[self._known(name)]

    def split_documents(self, name: str) -> list[bytes]:
        """The documents of a split, or of a small corpus the parts of all its documents."""
        return self._splits[self._known(name)]

    def split_digest(self, name: str) -> str:
        """The sha256 of `split(name)`."""
        return self._digests[self._known(name)]

    def n_documents(self, name: str) -> int:
        """How many documents a split holds (or, of a small corpus, has a part of)."""
        return len(self.split_documents(name))

    @cached_property
    def _by_hash(self) -> dict[bytes, bytes]:
        found = {}
        for name, text in self.read():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from None
            if text:
                found[sha256(text).digest()] = text
        if not found:
            raise ValueError(f"there is no text in {self}")
        return dict(sorted(found.items()))

    @cached_property
    def _splits(self) -> dict[str, list[bytes]]:
        documents = self.documents()
        if len(documents) < FEW:
            parts = zip(*map(_cut, documents), strict=True)
            return {name: [part for part in of if part] for name, of in zip(TENTHS, parts, strict=True)}
        first, second = (len(documents) * tenths // 10 for tenths in (7, 8))
        return {"train": documents[:first], "val": documents[first:second], "test": documents[second:]}

    @cached_property
    def _texts(self) -> dict[str, bytes]:
        return {name: _end_to_end(documents) for name, documents in self._splits.items()}

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {name: sha256(text).hexdigest() for name, text in self._texts.items()}

    @staticmethod
    def _known(name: str) -> str:
        if name not in TENTHS:
            raise ValueError(f"no split is called {name!r}: choose from {', '.join(TENTHS)}")
        return name


class Sympy(Corpus):
    """The Python source of the installed sympy distribution: the .py files of its own RECORD, a document each.

    Raises ValueError where the text is not that of `version`, whose digest is `digest`.
    """

    def __init__(self, digest: str, version: str) -> None:
        self.pinned, self.version = digest, version

    def __str__(self) -> str:
        return f"the sympy distribution ({self.version})"

    def read(self) -> Iterator[tuple[str, bytes]]:
        """The files that the distribution lists."""
        try:
            files = distribution("sympy").files
        except PackageNotFoundError:
            files = None
        if not files:
            raise ValueError(f"sympy is not installed from a wheel: pip install sympy=={self.version}")
        for file in files:
            if file.suffix == ".py":
                yield str(file), Path(str(file.locate())).read_bytes()

    def documents(self) -> list[bytes]:
        """As for any corpus, the digest checked."""
        if self.digest != self.pinned:
            raise ValueError(
                f"the installed sympy is not the text this corpus names: its digest is {self.digest}, expected "
                f"{self.pinned}: pip install --force-reinstall sympy=={self.version}"
            )
        return super().documents()


class Files(Corpus):
    """The .txt files of a folder and its subfolders, or one text file, a document each."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __str__(self) -> str:
        return self.path

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every file. Raises ValueError where there is none."""
        path = Path(self.path).expanduser()
        if not path.exists():
            raise ValueError(f"{self.path} does not exist: give a folder of .txt files, or one text file")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*.txt") if file.is_file())
        if not files:
            raise ValueError(f"{self.path} holds no .txt file, nor do the folders in it")
        for file in files:
            yield str(file), file.read_bytes()


def _cut(document: bytes) -> tuple[bytes, bytes, bytes]:
    first, second = (_break(document, tenths) for tenths in (7, 8))
    return document[:first], document[first:second], document[second:]


def _break(document: bytes, tenths: int) -> int:
    """Where to cut in the tenth of the document that follows the cut point."""
    low, high = (len(document) * n // 10 for n in (tenths, tenths + 1))
    lines = (pattern.search(document, low, high) for pattern in BREAKS)
    at_character = CHARACTER.search(document, low)
    return next((found.end() for found in lines if found), at_character.start() if at_character else low)


def _end_to_end(documents: list[bytes]) -> bytes:
    ended = (text if text.endswith(b"\n") else text + b"\n" for text in documents[:-1])
    return b"".join([*ended, *documents[-1:]])
