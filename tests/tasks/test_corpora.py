"""Corpora: documents, digests and splits, against loops written for the test."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.corpora import Corpus, Files, Sympy

CONFIGS = Path(__file__).parents[2] / "configs" / "corpora"
SPLITS = ("train", "val", "test")


class Texts(Corpus):
    """A corpus held in memory."""

    def __init__(self, texts: list[bytes]) -> None:
        self.texts = texts

    def read(self) -> Iterator[tuple[str, bytes]]:
        for number, text in enumerate(self.texts):
            yield f"text {number}", text


def folder(path: Path, texts: list[bytes]) -> Path:
    for number, text in enumerate(texts):
        place = path / f"part{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:03}.txt").write_bytes(text)
    (path / "notes.md").write_text("not a part of it")
    return path


def sympy() -> dict[str, str]:
    return yaml.safe_load((CONFIGS / "sympy.yaml").read_text())["init_args"]


def test_duplicates_and_empty_documents_are_left_out(tmp_path: Path):
    corpus = Files(str(folder(tmp_path, [b"one", b"two", b"one", b"", b"one\n"])))
    assert sorted(corpus.documents()) == [b"one", b"one\n", b"two"]


def test_the_digest_and_the_splits_follow_from_the_texts_alone(tmp_path: Path):
    texts = [f"document {n}\n".encode() for n in range(50)]
    corpora = Files(str(folder(tmp_path / "a", texts))), Files(str(folder(tmp_path / "b", texts[::-1] + texts[:7])))
    hashes = sorted(hashlib.sha256(text).digest() for text in texts)
    assert {corpus.digest for corpus in corpora} == {hashlib.sha256(b"".join(hashes)).hexdigest()}
    for split in SPLITS:
        assert corpora[0].split(split) == corpora[1].split(split)
        assert corpora[0].split_digest(split) == hashlib.sha256(corpora[1].split(split)).hexdigest()
    assert Texts([*texts, b"another"]).digest != corpora[0].digest


@pytest.mark.parametrize("n", [40, 41, 57, 100])
def test_large_corpora_are_cut_by_the_rank_of_the_hash(n: int):
    texts = [f"document {i}{chr(10) * (i % 2)}".encode() for i in range(n)]
    corpus = Texts(texts)
    parts = [corpus.split_documents(split) for split in SPLITS]
    assert [text for part in parts for text in part] == sorted(texts, key=lambda text: hashlib.sha256(text).digest())
    assert [len(part) for part in parts] == [n * 7 // 10, n * 8 // 10 - n * 7 // 10, n - n * 8 // 10]
    assert [corpus.n_documents(split) for split in SPLITS] == [len(part) for part in parts]
    for split, part in zip(SPLITS, parts, strict=True):
        assert corpus.split(split).splitlines() == [text.rstrip() for text in part]
        assert corpus.split(split).endswith(part[-1])


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from(" \n\r")), max_size=12))
def test_small_corpora_lose_nothing_and_cut_no_character(texts: list[str]):
    documents = sorted({text.encode() for text in texts} - {b""}, key=lambda text: hashlib.sha256(text).digest())
    corpus = Texts([text.encode() for text in texts])
    if not documents:
        with pytest.raises(ValueError, match="no text"):
            corpus.documents()
        return
    cut = {split: iter(corpus.split_documents(split)) for split in SPLITS}
    for document in documents:
        rest = document
        for split in SPLITS:
            low = len(document) - len(rest)
            end = _expected_cut(document, split)
            if end > low:
                assert next(cut[split]) == document[low:end]
            rest = document[end:]
        assert not rest
    assert all(next(parts, None) is None for parts in cut.values())
    for split in SPLITS:
        corpus.split(split).decode()


def _expected_cut(document: bytes, split: str) -> int:
    """Try every place in the tenth after the cut point: after a blank line, after a line break, before a character."""
    if split == "test":
        return len(document)
    tenths = {"train": 7, "val": 8}[split]
    low, high = len(document) * tenths // 10, len(document) * (tenths + 1) // 10
    for kind in (rb"\n[ \t\r]*\n", rb"\n"):
        if found := re.search(kind, document[low:high]):
            return low + found.end()
    return next((at for at in range(low, len(document)) if document[at] & 0xC0 != 0x80), len(document))


def test_a_single_document_is_cut_at_blank_lines_near_the_shares():
    text = b"".join(b"A line.\nAnd another.\n\n" for _ in range(1000))
    corpus = Texts([text])
    parts = [corpus.split(split) for split in SPLITS]
    assert b"".join(parts) == text
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert part.startswith(b"A line")
        assert len(part) / len(text) == pytest.approx(share, abs=0.002)
    assert [corpus.n_documents(split) for split in SPLITS] == [1, 1, 1]


def test_an_unknown_split_names_the_choices():
    with pytest.raises(ValueError, match="'valid': choose from train, val, test"):
        Texts([b"text"]).split("valid")


def test_text_that_is_not_utf8_is_refused_by_name_and_place(tmp_path: Path):
    (tmp_path / "bad.txt").write_bytes(b"fine so far \xff")
    with pytest.raises(ValueError, match=r"bad\.txt is not UTF-8.* at byte 12"):
        Files(str(tmp_path)).documents()


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(ValueError, match=r"nowhere does not exist.*folder of \.txt"):
        Files(str(tmp_path / "nowhere")).documents()
    (tmp_path / "readme.md").write_text("text")
    with pytest.raises(ValueError, match=r"holds no \.txt file"):
        Files(str(tmp_path)).documents()
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match="no text"):
        Files(str(tmp_path / "empty.txt")).documents()


def test_one_file_is_a_corpus(tmp_path: Path):
    (tmp_path / "book.txt").write_text("a text\n")
    assert Files(str(tmp_path / "book.txt")).documents() == [b"a text\n"]


def test_sympy_is_the_text_that_was_pinned():
    corpus = Sympy(**sympy())
    assert len(corpus.documents()) == sum(corpus.n_documents(split) for split in SPLITS) == 1453
    assert sum(map(len, corpus.documents())) == 26_180_038
    assert not set(corpus.split_documents("train")) & set(corpus.split_documents("test"))


def test_another_sympy_is_refused_with_both_digests():
    corpus = Sympy("f" * 64, "1.14.0")
    with pytest.raises(ValueError, match=rf"{sympy()['digest']}.*{'f' * 64}.*sympy==1\.14\.0"):
        corpus.split("train")


def test_the_files_pattern_takes_any_path():
    pattern = yaml.safe_load((CONFIGS / "files.yaml").read_text())["pattern"]
    match = re.fullmatch(pattern, "files:/data/some books: two")
    assert match is not None
    assert match.groupdict() == {"path": "/data/some books: two"}


def test_corpora_and_tokenizers_load_neither_torch_nor_lightning():
    code = "import sys, tasks.corpora, tasks.tokenizers; print({'torch', 'lightning'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
