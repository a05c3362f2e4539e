"""Tokenizers: bytes to ids and back, every token a known span of bytes."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import tokenizers as library
from numpy.typing import NDArray

from tasks import bpe
from tasks.corpora import Corpus
from tasks.pieces import Text, pieces

N_POINTS = 0x110000  # Unicode's code points
N_WORDS = 2**17  # words whose ids are kept
BLANKS = {ord(" "): "␣", ord("\n"): "↵", ord("\t"): "⇥"}
Ids = NDArray[np.int64]
T = TypeVar("T")

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a process has one core, and forks must not inherit threads


class Tokenizer(ABC):
    """Text as ids that decode to its exact bytes. `fit` comes first; ids lie in [0, vocab_size)."""

    vocab_size: int

    def fit(self, corpus: Corpus) -> None:
        """Learn from the train split, and from nothing else."""
        for derived in ("token_bytes", "digest", "lengths"):
            vars(self).pop(derived, None)
        self._learn(corpus)

    @abstractmethod
    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        """The ids (n,) of each text. Raises ValueError where a text is not UTF-8 and the tokenizer needs it to be."""

    def decode(self, ids: Iterable[int] | Ids) -> bytes:
        """The bytes of ids (n,)."""
        return b"".join(map(self.token_bytes.__getitem__, ids.tolist() if isinstance(ids, np.ndarray) else ids))

    def spans(self, ids: Ids) -> Ids:
        """Where each token begins and ends in the text: byte offsets (n, 2)."""
        ends = np.cumsum(self.lengths[ids])
        return np.stack([ends - self.lengths[ids], ends], axis=1)

    def shown(self, ids: Iterable[int] | Ids) -> list[str]:
        """Each token's text for people: blanks visible, control characters spelled out, parts of characters as �."""
        texts = (self.token_bytes[index].decode(errors="replace").translate(BLANKS) for index in ids)
        return ["".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text) for text in texts]

    def bytes_per_token(self, text: Text) -> float:
        """The mean length of a token of `text`, in bytes. Raises ValueError where the text is empty."""
        if not len(text):
            raise ValueError("an empty text has no tokens to measure")
        return len(text) / sum(len(self.encode([piece])[0]) for piece in pieces(text))

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes of each id; shorter than `vocab_size` where the train split had no more tokens to offer."""
        return self._spell()

    @cached_property
    def digest(self) -> str:
        """The sha256 of all that defines the ids."""
        return sha256(self._identity()).hexdigest()

    @cached_property
    def lengths(self) -> Ids:
        """The bytes that each id has, (V,): as many ids as `token_bytes`."""
        return np.array([len(token) for token in self.token_bytes], np.int64)

    @abstractmethod
    def _learn(self, corpus: Corpus) -> None: ...

    @abstractmethod
    def _spell(self) -> list[bytes]: ...

    @abstractmethod
    def _identity(self) -> bytes: ...


class Byte(Tokenizer):
    """Every byte is a token, its value the id. Nothing is learned, and any bytes will do."""

    def __init__(self) -> None:
        self.vocab_size = 256

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        """The bytes as they are."""
        return [np.frombuffer(text, np.uint8).astype(np.int64) for text in texts]

    def _learn(self, corpus: Corpus) -> None:
        pass

    def _spell(self) -> list[bytes]:
        return [bytes([value]) for value in range(256)]

    def _identity(self) -> bytes:
        return b"byte"


class Char(Tokenizer):
    """Every code point of the train split is a token; others are spelled in their UTF-8 bytes (ids 0 … 255)."""

    def __init__(self) -> None:
        self._ids: Ids | None = None  # of every code point there is, −1 for those not seen

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        """Raises ValueError for a text that is not UTF-8."""
        return [self._encode(_points(text)) for text in texts]

    def _encode(self, points: NDArray[np.uint32]) -> Ids:
        ids = _fitted(self._ids)[points]
        unseen = np.flatnonzero(ids < 0)
        if not len(unseen):
            return ids
        spelled = (np.frombuffer(chr(point).encode(), np.uint8).astype(np.int64) for point in points[unseen].tolist())
        first, *rest = np.split(ids, unseen)  # each of the rest begins at an unseen one
        parts = ((spelling, run[1:]) for spelling, run in zip(spelled, rest, strict=True))
        return np.concatenate([first, *chain.from_iterable(parts)])

    def _learn(self, corpus: Corpus) -> None:
        seen = np.zeros(N_POINTS, bool)
        for piece in pieces(corpus.split("train")):
            seen[_points(piece)] = True
        self._ids = np.where(seen, 255 + np.cumsum(seen), -1)
        self.vocab_size = 256 + int(seen.sum())

    def _spell(self) -> list[bytes]:
        points = np.flatnonzero(_fitted(self._ids) >= 0).tolist()
        return [bytes([value]) for value in range(256)] + [chr(point).encode() for point in points]

    def _identity(self) -> bytes:
        return b"char" + b"".join(self.token_bytes)


class Bpe(Tokenizer):
    """Byte-pair encoding of bytes within GPT-2's words (Sennrich 2016, Radford 2019): `vocab` tokens, 256 of them
    bytes.

    Merges are learned in order of frequency, so a small vocabulary is the beginning of a large one: one training on
    the train split serves all sizes up to 8192, another the rest. Both are cached under that split's digest.
    """

    def __init__(self, vocab: int) -> None:
        if not 257 <= vocab <= bpe.SIZES[-1]:
            raise ValueError(f"a BPE vocabulary has 257 to {bpe.SIZES[-1]} tokens, got {vocab}")
        self.vocab_size = vocab
        self._model: library.Tokenizer | None = None
        self._words: dict[str, tuple[int, ...]] = {}  # the ids of words met before

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_words": {}}

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        """Raises ValueError for a text that is not UTF-8."""
        if len(self._words) > N_WORDS:
            self._words.clear()
        split = [bpe.words(decoded(text)) for text in texts]
        new = list(set(chain.from_iterable(split)).difference(self._words))
        encodings = _fitted(self._model).encode_batch_fast(new, add_special_tokens=False)
        self._words.update((word, tuple(encoding.ids)) for word, encoding in zip(new, encodings, strict=True))
        ids = (chain.from_iterable(map(self._words.__getitem__, words)) for words in split)
        return [np.fromiter(text, np.int64) for text in ids]

    def _learn(self, corpus: Corpus) -> None:
        self._model = bpe.learn(corpus, self.vocab_size)
        self._words = {}

    def _spell(self) -> list[bytes]:
        return bpe.spelling(_fitted(self._model))

    def _identity(self) -> bytes:
        return bpe.identity(_fitted(self._model))


def decoded(text: bytes) -> str:
    """The text of UTF-8. Raises ValueError saying where it is none."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the text is not UTF-8: {error.reason} at byte {error.start}") from None


def _points(text: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(decoded(text).encode("utf-32-le"), "<u4")


def _fitted(learned: T | None) -> T:
    if learned is None:
        raise RuntimeError("call fit(corpus) before using a tokenizer")
    return learned
