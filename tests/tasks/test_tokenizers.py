"""Tokenizers: exact bytes, the library's own words and merges, and a cache that survives."""

import os
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tokenizers as library
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from tasks.files import Files
from tasks.tokenizers import Bpe, Byte, Char, Tokenizer

CONFIGS = Path(__file__).parents[2] / "configs" / "tokenizers"
RARE = [
    "house's",
    "roof\tgrüßt",
    "東京",
    "naïve",
    "don't",
    "x1",
    "+=",
    "42;",
    "“quoted”",
    "𝄞",
    "½ é\u00a0",
    "²",
    "\n\n   y",
]
MIXED = st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\n'srevdlmaz09_-=é\u00a0\u2003²½東“\x1c\x85"))


def prose(seed: int = 0, n: int = 4000) -> str:
    """Words of random syllables, the rare ones in between, in lines."""
    rng = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=1 + n % 3)) for n in range(200)] + RARE
    return "\n".join(" ".join(rng.choices(words, k=10)) for _ in range(n // 10)) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "prose.txt").write_text(prose(), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SPANBENCH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def fitted(place: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Tokenizer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPANBENCH_CACHE", str(tmp_path_factory.mktemp("kept")))
        tokenizers = [Byte(), Char(), Bpe(257), Bpe(300), Bpe(400)]
        for tokenizer in tokenizers:
            tokenizer.fit(Files(str(place)))
    return tokenizers


def reference(text: bytes, vocab: int) -> library.Tokenizer:
    """The library by itself, trained at this very size."""
    model = library.Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(  # pyright: ignore[reportAttributeAccessIssue]
        add_prefix_space=False
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
    model.train_from_iterator([text.decode()], trainer)
    return model


@settings(deadline=None)
@given(st.binary())
def test_byte_keeps_any_bytes(data: bytes):
    (ids,) = Byte().encode([data])
    assert ids.dtype == np.int64
    assert ids.tolist() == list(data)
    assert Byte().decode(ids) == data
    assert Byte().spans(ids).tolist() == [[at, at + 1] for at in range(len(data))]


@settings(deadline=None)
@given(texts=st.lists(MIXED, max_size=4))
@example(texts=["\U0010ffff\x00 \ue000", ""])
def test_ids_decode_to_the_exact_bytes_and_spans_partition_them(fitted: list[Tokenizer], texts: list[str]):
    data = [text.encode() for text in texts]
    for tokenizer in fitted:
        encoded = tokenizer.encode(data)
        assert len(encoded) == len(data)
        for text, ids in zip(data, encoded, strict=True):
            assert tokenizer.decode(ids) == text
            assert all(0 <= index < tokenizer.vocab_size for index in ids)
            spans = tokenizer.spans(ids)
            assert spans.shape == (len(ids), 2)
            assert [text[low:high] for low, high in spans] == [tokenizer.token_bytes[index] for index in ids]
            assert spans[1:, 0].tolist() == spans[:-1, 1].tolist()
            assert tokenizer.lengths[ids].tolist() == (spans[:, 1] - spans[:, 0]).tolist()


@pytest.mark.parametrize("vocab", [257, 300, 400])
def test_bpe_is_the_librarys_own_at_every_size(fitted: list[Tokenizer], place: Path, vocab: int):
    tokenizer = next(one for one in fitted if isinstance(one, Bpe) and one.vocab_size == vocab)
    alone = reference(Files(str(place)).split("train").tobytes(), vocab)
    assert alone.get_vocab_size() == vocab == len(tokenizer.token_bytes)
    for seed in range(5):
        text = prose(seed, 200)
        assert tokenizer.encode([text.encode()])[0].tolist() == alone.encode(text).ids


def test_char_numbers_what_it_saw_and_spells_the_rest(place: Path):
    tokenizer = Char()
    tokenizer.fit(Files(str(place)))
    seen = sorted(set(Files(str(place)).split("train").tobytes().decode()))
    assert tokenizer.vocab_size == 256 + len(seen) == len(tokenizer.token_bytes)
    assert tokenizer.encode(["東Ω1".encode()])[0].tolist() == [
        256 + seen.index("東"),
        0xCE,
        0xA9,
        256 + seen.index("1"),
    ]


def test_only_the_train_split_is_learned_from(tmp_path: Path):
    text = prose().encode()
    changed = text[: len(text) * 9 // 10] + "Ωμέγα ".encode() * 40
    for name, data in (("one.txt", text), ("other.txt", changed + b"." * (len(text) - len(changed)))):
        (tmp_path / name).write_bytes(data)
    one, other = (Files(str(tmp_path / name)) for name in ("one.txt", "other.txt"))
    assert one.split_digest("train") == other.split_digest("train")
    assert one.split_digest("test") != other.split_digest("test")
    for tokenizer in (Byte(), Char(), Bpe(300)):
        tokenizer.fit(one)
        first = tokenizer.digest
        tokenizer.fit(other)
        assert tokenizer.digest == first


def test_digests_tell_tokenizers_apart(fitted: list[Tokenizer]):
    assert len({tokenizer.digest for tokenizer in fitted}) == len(fitted)


def test_tokens_are_shown_with_nothing_hidden(fitted: list[Tokenizer]):
    char = fitted[1]
    ids = char.encode(["x \n\t\x1b\x85é東".encode()])[0]
    assert "".join(char.shown(ids)) == "x␣↵⇥\\x1b��é東"  # U+0085 was not in the train split: two bytes
    assert Byte().shown([0xE6, 0x0D, 0x41]) == ["�", "\\x0d", "A"]


def test_pickles_are_small_and_tell_the_same(fitted: list[Tokenizer]):
    text = prose(9).encode()
    for tokenizer in fitted:
        before = len(pickle.dumps(tokenizer))
        ids = tokenizer.encode([text])[0]
        again = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
        assert len(pickle.dumps(tokenizer)) == before  # the words met are left behind
        assert again.encode([text])[0].tolist() == ids.tolist()
        assert again.digest == tokenizer.digest


@pytest.mark.parametrize("vocab", [0, 256, 65537])
def test_a_vocabulary_out_of_range_is_refused(vocab: int):
    with pytest.raises(ValueError, match=f"257 to 65536 tokens, got {vocab}"):
        Bpe(vocab)


def test_a_small_text_may_have_fewer_tokens_than_asked_for(tmp_path: Path):
    (tmp_path / "small.txt").write_text("a small text")
    tokenizer = Bpe(9000)
    tokenizer.fit(Files(str(tmp_path)))
    assert tokenizer.vocab_size == 9000 > len(tokenizer.token_bytes)
    assert tokenizer.decode(tokenizer.encode([b"a small test"])[0]) == b"a small test"


@pytest.mark.parametrize("vocab", [257, 8191, 8192, 8193, 65536])
def test_every_size_works_and_begins_as_the_others(fitted: list[Tokenizer], place: Path, vocab: int):
    tokenizer = Bpe(vocab)
    tokenizer.fit(Files(str(place)))
    text = prose(3, 300).encode()
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text
    assert tokenizer.token_bytes[:400] == fitted[-1].token_bytes[: min(vocab, 400)]
    assert len(set(tokenizer.token_bytes)) == len(tokenizer.token_bytes) <= vocab


def test_text_must_be_utf8_and_the_tokenizer_fitted(fitted: list[Tokenizer]):
    for tokenizer in fitted[1:]:
        with pytest.raises(ValueError, match=r"not UTF-8.* at byte 3"):
            tokenizer.encode([b"abc\xff"])
    for tokenizer in (Char(), Bpe(300)):
        with pytest.raises(RuntimeError, match="fit"):
            tokenizer.encode([b"abc"])


def test_bytes_per_token_counts_the_whole_text(fitted: list[Tokenizer], place: Path):
    text = (prose(1, 30_000) + "\n").encode()
    for tokenizer in fitted:
        kappa = len(text) / len(tokenizer.encode([text])[0])
        assert tokenizer.bytes_per_token(text) == tokenizer.bytes_per_token(np.frombuffer(text, np.uint8)) == kappa
    with pytest.raises(ValueError, match="empty"):
        Byte().bytes_per_token(b"")


DIGESTS = {  # of ten thousand words of `prose`, on any machine
    "bpe-512": "f7bf5b00fb022bf65b3a0921eb98385739518583aae59f3574a75bcdce84c8d0",
    "char": "313ff44043225de79b138a330e0fd9ef042715f62a7459b13b03398760806b53",
}


@pytest.mark.parametrize("hash_seed", ["0", "1", "77"])
def test_the_same_text_gives_the_same_tokenizer_everywhere(tmp_path: Path, hash_seed: str):
    (tmp_path / "text.txt").write_text(prose(0, 10_000), encoding="utf-8")
    code = f"""
from tasks.files import Files
from tasks.tokenizers import Bpe, Char
for tokenizer in (Bpe(512), Char()):
    tokenizer.fit(Files({str(tmp_path / "text.txt")!r}))
    print(tokenizer.digest)"""
    threads = {"TOKENIZERS_PARALLELISM": "true" if hash_seed != "0" else "false", "RAYON_NUM_THREADS": "4"}
    environment = {**os.environ, **threads, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(DIGESTS.values())


def test_the_bpe_pattern_names_its_vocabulary():
    pattern = yaml.safe_load((CONFIGS / "bpe-N.yaml").read_text())["pattern"]
    match = re.fullmatch(pattern, "bpe-512")
    assert match is not None
    assert match.groupdict() == {"vocab": "512"}
    assert re.fullmatch(pattern, "bpe-x") is None
