"""Texts in pieces: nothing lost, nothing longer than it may be, and the tokens of the whole."""

from itertools import chain

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from tasks.pieces import PIECE, pieces

MIXED = st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\n'srevdlmaz09_-=é\u00a0\u2003²½東“\x1c\x85\u3000"))
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
LLAMA3 = pre_tokenizers.Split(
    Regex(r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
    "isolated",
)


def words(splitter: pre_tokenizers.PreTokenizer, text: str) -> list[str]:
    found, data = splitter.pre_tokenize_str(text), text
    return [data[low:high] for _, (low, high) in found]


@settings(deadline=None, max_examples=300)
@given(MIXED, st.integers(1, 20))
@example("a\u3000 b \u3000\u3000 東\u3000\n  c's 's\n\n d", 1)
def test_words_of_the_pieces_are_those_of_the_whole(text: str, size: int):
    data = text.encode()
    cut = list(pieces(data, size))
    assert b"".join(cut) == data
    assert all(cut)
    assert all(len(piece) >= size for piece in cut[:-1])
    assert list(pieces(np.frombuffer(data, np.uint8), size)) == cut
    assert list(chain.from_iterable(words(GPT2, piece.decode()) for piece in cut)) == words(GPT2, text)


def test_pieces_between_words_suit_other_splitters_too():
    text = "if x == 12:\n    y = f(x).\n\n  It's 3.14159 of it... \n" * 20
    cut = [piece.decode() for piece in pieces(text.encode(), 7)]
    assert len(cut) > 20
    assert list(chain.from_iterable(words(LLAMA3, piece) for piece in cut)) == words(LLAMA3, text)


def test_a_text_without_places_is_cut_between_code_points():
    for text in ("東" * 100_000, "a" * 200_000, " " * 200_000, "é\u3000" * 50_000):
        cut = list(pieces(text.encode()))
        assert "".join(piece.decode() for piece in cut) == text
        assert max(map(len, cut)) <= 2 * PIECE


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(1, 20))
@example(b"\x80" * 300, 1)
def test_bytes_that_are_no_text_are_cut_somewhere(data: bytes, size: int):
    assert b"".join(pieces(data, size)) == data
