"""The parts of byte-pair encoding: words, the merges learned in them, and the cache that keeps merges."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import tokenizers as library
from tokenizers import models, pre_tokenizers, trainers

from tasks.corpora import Corpus
from tasks.pieces import pieces
from tasks.store import built, cache_dir

ALGORITHM = 2  # raised by any change to training or encoding
SIZES = (8192, 65536)  # the vocabularies that are trained; others are cut from them
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
ASCII_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII)
NAME = "tokenizer.json"
State = dict[str, Any]  # a tokenizer.json


class Classes(dict[int, str]):
    """For any code point an ASCII character of its class (letter, number, space or other), as `GPT2` sees it."""

    def __missing__(self, point: int) -> str:
        char = chr(point)
        alike = (like for like in "a1!" if len(GPT2.pre_tokenize_str(like + char)) == 1)
        self[point] = char if point < 128 else next(alike, "\t")
        return self[point]


CLASSES = Classes()


def words(text: str) -> list[str]:
    """The words of GPT-2's pattern, which joined give the text: those the tokenizers library finds, but faster."""
    if text.isascii():
        return ASCII_WORD.findall(text)
    ends = accumulate(map(len, ASCII_WORD.findall(text.translate(CLASSES))), initial=0)
    return [text[low:high] for low, high in pairwise(ends)]


def learn(corpus: Corpus, vocab: int) -> library.Tokenizer:
    """A BPE of `vocab` tokens that takes any text for a single word, from the cache or trained on the train split."""
    size = next(size for size in SIZES if size >= vocab)
    key = json.dumps([corpus.split_digest("train"), size, ALGORITHM, library.__version__])
    folder = cache_dir() / "tokenizers" / f"bpe-{size}-{sha256(key.encode()).hexdigest()[:32]}"
    built(folder, lambda into: _train(corpus, size, into / NAME), sound=lambda folder: _load(folder / NAME) is not None)
    return library.Tokenizer.from_str(json.dumps(_shorten(json.loads((folder / NAME).read_bytes()), vocab)))


def spelling(model: library.Tokenizer) -> list[bytes]:
    """The bytes of each id."""
    vocabulary = model.get_vocab()
    return [bytes(ALPHABET[char] for char in token) for token in sorted(vocabulary, key=vocabulary.__getitem__)]


def identity(model: library.Tokenizer) -> bytes:
    """The vocabulary and the merges, in their order."""
    state = json.loads(model.to_str())["model"]
    return json.dumps([ALGORITHM, sorted(state["vocab"].items()), state["merges"]]).encode()


def _alphabet() -> Iterator[tuple[str, int]]:
    """GPT-2's letter for each byte: printable Latin-1 stands for itself, the rest take U+0100 onwards."""
    other = 256
    for value in range(256):
        if value in range(33, 127) or (value in range(161, 256) and value != 173):
            yield chr(value), value
        else:
            yield chr(other), value
            other += 1


ALPHABET = dict(_alphabet())


def _train(corpus: Corpus, size: int, path: Path) -> None:
    """The words of the whole train split, counted in pieces: what is learned depends on its bytes alone."""
    model = library.Tokenizer(models.BPE())
    model.pre_tokenizer = GPT2  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=GPT2.alphabet(), special_tokens=[], show_progress=False
    )
    model.train_from_iterator((piece.decode() for piece in pieces(corpus.split("train"))), trainer)
    path.write_text(model.to_str(), encoding="utf-8")


def _shorten(state: State, vocab: int) -> State:
    """The tokenizer as if training had stopped at `vocab` tokens, and without the splitting into words."""
    ids, merges = state["model"]["vocab"], state["model"]["merges"]
    stops = (n for n, (left, right) in enumerate(merges, 1) if ids[left + right] == vocab - 1)
    short = {token: index for token, index in ids.items() if index < vocab}
    model = {**state["model"], "vocab": short, "merges": merges[: next(stops, len(merges))]}
    return {**state, "model": model, "pre_tokenizer": {**state["pre_tokenizer"], "use_regex": False}}


def _load(path: Path) -> State | None:
    """The cached tokenizer.json, or None where there is none or it was cut short."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
