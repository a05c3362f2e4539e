"""Splits as token ids: the tokenizer's own, places as a loop finds them, and a cache that survives."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import token_arrays
from tasks.corpora import Corpus
from tasks.files import Files
from tasks.token_arrays import EVERY, TokenArray, token_array
from tasks.tokenizers import Bpe, Byte, Char, Ids, Tokenizer

TOP = Path(__file__).parents[2]
SPLITS = ("train", "val", "test")
WORDS = ["house", "roof's", "naïve", "東京", "  ", "\n", "“a”", "x1", "the", "of", "\n\n\t"]


class Text(Corpus):
    """Random words."""

    def __init__(self, n_bytes: int) -> None:
        self.size = n_bytes

    def __str__(self) -> str:
        return "words"

    def read(self) -> Iterator[tuple[str, bytes]]:
        text = " ".join(random.Random(0).choices(WORDS, k=self.size // 4))
        yield "words", text.encode()[: self.size].decode(errors="ignore").encode()


class Wrong(Byte):
    """Changes what it encodes, in one way of several."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self.change = change

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        return super().encode([self.change(text) for text in texts])

    def _identity(self) -> bytes:
        return self.change(b"a b").hex().encode()


class Beyond(Byte):
    """Gives ids that have no token: those below 0 would count from the end."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        return [ids + self.by for ids in super().encode(texts)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPANBENCH_CACHE", str(tmp_path))
    return tmp_path


def visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def fitted(tokenizer: Tokenizer, corpus: Corpus) -> Tokenizer:
    tokenizer.fit(corpus)
    return tokenizer


@pytest.mark.parametrize(("tokenizer", "dtype"), [(Byte(), np.uint8), (Char(), np.uint16), (Bpe(300), np.uint16)])
def test_ids_are_those_of_the_whole_text(tokenizer: Tokenizer, dtype: type):
    corpus = Text(400_000)
    fitted(tokenizer, corpus)
    for split in SPLITS:
        array = token_array(corpus, tokenizer, split)
        text = corpus.split(split).tobytes()
        assert array.ids.dtype == dtype
        assert np.array_equal(array.ids, tokenizer.encode([text])[0])
        assert array.n_bytes == len(text)
        begins = [0, *tokenizer.spans(array.ids.astype(np.int64))[:, 1].tolist()]
        assert array.begins.tolist() == begins[::EVERY]


@pytest.mark.parametrize(
    ("vocab", "dtype"), [(256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_ids_take_the_fewest_bytes_that_hold_the_vocabulary(vocab: int, dtype: type):
    tokenizer = Byte()
    tokenizer.vocab_size = vocab
    assert token_array(Text(1000), tokenizer, "test").ids.dtype == dtype


def test_an_empty_split_has_no_tokens(tmp_path: Path):
    (tmp_path / "short.txt").write_text("a")
    corpus = Files(str(tmp_path / "short.txt"))
    assert corpus.n_bytes("val") == 0
    array = token_array(corpus, Byte(), "val")
    assert len(array.ids) == array.first_at(np.array([0])) == array.offsets(np.array([0])) == 0


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    n=st.sampled_from([0, 1, 2, EVERY - 1, EVERY, EVERY + 1, 2 * EVERY, 3 * EVERY + 17]) | st.integers(0, 1500),
    seed=st.integers(0, 99),
)
def test_places_are_those_that_a_loop_finds(lengths: list[int], n: int, seed: int):
    ids = np.random.default_rng(seed).integers(0, len(lengths), n).astype(np.uint8)
    begins, at = [], 0
    for index in ids:
        begins.append(at)
        at += lengths[index]
    sparse = np.array([*begins, at][::EVERY], np.int64)
    array = TokenArray(ids, at, np.array(lengths), sparse)
    offsets = np.random.default_rng(seed).integers(-2, at + 3, (40, 2))
    for offset, found in zip(offsets.flat, array.first_at(offsets).flat, strict=True):
        assert found == next((index for index, begin in enumerate(begins) if begin >= offset), n)
    assert array.first_at(np.array([*begins, at])).tolist() == list(range(n + 1))
    assert array.offsets(np.arange(n + 1)).tolist() == [*begins, at]


def test_many_places_take_constant_memory(monkeypatch: pytest.MonkeyPatch):
    array = token_array(Text(100_000), Byte(), "train")
    places = np.arange(5000)
    assert np.array_equal(array.first_at(places), places)
    seen: list[int] = []
    look = TokenArray._lengths_from
    monkeypatch.setattr(
        TokenArray, "_lengths_from", lambda self, blocks: seen.append(len(blocks)) or look(self, blocks)
    )
    array.offsets(places)
    assert sum(seen) == 5000
    assert max(seen) == token_arrays.AT_ONCE


def test_several_processes_give_the_ids_of_one(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(token_arrays, "WORTH_A_PROCESS", 2**18)
    monkeypatch.setattr(token_arrays, "BATCH", 2)
    corpus = Text(1_000_000)
    tokenizer = fitted(Bpe(700), corpus)
    shares: list[float] = []
    several = token_array(corpus, tokenizer, "train", shares.append, workers=2)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 1
    monkeypatch.setenv("SPANBENCH_CACHE", str(cache / "other"))
    monkeypatch.setattr(token_arrays, "ProcessPoolExecutor", None)
    alone = token_array(corpus, tokenizer, "train", workers=1)
    assert np.array_equal(several.ids, alone.ids)
    assert np.array_equal(several.begins, alone.begins)


def in_a_daemon(ends: Connection) -> None:
    ends.send(token_arrays._processes(2**30, Byte(), 8))


def test_a_process_that_may_have_no_children_works_alone():
    assert token_arrays._processes(2**30, Byte(), 8) == 8
    assert token_arrays._processes(2**20, Byte(), 8) == 1
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=in_a_daemon, args=(theirs,), daemon=True)
    process.start()
    assert ours.recv() == 1
    process.join()
    foreign = type("Foreign", (Byte,), {"__module__": "a_file_of_the_users"})()
    assert token_arrays._processes(2**30, foreign, 8) == 1  # no other process could load it


def test_the_cache_is_read_and_a_damaged_one_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch):
    corpus, tokenizer = Text(50_000), Byte()
    whole = token_array(corpus, tokenizer, "test").ids.tolist()
    (folder,) = visible(cache / "tokens")
    for name, size in (("ids", 5000), ("ids", 0), ("begins", 8), ("begins", 3)):
        os.truncate(folder / name, size)
        assert token_array(corpus, tokenizer, "test").ids.tolist() == whole
        assert visible(cache / "tokens") == [folder]
    monkeypatch.setattr(Byte, "encode", lambda *_: pytest.fail("encoded again"))
    assert token_array(corpus, tokenizer, "test").ids.tolist() == whole


@pytest.mark.parametrize(
    "change", [lambda text: text.replace(b" ", b""), bytes.upper, lambda text: text[:-1], lambda text: text + b"!"]
)
def test_a_tokenizer_that_does_not_keep_the_text_is_refused(change: Callable[[bytes], bytes], cache: Path):
    with pytest.raises(
        ValueError, match=r"words, train split: tokens must spell the very bytes of the text, but b'.+' became"
    ):
        token_array(Text(100), Wrong(change), "train")
    assert visible(cache / "tokens") == []


def test_a_tokenizer_that_raises_is_named():
    class Forgetful(Byte):
        def encode(self, texts: Sequence[bytes]) -> list[Ids]:
            raise KeyError("oh")

    with pytest.raises(ValueError, match=r"words, train split: Forgetful raised KeyError: 'oh'$"):
        token_array(Text(100), Forgetful(), "train")


@pytest.mark.parametrize(("by", "got"), [(200, r"[34]\d\d"), (-256, r"-\d+")])
def test_ids_without_a_token_are_refused(by: int, got: str):
    with pytest.raises(ValueError, match=rf"words, train split: ids must lie in 0 … 255, got {got}$"):
        token_array(Text(100), Beyond(by), "train")


ELSEWHERE = """
import os, signal, sys
from tasks import token_arrays
from tasks.tokenizers import Bpe
from tasks.files import Files
{before}
corpus, tokenizer = Files({path!r}), Bpe(300)
tokenizer.fit(corpus)
array = token_arrays.token_array(corpus, tokenizer, "train", progress, workers=2)
print(int(array.ids.sum()), len(array.ids))
"""


def elsewhere(path: Path, before: str) -> "subprocess.Popen[str]":
    code = ELSEWHERE.format(before=f"token_arrays.WORTH_A_PROCESS = 2**18\n{before}", path=str(path))
    return subprocess.Popen([sys.executable, "-c", code], cwd=TOP, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_bytes(next(Text(900_000).read())[1])
    return path


def test_processes_agree_and_a_killed_one_leaves_nothing_behind(cache: Path, place: Path):
    quiet, kill = "progress = None", "def progress(share): os.kill(os.getpid(), signal.SIGKILL)"
    both, killed = [elsewhere(place, quiet) for _ in range(2)], elsewhere(place, kill)
    answers = {process.communicate(timeout=60)[0].strip() for process in both}
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    corpus = Files(str(place))
    array = token_array(corpus, fitted(Bpe(300), corpus), "train")
    assert answers == {f"{int(array.ids.sum())} {len(array.ids)}"}
    assert len(visible(cache / "tokens")) == 1


def test_children_end_with_a_killed_parent(tmp_path: Path, place: Path):
    told = tmp_path / "children"
    tell = f"""
import multiprocessing
def progress(share):
    open({str(told)!r}, "w").write(" ".join(str(child.pid) for child in multiprocessing.active_children()))
    os.kill(os.getpid(), signal.SIGKILL)"""
    killed = elsewhere(place, tell)
    killed.communicate(timeout=60)
    children = told.read_text().split()
    assert children
    deadline = time.monotonic() + 10
    while any(alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(child) for child in children)


def alive(child: str) -> bool:
    try:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
