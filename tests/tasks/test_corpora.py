"""Corpora: documents, digests and splits, against loops written for the test, and the store they are kept in."""

import hashlib
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import text_store
from tasks.corpora import Corpus
from tasks.sympy_source import Sympy

CONFIGS = Path(__file__).parents[2] / "configs" / "corpora"
SPLITS = ("train", "val", "test")


class Texts(Corpus):
    """A corpus held in memory, which counts how often it is read."""

    def __init__(self, texts: list[bytes]) -> None:
        self.texts, self.n_read = texts, 0

    def __str__(self) -> str:
        return "this list"

    def read(self) -> Iterator[tuple[str, bytes]]:
        self.n_read += 1
        for number, text in enumerate(self.texts):
            yield f"text {number}", text


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPANBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "corpora"


def by_hash(texts: list[bytes]) -> list[bytes]:
    return sorted({text for text in texts if text}, key=lambda text: hashlib.sha256(text).digest())


def whole(corpus: Corpus, split: str) -> bytes:
    return corpus.split(split).tobytes()


def sympy() -> dict[str, str]:
    return yaml.safe_load((CONFIGS / "sympy.yaml").read_text())["init_args"]


def test_duplicates_and_empty_documents_are_left_out():
    corpus = Texts([b"one", b"two", b"one", b"", b"one\n"])
    hashes = sorted(hashlib.sha256(text).digest() for text in (b"one", b"one\n", b"two"))
    assert corpus.digest == hashlib.sha256(b"".join(hashes)).hexdigest()
    assert corpus.n_duplicates == 1


def test_the_digest_and_the_splits_follow_from_the_texts_alone():
    texts = [f"document {n}\n".encode() for n in range(50)]
    corpora = Texts(texts), Texts(texts[::-1] + texts[:7])
    hashes = sorted(hashlib.sha256(text).digest() for text in texts)
    assert {corpus.digest for corpus in corpora} == {hashlib.sha256(b"".join(hashes)).hexdigest()}
    for split in SPLITS:
        assert whole(corpora[0], split) == whole(corpora[1], split)
        assert corpora[0].split_digest(split) == hashlib.sha256(whole(corpora[1], split)).hexdigest()
    assert Texts([*texts, b"another"]).digest != corpora[0].digest


@pytest.mark.parametrize("n", [40, 41, 57, 100])
def test_large_corpora_are_cut_by_the_rank_of_the_hash(n: int):
    texts = [f"document {i}{chr(10) * (i % 2)}".encode() for i in range(n)]
    corpus, documents = Texts(texts), by_hash(texts)
    cuts = {"train": (0, n * 7 // 10), "val": (n * 7 // 10, n * 8 // 10), "test": (n * 8 // 10, n)}
    assert not corpus.is_cut
    for split, (low, high) in cuts.items():
        ended = [text if text.endswith(b"\n") else text + b"\n" for text in documents[low : high - 1]]
        expected = [*ended, documents[high - 1]]
        assert list(corpus.documents(split)) == expected
        assert whole(corpus, split) == b"".join(expected)
        assert corpus.ends(split).tolist() == np.cumsum([len(text) for text in expected]).tolist()
        assert (corpus.n_documents(split), corpus.n_bytes(split)) == (high - low, len(b"".join(expected)))


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from(" \n\r")), max_size=12))
def test_small_corpora_lose_nothing_and_cut_no_character(texts: list[str]):
    documents = by_hash([text.encode() for text in texts])
    corpus = Texts([text.encode() for text in texts])
    if not documents:
        with pytest.raises(ValueError, match="no text in this list"):
            corpus.split("train")
        return
    parts: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    for document in documents:
        low = 0
        for split in SPLITS:
            end = max(low, _expected_cut(document, split))
            parts[split] += [document[low:end]] if end > low else []
            low = end
    assert corpus.is_cut
    for split in SPLITS:
        ended = [part if part.endswith(b"\n") else part + b"\n" for part in parts[split][:-1]]
        assert list(corpus.documents(split)) == ended + parts[split][-1:]
        whole(corpus, split).decode()


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
    parts = [whole(corpus, split) for split in SPLITS]
    assert b"".join(parts) == text
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert part.startswith(b"A line")
        assert len(part) / len(text) == pytest.approx(share, abs=0.002)
    assert [corpus.n_documents(split) for split in SPLITS] == [1, 1, 1]


def test_an_unknown_split_names_the_choices():
    with pytest.raises(ValueError, match="'valid': choose from train, val, test"):
        Texts([b"text"]).split("valid")


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "text", [b"fine so far \xff", "aé€😀".encode() + b"\x80", "é€😀".encode()[:-1], b"\xed\xa0\x80"]
)
def test_text_that_is_not_utf8_is_refused_by_name_and_place(text: bytes, piece: int, monkeypatch: pytest.MonkeyPatch):
    """However it is cut into pieces for decoding."""
    monkeypatch.setattr(text_store, "PIECE", piece)
    with pytest.raises(UnicodeDecodeError) as expected:
        text.decode()
    with pytest.raises(ValueError, match=rf"text 1 is not UTF-8: .* at byte {expected.value.start}$"):
        Texts(["é€😀".encode(), text]).split("train")


def test_splits_are_mapped_and_cannot_be_written(cache: Path):
    corpus = Texts([b"some text\n"] * 3 + [b"more"])
    with pytest.raises(ValueError, match="read-only"):
        corpus.split("train")[0] = 0
    text: np.ndarray | None = corpus.split("train")
    while text is not None and not isinstance(text, np.memmap):
        text = text.base
    assert text is not None


def test_a_stored_text_is_read_once_and_pickled_without_it(cache: Path):
    first = Texts([b"some text " * 1000])
    assert (first.digest, first.n_read) == (first.digest, 3)  # its fingerprint before and after, the text between
    again = pickle.loads(pickle.dumps(first))  # noqa: S301
    assert len(pickle.dumps(first)) < 20_000
    assert (again.digest, again.n_read) == (first.digest, 4)
    assert len(os.listdir(cache)) == 1


@pytest.mark.parametrize("name", ["train.bin", "val.npy", "meta.json"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", None])
def test_a_damaged_store_is_made_again(cache: Path, name: str, damage: Callable[[bytes], bytes] | None):
    texts = [f"document {n}".encode() for n in range(50)]
    expected = {split: whole(Texts(texts), split) for split in SPLITS}
    (folder,) = cache.iterdir()
    if damage is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
    assert {split: whole(Texts(texts), split) for split in SPLITS} == expected
    assert os.listdir(cache) == [folder.name]


def elsewhere(before: str = "") -> "subprocess.Popen[str]":
    code = f"""{before}
from tests.tasks.test_corpora import Texts
print(Texts([b"text %d" % n for n in range(50)]).split_digest("test"))"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_processes_agree_and_the_killed_leave_nothing(cache: Path):
    hook = "import tasks.text_store as t, os, signal\nt._write_splits = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    killed = elsewhere(hook)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert all(name.startswith(".") for name in os.listdir(cache))
    digests = {process.communicate()[0].strip() for process in [elsewhere(), elsewhere()]}
    assert digests == {Texts([b"text %d" % n for n in range(50)]).split_digest("test")}
    assert len([name for name in os.listdir(cache) if not name.startswith(".")]) == 1


def test_a_text_that_changes_while_it_is_read_is_refused(cache: Path):
    class Moving(Texts):
        def read(self) -> Iterator[tuple[str, bytes]]:
            yield "it", f"reading {self.n_read}".encode()
            self.n_read += 1

    with pytest.raises(ValueError, match="this list changed while it was read"):
        Moving([]).split("train")
    assert not os.listdir(cache)


def test_sympy_is_the_text_that_was_pinned():
    corpus = Sympy(**sympy())
    assert corpus.digest == sympy()["digest"]
    assert sum(corpus.n_documents(split) for split in SPLITS) == 1453
    heads = {
        "train": (18_697_620, "7f545baf3905"),
        "val": (2_394_331, "9f003cfdce4f"),
        "test": (5_088_087, "703ac3ae9c43"),
    }
    assert {split: (corpus.n_bytes(split), corpus.split_digest(split)[:12]) for split in SPLITS} == heads
    assert not set(corpus.documents("train")) & set(corpus.documents("test"))


def test_another_sympy_is_refused_with_both_digests():
    corpus = Sympy("f" * 64, "1.14.0")
    with pytest.raises(ValueError, match=rf"{sympy()['digest']}.*{'f' * 64}.*sympy==1\.14\.0"):
        corpus.split("train")


def test_corpora_and_tokenizers_load_neither_torch_nor_lightning_nor_pyarrow():
    heavy = "{'torch', 'lightning', 'datasets', 'pyarrow', 'pandas'}"
    rooms = "tasks.corpora, tasks.files, tasks.hub, tasks.sympy_source, tasks.tokenizers"
    code = f"import sys, {rooms}; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
