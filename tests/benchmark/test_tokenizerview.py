"""What `spanbench tokenizers NAME --corpus C` shows."""

import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark.registry import UsageError
from benchmark.tokenizerview import bars, excerpt, longest, segmented, show
from tasks.files import Files
from tasks.token_arrays import token_array
from tasks.tokenizers import Bpe, Byte

WORDS = ["house", "[b]roof[/b]", "naïve", "東京", "the", "of", "and\n", "x = {1: [2]}\n"]
WORDS += ["".join(random.Random(number).choices("abcdefgimnorst", k=7)) for number in range(40)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty documents, so that the last ten make the test split."""
    folder = tmp_path_factory.mktemp("text")
    for number in range(50):
        words = random.Random(number).choices(WORDS, k=100 + 20 * number)
        (folder / f"{number}.txt").write_text(" ".join(words), encoding="utf-8")
    return folder


def shown(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    show(Console(), name, f"files:{place}")
    return capsys.readouterr().out


def test_the_whole_of_a_tokenizer_is_shown(place: Path, capsys: pytest.CaptureFixture[str]):
    corpus, tokenizer = Files(str(place)), Bpe(300)
    tokenizer.fit(corpus)
    text = corpus.split("test").tobytes()
    (ids,) = tokenizer.encode([text])
    found = shown("bpe-300", place, capsys)
    assert found.startswith("bpe-300  tasks.tokenizers.Bpe\n\nByte-pair encoding")
    assert "\n  --tokenizer.vocab  300\n" in found
    assert f"vocabulary  300 tokens; {len(set(ids.tolist()))} occur in the test split" in found
    assert f"digest      {tokenizer.digest}\n" in found
    assert f"κ           {len(text) / len(ids):.3f} bytes a token" in found
    kappas = [len(document) / len(tokenizer.encode([document])[0]) for document in corpus.documents("test")]
    low, median, high = np.quantile(kappas, [0.05, 0.5, 0.95])
    assert f"by document {median:.3f}, 5% to 95% of 10 documents {low:.3f} to {high:.3f}" in found


def test_lengths_and_counts_are_those_of_a_loop(place: Path):
    corpus, tokenizer = Files(str(place)), Bpe(300)
    tokenizer.fit(corpus)
    tokens = [tokenizer.token_bytes[index] for index in token_array(corpus, tokenizer, "test").ids]
    counts = np.array([tokens.count(token) for token in tokenizer.token_bytes])
    for line, (low, high) in zip(
        bars(tokenizer, counts)[1:], [(1, 1), (2, 2), (3, 3), (4, 4), (5, 8), (9, 99)], strict=True
    ):
        share = sum(low <= len(token) <= high for token in tokens) / len(tokens)
        assert f"{share:.1%}" in line
        assert line.count("█") == round(40 * share)
    _, *lines = longest(tokenizer, counts)
    assert len(lines) == 20
    for line in lines:
        size, times, text = re.fullmatch(r" *(\d+) bytes +([\d,]+) times  (.+)", line).groups()  # pyright: ignore
        token = text.replace("␣", " ").replace("↵", "\n").encode()
        if "�" not in text:
            assert (len(token), tokens.count(token)) == (int(size), int(times.replace(",", "")))
    assert longest(Byte(), np.ones(256, np.int64)) == ["the longest tokens have one byte"]


def test_the_sample_is_the_text_with_its_brackets(place: Path, capsys: pytest.CaptureFixture[str]):
    number, text = excerpt(Files(str(place)))
    sample = shown("char", place, capsys).partition(f"document {number} of the test split begins\n")[2]
    plain = sample.removesuffix("\n").replace("↵\n", "\n").replace("|", "").replace("␣", " ")
    assert plain == text.decode()
    assert "[b]roof[/b]" in plain
    document = list(Files(str(place)).documents("test"))[number - 1]
    assert document.startswith(text)
    assert len(text.splitlines()) <= 6


def test_on_a_terminal_neighbours_differ_in_background():
    drawn = segmented(Byte(), b"a[b]\nc", coloured=True)
    assert drawn.plain == "a[b]↵\nc"
    styles = [str(span.style) for span in drawn.spans]
    assert len(styles) == 6
    assert all(one != other for one, other in pairwise(styles))


def test_a_vocabulary_that_the_text_cannot_fill_says_so(place: Path, capsys: pytest.CaptureFixture[str]):
    found = re.search(
        r"vocabulary  9,000 tokens asked for, of which the train split had (\d+) to offer",
        shown("bpe-9000", place, capsys),
    )
    assert found is not None
    assert 300 < int(found[1]) < 9000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bpe-x", 'unknown tokenizer "bpe-x": did you mean'),
        ("bpe-10", "bpe-10: a BPE vocabulary has 257 to 65536 tokens, got 10"),
        ("file:none.json", "file:none.json: none.json: No such file"),
        ("tasks/adding.py:Adding", "Adding is not a Tokenizer"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_line(place: Path, name: str, words: str):
    with pytest.raises(UsageError, match=words) as caught:
        show(Console(), name, f"files:{place}")
    assert "\n" not in str(caught.value)


def test_a_tokenizer_file_is_shown_too(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tokenizer = Bpe(280)
    tokenizer.fit(Files(str(place)))
    assert tokenizer._model is not None
    (tmp_path / "my.json").write_text(tokenizer._model.to_str())
    found = shown(f"file:{tmp_path / 'my.json'}", place, capsys)
    assert "tasks.tokenizer_file.TokenizerFile" in found
    assert "vocabulary  280 tokens; " in found
