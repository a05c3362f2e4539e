"""Tokenizers from a file: real ones, made with the library, give every text back or are refused with the reason."""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers as library
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

from tasks.files import Files
from tasks.tokenizer_file import TokenizerFile

CONFIGS = Path(__file__).parents[2] / "configs" / "tokenizers"
TEXT = "The house's roof (1989) isn't 東京;\n\n\tgrüßt  naïve “quotes” " * 40
SPLIT = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = "<|endoftext|>"
BYTES = [f"<0x{value:02X}>" for value in range(256)]
MIXED = st.lists(
    st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\n'st09é\u00a0\u2003東“")) | st.sampled_from([SPECIAL])
).map("".join)


def made(model: Any, trainer: Any = None, pre: Any = None, normal: Any = None) -> library.Tokenizer:
    tokenizer: Any = library.Tokenizer(model)
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if normal is not None:
        tokenizer.normalizer = normal
    if trainer is not None:
        tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


def byte_level(pre: Any = None, normal: Any = None) -> library.Tokenizer:
    trainer = trainers.BpeTrainer(  # pyright: ignore[reportCallIssue]
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[SPECIAL],
        show_progress=False,
    )
    pre = pre if pre is not None else pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made(models.BPE(), trainer, pre, normal)


def unigram(scheme: str = "never", unknown: bool = False) -> library.Tokenizer:
    pieces = [("<unk>", 0.0), *((token, -9.0) for token in BYTES * (not unknown)), ("▁", -3.0), ("▁the", -2.0)]
    pieces += [(char, -5.0) for char in "abcdefghijklmnopqrstuvwxyzTé東\n"]
    model = models.Unigram(pieces, 0, not unknown)
    tokenizer = made(model, pre=pre_tokenizers.Metaspace(prepend_scheme=scheme))
    tokenizer.add_special_tokens([SPECIAL])
    return tokenizer


def gemma() -> library.Tokenizer:
    """Spaces replaced, words joined, characters that are no token spelled in bytes."""
    vocab = {
        token: index for index, token in enumerate(["<unk>", *BYTES, "▁", "t", "h", "e", "th", "the", "▁the", "▁▁"])
    }
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("▁", "▁")]
    model = models.BPE(vocab, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    tokenizer = made(model, normal=normalizers.Replace(" ", "▁"))
    tokenizer.add_tokens([library.AddedToken("▁▁", normalized=False)])
    tokenizer.add_special_tokens([library.AddedToken(SPECIAL, lstrip=True, rstrip=True)])
    return tokenizer


EXACT = {
    "gpt2": byte_level,
    "llama3": lambda: byte_level(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(SPLIT), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    ),
    "byte-level normalizer": lambda: byte_level(pre_tokenizers.Digits(), normalizers.ByteLevel()),
    "unigram": unigram,
    "gemma": gemma,
}
REFUSED = {
    "lower case": (lambda: byte_level(normal=normalizers.Lowercase()), "normalizer Lowercase makes 'the h"),
    "NFC": (
        lambda: byte_level(normal=normalizers.Sequence([normalizers.Replace("q", "q"), normalizers.NFC()])),
        r"normalizer NFC makes '\\xe9, zu' of 'e\\u0301, zu' after 'Ein Caf'",
    ),
    "NFKC": (lambda: byte_level(normal=normalizers.NFKC()), "normalizer NFKC"),
    "strip": (lambda: byte_level(normal=normalizers.Strip()), "normalizer Strip"),
    "prepend": (lambda: byte_level(normal=normalizers.Prepend("x")), "normalizer Prepend makes 'xThe"),
    "prefix space": (lambda: byte_level(pre_tokenizers.ByteLevel()), "pre-tokenizer ByteLevel makes ' The"),
    "metaspace": (lambda: unigram("always"), "pre-tokenizer Metaspace makes ' the"),
    "unknown": (lambda: unigram(unknown=True), r"model Unigram makes '<unk>' of '\\u03a9' after 'the '"),
    "word piece": (
        lambda: made(
            models.WordPiece({"[UNK]": 0, "the": 1}, unk_token="[UNK]"),
            pre=pre_tokenizers.BertPreTokenizer(),
            normal=normalizers.BertNormalizer(),
        ),
        "normalizer BertNormalizer",
    ),
    "white space": (
        lambda: made(models.WordLevel({"the": 0}, unk_token="the"), pre=pre_tokenizers.Whitespace()),
        "pre-tokenizer Whitespace",
    ),
}


def saved(tokenizer: library.Tokenizer, folder: Path, **changes: Any) -> str:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(tokenizer.to_str()) | changes))
    return str(path)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TokenizerFile]:
    return {name: TokenizerFile(saved(make(), tmp_path_factory.mktemp("t"))) for name, make in EXACT.items()}


@pytest.mark.parametrize("name", EXACT)
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(MIXED, max_size=3))
@example(texts=[f" a {SPECIAL}  b\n\n", "\U0010ffff\x00 \ue000", "", TEXT])
@example(texts=["the   the    the e\u0301 é ﬁ  "])
def test_every_text_comes_back_exactly(exact: dict[str, TokenizerFile], name: str, texts: list[str]):
    tokenizer = exact[name]
    data = [text.replace("▁", "_").encode() for text in texts]
    for text, ids in zip(data, tokenizer.encode(data), strict=True):
        assert tokenizer.decode(ids) == text
        assert all(0 <= index < tokenizer.vocab_size for index in ids)
        assert [text[low:high] for low, high in tokenizer.spans(ids)] == [tokenizer.token_bytes[i] for i in ids]
        assert tokenizer.lengths[ids].sum() == len(text)


@pytest.mark.parametrize("name", EXACT)
def test_ids_are_the_librarys_own(exact: dict[str, TokenizerFile], name: str):
    alone = EXACT[name]()
    text = f"the {SPECIAL}end: {TEXT}" if name != "gemma" else TEXT  # there the library lets it swallow spaces
    assert exact[name].encode([text.encode()])[0].tolist() == alone.encode(text, add_special_tokens=False).ids
    assert exact[name].vocab_size == alone.get_vocab_size() == len(exact[name].token_bytes)


@pytest.mark.parametrize("name", REFUSED)
def test_a_tokenizer_that_changes_text_is_refused_at_its_first_change(tmp_path: Path, name: str):
    make, words = REFUSED[name]
    texts = {"metaspace": "the end", "unknown": "the Ω", "NFC": "Ein Cafe\u0301, zu", "NFKC": "a ﬁne line"}
    tokenizer = TokenizerFile(saved(make(), tmp_path))
    with pytest.raises(ValueError, match=f"tokenizer.json does not give text back: its {words}"):
        tokenizer.encode([b"", texts.get(name, "The house\n").encode()])


def test_it_is_tried_on_the_train_split_before_work_starts(tmp_path: Path):
    (tmp_path / "text.txt").write_text("a plain line\n" * 3000 + "a Line\n" + "a plain line\n" * 9000)
    tokenizer = TokenizerFile(saved(byte_level(normal=normalizers.Lowercase()), tmp_path))
    with pytest.raises(ValueError, match=r"Lowercase makes 'line\\n.*' of 'Line\\n.*' after '.*line\\na '"):
        tokenizer.fit(Files(str(tmp_path / "text.txt")))


def test_a_character_that_stands_for_a_space_is_refused_in_a_text(exact: dict[str, TokenizerFile]):
    with pytest.raises(ValueError, match=r"pre-tokenizer Metaspace makes ' b' of '\\u2581b' after 'a'"):
        exact["unigram"].encode(["a▁b".encode()])
    with pytest.raises(ValueError, match=r"not UTF-8.* at byte 1"):
        exact["unigram"].encode([b"a\xff"])


def test_nothing_is_truncated_padded_or_added(tmp_path: Path, exact: dict[str, TokenizerFile]):
    alone = byte_level()
    alone.enable_truncation(4)
    alone.enable_padding(length=9000)
    tokenizer = TokenizerFile(saved(alone, tmp_path))
    assert np.array_equal(tokenizer.encode([TEXT.encode()])[0], exact["gpt2"].encode([TEXT.encode()])[0])


def test_it_is_its_content_wherever_it_lies(tmp_path: Path, exact: dict[str, TokenizerFile]):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
    one, other = (TokenizerFile(saved(byte_level(), place)) for place in places)
    assert one.digest == other.digest
    assert TokenizerFile.source(one.path) == TokenizerFile.source(other.path)
    assert len({tokenizer.digest for tokenizer in exact.values()}) == len(exact)
    again = pickle.loads(pickle.dumps(one))  # noqa: S301
    assert again.digest == one.digest
    assert again.encode([b"the house"])[0].tolist() == one.encode([b"the house"])[0].tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[]", "names no model"),
        ('{"model": {"type": "Guess"}}', "not a tokenizer.json of the tokenizers library: "),
    ],
)
def test_what_is_no_tokenizer_is_refused_in_a_line(tmp_path: Path, content: str | bytes | None, words: str):
    path = tmp_path / "t.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"t.json: .*{words}") as caught:
        TokenizerFile(str(path))
    assert "\n" not in str(caught.value)


def test_merges_dropped_at_random_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"dropped at random \(dropout 0.1\)"):
        TokenizerFile(saved(made(models.BPE({"a": 0}, [], dropout=0.1)), tmp_path))


def test_the_pattern_names_the_path():
    pattern = yaml.safe_load((CONFIGS / "file.yaml").read_text())["pattern"]
    match = re.fullmatch(pattern, "file:my/tokenizer.json")
    assert match is not None
    assert match.groupdict() == {"path": "my/tokenizer.json"}
