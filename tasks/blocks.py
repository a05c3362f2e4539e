"""Target blocks: the stretches of a text that every model, tokenizer and context is scored on."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGE = re.compile(rb"(?<=[!-~\x80-\xff])(?= [^\s])")  # a word ends and a blank begins the next one
LINE = re.compile(rb"(?<=[!-~\x80-\xff])(?=\n)")  # for scripts that put no blanks between words
Offsets = NDArray[np.int64]


@dataclass(frozen=True)
class Blocks:
    """Stretches of one text: byte offsets `starts` and `ends`, and the document that each lies in; all (N,)."""

    starts: Offsets
    ends: Offsets
    documents: Offsets

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, low: int, high: int) -> "Blocks":
        """Blocks low … high − 1."""
        return self.take(np.arange(low, min(high, len(self))))

    def take(self, places: Offsets) -> "Blocks":
        """The blocks at `places`, in that order."""
        return Blocks(self.starts[places], self.ends[places], self.documents[places])


def target_blocks(text: NDArray[np.uint8], ends: Offsets, n: int, size: int, room: int) -> Blocks:
    """At most n blocks of `size` bytes or a little more, equally many of every document that has room for them.

    Each has at least `room` bytes of its own document before it, overlaps no other, and begins and ends where a word
    does: no token of a tokenizer that splits text into words reaches across its edges. A document's blocks are spread
    evenly over it. Raises ValueError where the documents, which end at `ends`, hold no such block.
    """
    begins = np.concatenate([[0], ends[:-1]])
    free = np.maximum(0, ends - begins - room - 3 * size)  # where to look for one, which takes up to 3 · size
    if not free.any():
        longest = int((ends - begins).max())
        raise ValueError(
            f"no document is long enough: {room} bytes of context and room to place blocks of {size} need "
            f"{room + 3 * size + 1} bytes, the longest has {longest}"
        )
    shares = _shares(-(-free // (3 * size)), n)
    documents = np.repeat(np.arange(len(ends)), shares)
    rank = np.arange(len(documents)) - np.repeat(np.cumsum(shares) - shares, shares)  # among its document's
    offsets = begins[documents] + room + ((rank + 0.5) / shares[documents] * free[documents]).astype(np.int64)
    found: list[tuple[int, int, int]] = []
    for offset, document in zip(offsets.tolist(), documents.tolist(), strict=True):
        start = _edge(text, offset, size)
        end = None if start is None else _edge(text, start + size, size)
        if start is not None and end is not None and (not found or start >= found[-1][1]):
            found.append((start, end, document))
    if not found:
        raise ValueError(f"no words begin and end within blocks of {size} bytes: the text has neither blanks nor lines")
    return Blocks(*np.array(found, np.int64).T)


def _shares(most: Offsets, n: int) -> Offsets:
    """How many of n things each of several takers gets: equally many, but for those that take no more than `most`."""
    level = 1
    while np.minimum(most, level).sum() < n and level < most.max():
        level += 1
    shares = np.minimum(most, level)
    last = np.flatnonzero(shares == level)
    too_many = max(0, int(shares.sum()) - n)
    shares[last[np.arange(too_many) * len(last) // max(1, too_many)]] -= 1
    return shares


def _edge(text: NDArray[np.uint8], offset: int, size: int) -> int | None:
    """The first place in the `size` bytes from `offset` on where a word ends."""
    near = text[offset - 1 : offset + size].tobytes()
    match = EDGE.search(near, 1) or LINE.search(near, 1)
    return None if match is None else offset - 1 + match.start()
