"""Byte-pair encoding: the library's own words, and a cache that survives."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from tasks import bpe
from tasks.files import Files
from tasks.tokenizers import Bpe

WORDS = [a + b + c for a in "bdfgkl" for b in ("aa", "e", "ö", "東") for c in ("", "n", "st\n", "'s")]
MIXED = st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\n'srevdlmaz09_-=é\u00a0\u2003²½東“\x1c\x85"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "prose.txt").write_text(" ".join(random.Random(0).choices(WORDS, k=5000)), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SPANBENCH_CACHE", str(folder))
    return folder


@settings(deadline=None)
@given(MIXED)
@example("a  b \n \n\tc   ")
@example("it's 'sno''s 'll x²½3é1 \u2003\u00a0y")
def test_words_are_those_of_the_library(text: str):
    found = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    assert bpe.words(text) == [text[low:high] for _, (low, high) in found]


def test_every_code_point_is_classed_as_the_library_does():
    for plane in (range(0x80, 0x3000), range(0xA000, 0xD800, 7), range(0xE000, 0x1F000, 11)):
        text = "".join(f" {chr(point)}a{chr(point)}1" for point in plane)
        found = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
        assert bpe.words(text) == [text[low:high] for _, (low, high) in found]


def test_a_second_fit_reads_the_cache(place: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = Bpe(300), Bpe(400)
    first.fit(Files(str(place)))
    monkeypatch.setattr(bpe, "_train", lambda *_: pytest.fail("trained twice"))
    second.fit(Files(str(place)))
    assert second.token_bytes[:300] == first.token_bytes


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cache_file_cut_short_is_made_again(place: Path, cache: Path, share: float):
    tokenizer = Bpe(300)
    tokenizer.fit(Files(str(place)))
    (file,) = (cache / "tokenizers").glob("bpe-*/*")
    whole, digest = file.read_bytes(), tokenizer.digest
    file.write_bytes(whole[: int(len(whole) * share)])
    tokenizer.fit(Files(str(place)))
    assert tokenizer.digest == digest
    assert file.read_bytes() == whole


KILL = """
import os, signal
from tasks import bpe
train = bpe._train
bpe._train = lambda *given: (train(*given), os.kill(os.getpid(), signal.SIGKILL))"""


def fit_elsewhere(place: Path, before: str = "") -> "subprocess.Popen[str]":
    code = f"""{before}
from tasks.files import Files
from tasks.tokenizers import Bpe
tokenizer = Bpe(300)
tokenizer.fit(Files({str(place)!r}))
print(tokenizer.digest)"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})


def test_a_process_killed_while_writing_leaves_no_trace(place: Path, cache: Path):
    killed = fit_elsewhere(place, KILL)
    assert killed.wait() == -signal.SIGKILL
    assert killed.stdout is not None
    killed.stdout.close()
    assert not list((cache / "tokenizers").glob("bpe-*"))
    Bpe(300).fit(Files(str(place)))
    assert len(list((cache / "tokenizers").glob("bpe-*"))) == 1


def test_processes_agree_and_do_not_hinder_each_other(place: Path, cache: Path):
    processes = [fit_elsewhere(place) for _ in range(2)]
    digests = {process.communicate()[0].strip() for process in processes}
    tokenizer = Bpe(300)
    tokenizer.fit(Files(str(place)))
    assert digests == {tokenizer.digest}
    assert len(list((cache / "tokenizers").glob("bpe-*"))) == 1
