"""Target blocks against the text itself."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from tasks.blocks import _shares, target_blocks

TEXT = "to be, or not to be; that’s the question.\nÜber 東京 x1 = (a + b)\n\n    if y: 42  "
WORDS = TEXT.split(" ")
SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=8)


def text_of(seed: int, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Documents of about so many words, and where they end."""
    rng = np.random.default_rng(seed)
    documents = [(" ".join(rng.choice(WORDS, size)) + "\n").encode() for size in sizes]
    return np.frombuffer(b"".join(documents), np.uint8), np.cumsum([len(document) for document in documents])


@settings(deadline=None)
@given(st.integers(0, 99), SIZES, st.integers(1, 60), st.integers(0, 99))
def test_blocks_lie_apart_in_one_document_each(seed: int, sizes: list[int], n: int, room: int) -> None:
    text, ends = text_of(seed, sizes)
    begins = np.append(0, ends[:-1])
    if not ((ends - begins) > room + 96).any():
        said = f"{room} bytes of context and room to place blocks of 32 need {room + 97} bytes"
        with pytest.raises(ValueError, match=said):
            target_blocks(text, ends, n, 32, room)
        return
    blocks = target_blocks(text, ends, n, 32, room)
    assert 0 < len(blocks) <= n
    assert (blocks.starts[1:] >= blocks.ends[:-1]).all()
    for start, end, document in zip(blocks.starts, blocks.ends, blocks.documents, strict=True):
        assert 32 <= end - start <= 64
        assert begins[document] + room <= start
        assert end <= ends[document]


def test_edges_are_edges_of_words() -> None:
    """Cut at a block's edges, the text has the very words (GPT-2's) that it has uncut."""
    text, ends = text_of(0, [4000])
    whole = text.tobytes()
    edges = {0}
    for word, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(whole.decode()):
        edges.add(max(edges) + len(word))  # a letter of that alphabet is a byte
    blocks = target_blocks(text, ends, 100, 24, 50)
    assert len(blocks) > 90
    assert {*blocks.starts.tolist(), *blocks.ends.tolist()} <= edges


def test_documents_share_the_blocks_and_spread_theirs_evenly() -> None:
    text, ends = text_of(1, [5000, 10, 2500, 100])
    blocks = target_blocks(text, ends, 120, 24, 100)
    counts = np.bincount(blocks.documents)
    room = np.diff(ends, prepend=0)[3] - 100 - 72
    assert counts[1] == 0
    assert 1 <= counts[3] <= -(-room // 72)  # as many as it has room for
    assert counts[0] == pytest.approx(counts[2], abs=8)
    assert counts.sum() > 100
    gaps = np.diff(blocks.starts[blocks.documents == 0])
    assert np.median(gaps) == pytest.approx(ends[0] / counts[0], rel=0.05)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 60))
def test_shares_are_those_of_taking_turns(most: list[int], n: int) -> None:
    """In each round everyone who can take more takes one; of the last round only so many as are left get theirs."""
    taken, left = [0] * len(most), n
    while left and any(t < m for t, m in zip(taken, most, strict=True)):
        able = [i for i, m in enumerate(most) if taken[i] < m]
        if len(able) > left:
            break
        taken = [t + (t < m) for t, m in zip(taken, most, strict=True)]
        left -= len(able)
    found = _shares(np.array(most), n)
    assert found.sum() == min(n, sum(most))
    assert ((found >= taken) & (found <= np.array(taken) + 1) & (found <= most)).all()


def test_without_blanks_lines_will_do_and_without_lines_nothing() -> None:
    lines = np.frombuffer("東京東京東京\n".encode() * 200, np.uint8)
    blocks = target_blocks(lines, np.array([len(lines)]), 10, 24, 0)
    assert all(lines[edge] == ord("\n") for edge in (*blocks.starts, *blocks.ends))
    blank = np.frombuffer(b"x" * 3000, np.uint8)
    with pytest.raises(ValueError, match="no words begin and end within blocks of 24 bytes"):
        target_blocks(blank, np.array([3000]), 10, 24, 0)


def test_the_blank_of_another_script_is_no_word() -> None:
    text = np.frombuffer(("aa\u00a0 bb" * 400).encode(), np.uint8)
    for edge in target_blocks(text, np.array([len(text)]), 20, 16, 0).starts:
        assert re.match(rb" \S", text[edge : edge + 2].tobytes())
