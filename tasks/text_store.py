"""A corpus on disk: distinct documents in the order of their hash, cut into splits, read back memory-mapped."""

import json
import re
from array import array
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

FORMAT = 2  # raised by any change to what a folder holds
TENTHS = {"train": 7, "val": 1, "test": 2}
FEW = 40  # a corpus with fewer documents has each of them cut
PIECE = 1 << 20  # bytes decoded at once
BREAKS = (re.compile(rb"\n[ \t\r]*\n"), re.compile(rb"\n"))  # blank lines, line breaks
CHARACTER = re.compile(rb"[^\x80-\xbf]|\Z")  # where one starts, or the end
BREAK = ord("\n")


@dataclass(frozen=True)
class StoredText:
    """A corpus on disk. `meta`: digest, n_documents, n_duplicates; of each split digest, n_documents and n_bytes."""

    meta: dict[str, Any]
    texts: dict[str, NDArray[np.uint8]]  # of each split, memory-mapped
    ends: dict[str, NDArray[np.int64]]  # where its documents end


def opened(folder: Path) -> StoredText | None:
    """What `write` put there; None where there is nothing, or where sizes are not what they should be."""
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        texts = {name: _mapped(folder / f"{name}.bin") for name in TENTHS}
        ends = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in TENTHS}
    except (FileNotFoundError, EOFError, ValueError):
        return None
    for name, facts in meta["splits"].items():
        last = int(ends[name][-1]) if len(ends[name]) else 0
        if not last == len(texts[name]) == facts["n_bytes"] or len(ends[name]) != facts["n_documents"]:
            return None
    return StoredText(meta, texts, ends)


def write(documents: Iterable[tuple[str, bytes]], folder: Path) -> bool:
    """Fill `folder` with documents (name for messages, text), one in memory at a time. False: there is no text.

    Raises ValueError where one is not UTF-8.
    """
    with (folder / "spool").open("w+b") as spool:
        hashes, starts = _spool(documents, spool)
        if not len(hashes):
            return False
        order = np.lexsort(hashes.T[::-1])  # by all 32 bytes; equal ones stay in the order of reading
        ordered = hashes[order]
        first = np.append(True, (ordered[1:] != ordered[:-1]).any(1))

        def read(index: int) -> bytes:
            spool.seek(starts[index])
            return spool.read(starts[index + 1] - starts[index])

        meta = {
            "digest": sha256(ordered[first].tobytes()).hexdigest(),
            "n_documents": int(first.sum()),
            "n_duplicates": int(len(order) - first.sum()),
            "splits": _write_splits(_parts(order[first], read), folder),
        }
    (folder / "spool").unlink()
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    return True


def _spool(documents: Iterable[tuple[str, bytes]], spool: BinaryIO) -> tuple[NDArray[np.uint64], "array[int]"]:
    """Copy documents end to end: their sha256 (N, 4), and where each starts and the last ends (N + 1,)."""
    hashes, starts = bytearray(), array("q", [0])
    for name, text in documents:
        _check(name, text)
        if text:
            spool.write(text)
            hashes += sha256(text).digest()
            starts.append(starts[-1] + len(text))
    return np.frombuffer(hashes, ">u8").reshape(-1, 4), starts


def _check(name: str, text: bytes) -> None:
    decoder = getincrementaldecoder("utf-8")()
    for at in range(0, len(text), PIECE):
        held = len(decoder.getstate()[0])  # of a character that the last piece cut
        try:
            decoder.decode(text[at : at + PIECE], final=at + PIECE >= len(text))
        except UnicodeDecodeError as error:
            place = at - held + error.start
            raise ValueError(f"{name} is not UTF-8: {error.reason} at byte {place}") from None


def _parts(order: NDArray[np.int64], read: Callable[[int], bytes]) -> Iterator[tuple[str, memoryview]]:
    """The text of every split, document by document; where documents are few, part by part."""
    n = len(order)
    for rank, index in enumerate(order.tolist()):
        document = read(index)
        if n < FEW:
            yield from zip(TENTHS, _cut(document), strict=True)
        else:
            yield "train" if rank < n * 7 // 10 else "val" if rank < n * 8 // 10 else "test", memoryview(document)


def _cut(document: bytes) -> tuple[memoryview, memoryview, memoryview]:
    view = memoryview(document)
    first, second = (_break(document, tenths) for tenths in (7, 8))
    return view[:first], view[first:second], view[second:]


def _break(document: bytes, tenths: int) -> int:
    """Where to cut in the tenth of the document that follows the cut point."""
    low, high = (len(document) * n // 10 for n in (tenths, tenths + 1))
    lines = (pattern.search(document, low, high) for pattern in BREAKS)
    at_character = CHARACTER.search(document, low)
    return next((found.end() for found in lines if found), at_character.start() if at_character else low)


def _write_splits(parts: Iterable[tuple[str, memoryview]], folder: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        splits = {name: _Split(stack.enter_context((folder / f"{name}.bin").open("wb"))) for name in TENTHS}
        for name, text in parts:
            splits[name].add(text)
    for name, split in splits.items():
        np.save(folder / f"{name}.npy", np.array(split.ends, np.int64))
    return {
        name: {"digest": split.sha.hexdigest(), "n_documents": len(split.ends), "n_bytes": split.n_bytes}
        for name, split in splits.items()
    }


class _Split:
    """Documents end to end, a line break added after one that lacks it once another follows."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha = file, sha256()
        self.ends, self.n_bytes, self.last = array("q"), 0, BREAK

    def add(self, text: memoryview) -> None:
        if not len(text):
            return
        if self.last != BREAK:
            self._write(b"\n")
            self.ends[-1] = self.n_bytes
        self._write(text)
        self.ends.append(self.n_bytes)
        self.last = text[-1]

    def _write(self, text: bytes | memoryview) -> None:
        self.file.write(text)
        self.sha.update(text)
        self.n_bytes += len(text)


def _mapped(path: Path) -> NDArray[np.uint8]:
    if not path.stat().st_size:  # what is empty cannot be mapped
        return np.frombuffer(b"", np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r"))
