"""Pieces of real text that hold none of some given ones."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.draws import Draws

TRIES = 1000
NEVER = np.iinfo(np.int64).max
Places = NDArray[np.int64]


class Fillers:
    """Pieces of one text, drawn uniformly from those that are whole characters and hold nothing `banned`.

    The text may be larger than memory: it is searched once, and only the places found are kept. All that is banned
    ends in one sign and holds it nowhere else, as `cue=` does: what begins later ends no sooner.
    """

    def __init__(self, text: NDArray[np.uint8], banned: Sequence[bytes], name: str) -> None:
        self.text, self.banned, self.name = text, banned, name
        hits = [
            np.fromiter((hit.start() for hit in re.finditer(re.escape(each), text.data)), np.int64) for each in banned
        ]
        begins = np.concatenate(hits)
        ends = np.concatenate([found + len(each) for found, each in zip(hits, banned, strict=True)])
        order = np.argsort(begins, kind="stable")
        self.begins, self.ends = begins[order], np.append(ends[order], NEVER)  # the last one is never reached

    def draw(self, draws: Draws, lengths: Places) -> list[bytes]:
        """A piece of each of `lengths` (n,), in bytes. Raises ValueError where the text holds no such piece."""
        size = len(self.text)
        room = size - lengths + 1
        if not size or (room < 1).any():
            raise ValueError(
                f"the {self.name} split has {size} bytes, too few for a filler of {lengths.max(initial=0)}"
            )
        start = draws.anywhere(NEVER) % room
        for _ in range(TRIES):
            bad = ~self.fits(start, start + lengths)
            if not bad.any():
                view, ends = self.text.data, start + lengths
                return [bytes(view[low:high]) for low, high in zip(start.tolist(), ends.tolist(), strict=True)]
            start = np.where(bad, draws.anywhere(NEVER) % room, start)
        without = " or ".join(repr(each.decode()) for each in self.banned)
        raise ValueError(f"{TRIES} draws found no {lengths.max()} bytes of the {self.name} split without {without}")

    def fits(self, start: Places, stop: Places) -> NDArray[np.bool_]:
        """Whether the bytes from `start` to `stop` are whole characters and hold nothing banned."""
        places = np.array((start, stop))
        whole = (self.text.take(places, mode="clip") & 0xC0 != 0x80) | (places == len(self.text))
        return whole.all(0) & (self.ends[self.begins.searchsorted(start)] > stop)
