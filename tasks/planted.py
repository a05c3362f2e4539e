"""Planted words in real text."""

import re
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import SPLITS, Batch, Split, Task, TaskSpec
from tasks.corpora import Corpus
from tasks.draws import Draws
from tasks.tokenizers import Ids, Tokenizer

VALUES = ("bar", "car", "far", "jar", "mar", "par", "tar", "war")
LETTERS = np.array([list(value.encode()) for value in VALUES], np.uint8)
TRIES = 1000


class Planted(Task):
    """Name the word that a cue announced, `lag` bytes later, with real text in between.

    The text comes from the corpus' own split, at a random place, begins and ends on whole characters and never holds
    the cue itself. The lag runs from the first byte of the word to the end of the text, where the answer would begin:
    it is in bytes whatever the tokenizer; `lag_tokens` counts the same distance in tokens. Scored by the word's first
    token, as one of eight. lag=21

        word=car
        to be or no
        word=

    Raises ValueError where a tokenizer does not keep the words apart.
    """

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, cue: str = "word") -> None:
        super().__init__()
        if not cue or set("=\r\n") & set(cue):
            raise ValueError(f"a cue is a word without '=' or a line break, got {cue!r}")
        tokenizer.fit(corpus)
        self.corpus, self.tokenizer, self.cue = corpus, tokenizer, cue
        self.asked = f"{cue}=".encode()
        self.first_tokens, self.n_cue_tokens = _first_tokens(tokenizer, self.asked)
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=tokenizer.vocab_size,
            n_outputs=len(VALUES),
            metric="accuracy",
            chance=1 / len(VALUES),
            baseline=1 / len(VALUES),
            lag_unit="bytes",
            min_lag=LETTERS.shape[1] + 2 + len(self.asked),
        )
        self._fillers: dict[str, Fillers] = {}

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, L) of as many tokens as the text has, the last of them the question's."""
        values = draws.below(len(VALUES), 1)  # before the filler, which takes as many calls as it needs
        texts = self.texts(values[:, 0], self.filler(draws, lag - self.spec.min_lag, split))
        rows = self.tokenizer.encode([text.tobytes() for text in texts])
        lengths = np.array([len(row) for row in rows], np.int64)
        inputs = np.zeros((draws.n, lengths.max(initial=0)), np.int64)
        for row, ids in zip(inputs, rows, strict=True):
            row[: len(ids)] = ids
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(lengths[:, None] - 1),
            torch.from_numpy(values),
            torch.from_numpy(lengths - self.n_cue_tokens),
        )

    def filler(self, draws: Draws, length: int, split: Split) -> NDArray[np.uint8]:
        """Random pieces of a split, bytes (n, length)."""
        if split not in self._fillers:
            self._fillers[split] = Fillers(self.corpus.split(split), self.asked, split)
        return self._fillers[split].draw(draws, length)

    def texts(self, values: Ids, filler: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The texts as bytes, from the values' numbers (n,) and the filler (n, F)."""
        n = len(values)
        asked, line = np.frombuffer(self.asked, np.uint8), np.frombuffer(b"\n", np.uint8)
        parts = (asked, LETTERS[values], line, filler, line, asked)
        return np.concatenate([np.broadcast_to(part, (n, part.shape[-1])) for part in parts], axis=1)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The value whose first token stands behind the first cue."""
        told = inputs[:, self.n_cue_tokens, None] == torch.tensor(self.first_tokens)  # (B, values)
        return told.long().argmax(1, keepdim=True)

    def written(self, row: Tensor) -> list[str]:
        """Each token's text, blanks made visible."""
        texts = [self.tokenizer.decode([token]).decode(errors="replace") for token in row.tolist()]
        return [text.translate({ord(" "): "␣", ord("\n"): "↵", ord("\t"): "⇥"}) for text in texts]

    def answered(self, targets: Tensor) -> list[str]:
        """The words."""
        return [VALUES[target] for target in targets.tolist()]

    @property
    def bytes_per_token(self) -> float:
        """κ: bytes per token on the test split."""
        return self._kappa

    @cached_property
    def _kappa(self) -> float:
        return self.tokenizer.bytes_per_token(self.corpus.split("test"))

    @property
    def tokenizer_digest(self) -> str:
        """The sha256 of what defines the ids."""
        return self.tokenizer.digest

    @property
    def split_digests(self) -> dict[str, str]:
        """The sha256 of each split's text."""
        return {split: self.corpus.split_digest(split) for split in SPLITS}


class Fillers:
    """Pieces of one text, drawn uniformly from those that are whole characters and do not hold `banned`."""

    def __init__(self, text: bytes, banned: bytes, name: str) -> None:
        self.name, self.banned, self.size = name, banned, len(text)
        self.bytes = np.frombuffer(text + b"\n", np.uint8)  # the end counts as the start of a character
        found = [match.start() for match in re.finditer(re.escape(banned), text)]
        self.found = np.array([*found, 2 * len(text) + len(banned)], np.int64)  # the last one is never reached

    def draw(self, draws: Draws, length: int) -> NDArray[np.uint8]:
        """Bytes (n, length). Raises ValueError where the text holds no such piece."""
        if length > self.size:
            raise ValueError(f"the {self.name} split has {self.size} bytes, too few for a filler of {length}")
        start = np.zeros((draws.n, 1), np.int64)
        bad = np.ones((draws.n, 1), bool)
        for _ in range(TRIES):
            start = np.where(bad, draws.below(self.size - length + 1, 1), start)
            bad = ~self.fits(start, length)
            if not bad.any():
                return np.lib.stride_tricks.sliding_window_view(self.bytes, length)[start[:, 0]]
        raise ValueError(
            f"{TRIES} draws found no {length} bytes of the {self.name} split without {self.banned.decode()!r}"
        )

    def fits(self, start: Ids, length: int) -> NDArray[np.bool_]:
        """Whether the bytes from `start` on are whole characters without the banned ones."""
        whole = (self.bytes[start] & 0xC0 != 0x80) & (self.bytes[start + length] & 0xC0 != 0x80)
        return whole & (self.found[np.searchsorted(self.found, start)] + len(self.banned) > start + length)


def _first_tokens(tokenizer: Tokenizer, asked: bytes) -> tuple[list[int], int]:
    """The first token of each value after the cue, and how many tokens the cue takes.

    Raises ValueError unless the cue's tokens are the same before every value and the values' first tokens differ,
    both where the value is told and where it is asked for.
    """
    firsts: list[int] = []
    length = 0
    for before, after in ((b"\n" + asked, b""), (asked, b"\n")):
        cue, *told = (
            ids.tolist() for ids in tokenizer.encode([before, *(before + v.encode() + after for v in VALUES)])
        )
        length = len(cue)
        merged = [value for value, ids in zip(VALUES, told, strict=True) if ids[:length] != cue]
        if merged:
            raise ValueError(f"this tokenizer joins {before.decode()!r} to {', '.join(merged)}: choose another cue")
        firsts = [ids[length] for ids in told]
        same = [value for value, first in zip(VALUES, firsts, strict=True) if firsts.count(first) > 1]
        if same:
            raise ValueError(f"this tokenizer begins {', '.join(same)} with the same token")
    return firsts, length
