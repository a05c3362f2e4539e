"""Fillers: held against loops over every place of small texts."""

import tracemalloc
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tasks.draws import Draws
from tasks.fillers import Fillers

BANNED = (b"b=", b"aab=", "é=".encode())


def fillers(text: bytes) -> Fillers:
    return Fillers(np.frombuffer(text, np.uint8), BANNED, "val")


def fits(text: bytes, low: int, high: int) -> bool:
    whole = all(len(text[:at].decode(errors="ignore").encode()) == at for at in (low, high))
    return whole and not any(each in text[low:high] for each in BANNED)


@settings(max_examples=60, deadline=None)
@given(st.text("ab=é𝄞\n", min_size=1, max_size=30))
def test_what_fits_is_what_a_loop_finds(text: str):
    data = text.encode()
    low, high = np.triu_indices(len(data) + 1)
    places = zip(low.tolist(), high.tolist(), strict=True)
    assert fillers(data).fits(low, high).tolist() == [fits(data, *place) for place in places]


def test_places_are_uniform_among_those_that_fit():
    text = ("é∂aab=1" + "".join(chr(0x100 + n) for n in range(60)) + "b=123é=4aab=").encode()
    lengths = np.tile([8, 10], 4000)
    pieces = fillers(text).draw(Draws((0,), 0, 8000), lengths)
    assert [len(piece) for piece in pieces] == lengths.tolist()
    for length in (8, 10):
        there = [text[low : low + length] for low in range(len(text)) if low + length <= len(text)]
        fitting = [piece for low, piece in enumerate(there) if fits(text, low, low + length)]
        assert len(fitting) == len(set(fitting)) > 20
        counts = [pieces.count(piece) for piece in fitting]
        assert sum(counts) == 4000
        assert chisquare(counts).pvalue > 1e-4


def test_an_example_does_not_depend_on_the_others_tries():
    text = b"b=" * 300 + b"found here" + b"b=" * 300  # a few places in a thousand
    lengths = np.arange(40) % 5 + 4
    whole = fillers(text).draw(Draws((1,), 0, 40), lengths)
    parts = [fillers(text).draw(Draws((1,), at, 7 if at < 35 else 5), lengths[at : at + 7]) for at in range(0, 40, 7)]
    assert list(chain.from_iterable(parts)) == whole
    assert len(set(whole)) > 10


def test_a_text_larger_than_memory_is_not_copied(tmp_path: Path):
    size = 1 << 26
    with (tmp_path / "text").open("wb") as file:  # a file of zeros that takes no room
        file.truncate(size)
    text = np.asarray(np.memmap(tmp_path / "text", np.uint8, "r"))
    tracemalloc.start()
    try:
        found = Fillers(text, BANNED, "train").draw(Draws((0,), 0, 100), np.full(100, 50))
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()
    assert set(found) == {bytes(50)}


def test_a_text_too_short_or_without_room_is_refused():
    with pytest.raises(ValueError, match="the val split has 4 bytes, too few for a filler of 5"):
        fillers(b"abcd").draw(Draws((0,), 0, 2), np.array([3, 5]))
    with pytest.raises(ValueError, match="the val split has 0 bytes, too few for a filler of 0"):
        fillers(b"").draw(Draws((0,), 0, 1), np.array([0]))
    message = "1000 draws found no 7 bytes of the val split without 'b=' or 'aab=' or 'é='"
    with pytest.raises(ValueError, match=message):
        fillers(b"b= " * 9).draw(Draws((0,), 0, 2), np.array([2, 7]))
