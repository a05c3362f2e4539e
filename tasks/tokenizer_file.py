"""Tokenizers that come as a tokenizer.json."""

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers as library
from tokenizers import models

from tasks import bpe
from tasks.corpora import Corpus
from tasks.tokenizers import Ids, Tokenizer, decoded

SAMPLES, SAMPLE = 16, 2**14  # places in the train split, and bytes there, that are tried before work starts
SHOWN = 16  # bytes of a text where it differs
BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
State = dict[str, Any]  # a tokenizer.json


class TokenizerFile(Tokenizer):
    """Any tokenizer of the tokenizers library that gives text back exactly, from its tokenizer.json.

    Byte-level alphabets, and `▁` for a space with byte fallback, are read as bytes; added tokens, special ones too,
    stand for their own text. Nothing is learned, truncated, padded or put before a text. A tokenizer that changes text
    (lower case, normal forms, unknown tokens …) is refused where it first does.

    Raises ValueError where the file is missing or no tokenizer.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        data = _read(path)
        self._state, self._content = _parsed(path, data), sha256(data).digest()
        self._model = _loaded(path, self._state)
        self.vocab_size = 1 + max(self._model.get_vocab(with_added_tokens=True).values(), default=-1)
        if not self.vocab_size:
            raise ValueError(f"{path} has no tokens")

    @staticmethod
    def source(path: str) -> str:
        """The sha256 of the file, which is what the tokenizer is, wherever the file lies."""
        return sha256(_read(path)).hexdigest()

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        """Raises ValueError for a text that is not UTF-8, and for one that its ids would not give back."""
        encodings = self._model.encode_batch_fast([decoded(text) for text in texts], add_special_tokens=False)
        rows = [np.array(encoding.ids, np.int64) for encoding in encodings]
        for text, row in zip(texts, rows, strict=True):
            if (back := self.decode(row)) != text:
                raise ValueError(self._difference(text, back))
        return rows

    def _learn(self, corpus: Corpus) -> None:
        text = corpus.split("train")
        starts = range(0, len(text), max(SAMPLE, len(text) // SAMPLES))
        samples = (text[start : start + SAMPLE].tobytes() for start in starts)
        self.encode([sample.decode(errors="ignore").encode() for sample in samples])

    def _spell(self) -> list[bytes]:
        types = {step["type"] for step in _steps(self._state)}
        spaces, known = [_space(step) for step in _steps(self._state)], [b""] * self.vocab_size
        for token, index in self._model.get_vocab(with_added_tokens=False).items():
            known[index] = self._bytes_of(token, "ByteLevel" in types, [space for space in spaces if space])
        for added in self._state.get("added_tokens", []):
            if added["special"] or not known[added["id"]]:
                known[added["id"]] = added["content"].encode()
        return known

    def _bytes_of(self, token: str, byte_level: bool, spaces: list[str]) -> bytes:
        if byte_level and not set(token) - bpe.ALPHABET.keys():
            return bytes(bpe.ALPHABET[char] for char in token)
        if self._state["model"].get("byte_fallback") and (found := BYTE_TOKEN.fullmatch(token)):
            return bytes.fromhex(found[1])
        for space in spaces:
            token = token.replace(space, " ")
        return token.encode()

    def _identity(self) -> bytes:
        return b"file" + self._content

    def _difference(self, text: bytes, back: bytes) -> str:
        """Which step changes `text`, and where."""
        pairs = enumerate(zip(text, back, strict=False))
        at = next((n for n, (one, other) in pairs if one != other), min(len(text), len(back)))
        while at and at < len(text) and text[at] & 0xC0 == 0x80:
            at -= 1
        before = text[max(0, at - SHOWN) : at].decode(errors="ignore")
        was, became = (each[at : at + SHOWN].decode(errors="replace") for each in (text, back))
        step = _culprit(self._state, text.decode())
        return f"{self.path} does not give text back: {step} makes {became!a} of {was!a} after {before!a}"


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: give the path of a tokenizer.json") from None


def _parsed(path: str, data: bytes) -> State:
    """The file with all that adds or takes away text turned off. Raises ValueError."""
    try:
        state = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
        raise ValueError(f"{path}: not a tokenizer.json of the tokenizers library: it names no model")
    if state["model"].get("dropout"):
        raise ValueError(f"{path}: its merges are dropped at random (dropout {state['model']['dropout']})")
    off = {"truncation": None, "padding": None, "post_processor": None, "decoder": None}
    added = [token | {"lstrip": False, "rstrip": False} for token in state.get("added_tokens") or []]
    return state | off | {"added_tokens": added}


def _loaded(path: str, state: State) -> library.Tokenizer:
    try:
        return library.Tokenizer.from_str(json.dumps(state))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{path}: not a tokenizer.json of the tokenizers library: {error}") from None


def _steps(state: State) -> Iterator[State]:
    """What is done to a text before the model sees it, sequences laid open."""
    for kind in ("normalizer", "pre_tokenizer"):
        yield from _laid_open(state.get(kind))


def _laid_open(step: State | None) -> Iterator[State]:
    if step is None:
        return iter(())
    if step["type"] != "Sequence":
        return iter([step])
    inner = step.get("normalizers") or step.get("pretokenizers") or []
    return chain.from_iterable(map(_laid_open, inner))


def _space(step: State) -> str | None:
    """What a step writes for a space."""
    if step["type"] == "Replace":
        return step["content"] if step["pattern"] == {"String": " "} else None
    return step["replacement"] if step["type"] == "Metaspace" else None


def _culprit(state: State, text: str) -> str:
    """The step that changes `text`, in words."""
    for kind in ("normalizer", "pre_tokenizer"):
        for step in _laid_open(state.get(kind)):
            if _after(kind, step, text) != text.encode():
                return f"its {kind.replace('_', '-')} {step['type']}"
    return f"its model {state['model'].get('type', '')}".rstrip()


def _after(kind: str, step: State, text: str) -> bytes:
    """What one step leaves of `text`."""
    alone = json.loads(library.Tokenizer(models.BPE()).to_str()) | {kind: step}
    tokenizer = library.Tokenizer.from_str(json.dumps(alone))
    if kind == "normalizer":
        left = tokenizer.normalizer.normalize_str(text)  # pyright: ignore[reportOptionalMemberAccess]
    else:
        words = tokenizer.pre_tokenizer.pre_tokenize_str(text)  # pyright: ignore[reportOptionalMemberAccess]
        left = "".join(word for word, _ in words)
    if step["type"] == "ByteLevel":
        return bytes(bpe.ALPHABET[char] for char in left)
    return left.replace(_space(step) or " ", " ").encode()
