"""Corpora: where text comes from, and how it is split."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.store import built, cache_dir
from tasks.text_store import FEW, FORMAT, TENTHS, StoredText, opened, write


class Corpus(ABC):
    """UTF-8 documents without exact duplicates, split 70/10/20 into train, val and test.

    Documents stand in the order of their sha256, so neither splits nor digests depend on names or on the order of
    reading, and are cut by rank. A corpus of fewer than 40 documents has each document cut by position instead, at
    the first blank line in the tenth of the document that follows the cut point; failing that, at the first line
    break there; failing that, between two code points. Empty documents are left out.

    The splits are written to the cache once and memory-mapped from then on, so a corpus may be larger than memory.
    All but `read` and `fingerprint` raise ValueError where the text cannot be read, or where there is none.
    """

    pinned: str | None = None  # the digest that the text must have
    remedy = ""  # what to do where it has another one

    @abstractmethod
    def read(self) -> Iterator[tuple[str, bytes]]:
        """The name (for messages) and the text of every document, one at a time."""

    def fingerprint(self) -> str:
        """What tells this text from another one; here a hash of all of it, in a subclass something quicker."""
        seen = sha256()
        for _, text in self.read():
            seen.update(sha256(text).digest())
        return seen.hexdigest()

    @property
    def digest(self) -> str:
        """The sha256 of the documents' own sha256 in sorted order."""
        return self._stored.meta["digest"]

    @property
    def n_duplicates(self) -> int:
        """How many documents were left out because another one is the same."""
        return self._stored.meta["n_duplicates"]

    @property
    def is_cut(self) -> bool:
        """Whether documents are so few that every split has a part of each."""
        return self._stored.meta["n_documents"] < FEW

    def split(self, name: str) -> NDArray[np.uint8]:
        """The documents of a split end to end, a line break added between them where one lacks it; memory-mapped."""
        return self._stored.texts[_known(name)]

    def ends(self, name: str) -> NDArray[np.int64]:
        """Where in `split(name)` each document ends, or of a small corpus each part of one. (N,)"""
        return self._stored.ends[_known(name)]

    def documents(self, name: str) -> Iterator[bytes]:
        """The documents (or parts) of a split, each with the line break that `split` adds."""
        text, low = self.split(name), 0
        for high in self.ends(name).tolist():
            yield text[low:high].tobytes()
            low = high

    def split_digest(self, name: str) -> str:
        """The sha256 of `split(name)`."""
        return self._stored.meta["splits"][_known(name)]["digest"]

    def n_documents(self, name: str) -> int:
        """How many documents a split holds (or, of a small corpus, has a part of)."""
        return len(self.ends(name))

    def n_bytes(self, name: str) -> int:
        """The length of `split(name)`."""
        return len(self.split(name))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_stored"}  # mapped, not copied

    @cached_property
    def _stored(self) -> StoredText:
        before = self.fingerprint()
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        key = sha256("\n".join([str(FORMAT), kind, before]).encode()).hexdigest()[:32]

        def build(folder: Path) -> None:
            if not write(self.read(), folder):
                raise ValueError(f"there is no text in {self}")
            if self.fingerprint() != before:
                raise ValueError(f"{self} changed while it was read: try again")

        folder = built(cache_dir() / "corpora" / key, build, sound=lambda folder: opened(folder) is not None)
        stored = opened(folder)
        if stored is None:
            raise ValueError(f"{folder} is being changed by another program: try again")
        if self.pinned not in (None, stored.meta["digest"]):
            raise ValueError(
                f"{self} is not the text that was pinned: its digest is {stored.meta['digest']}, expected {self.pinned}"
                f"{self.remedy}"
            )
        return stored


def _known(name: str) -> str:
    if name not in TENTHS:
        raise ValueError(f"no split is called {name!r}: choose from {', '.join(TENTHS)}")
    return name
