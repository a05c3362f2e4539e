"""A text in pieces that can be encoded one by one."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

PIECE = 2**16  # bytes
PLACES = (re.compile(r"(?<=\S)(?= \S)"), re.compile(r"(?<=\S)(?=\n)"))  # no word of GPT-2's reaches across
Text = bytes | NDArray[np.uint8]


def pieces(text: Text, size: int = PIECE) -> Iterator[bytes]:
    """`text` in pieces of `size` bytes or a little more, cut where no token of GPT-2's words reaches across.

    A piece begins with a space or a line break that follows something visible. Where there is none for 65,536 bytes,
    it begins with any code point.
    """
    view, low = view_of(text), 0
    while low < len(view):
        high = _cut(view, low + size)
        yield bytes(view[low:high])
        low = high


def view_of(text: Text) -> memoryview:
    """The bytes in place."""
    return text.data if isinstance(text, np.ndarray) else memoryview(text)


def _cut(text: memoryview, low: int) -> int:
    """The first place to cut from `low` on, or the end."""
    window = bytes(text[low : low + PIECE])
    whole = window.lstrip(bytes(range(0x80, 0xC0)))  # begins with a code point, and below ends with one
    low, ahead = low + len(window) - len(whole), whole.decode(errors="ignore")
    if found := next(filter(None, (place.search(ahead) for place in PLACES)), None):
        return low + len(ahead[: found.start()].encode())
    return low + len(ahead.encode()) if low + len(whole) < len(text) else len(text)
