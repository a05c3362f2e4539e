"""Planted words in real text."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, TaskSpec
from tasks.corpora import Corpus
from tasks.draws import Draws
from tasks.feeds import SPLITS
from tasks.fillers import Fillers
from tasks.text_task import TextTask
from tasks.tokenizers import Ids, Tokenizer

VALUES = ("bar", "car", "far", "jar", "mar", "par", "tar", "war")
CUES = ("door", "lamp", "fish", "milk", "coin", "salt", "bird", "bell")  # no two end alike
BLANK = "xxx"  # as long as a value
TOLD = len(BLANK) + 1  # bytes of a value and its line break
PAIRS, BEFORE = 1, 2  # name the streams of what is told and of what is put before it


class Planted(TextTask):
    """Name the word that a cue announced, `lag` bytes later, with real text in between.

    The text comes from the corpus' own split, at a random place, begins and ends on whole characters and never holds
    a cue with its "=". The lag runs from the first byte of the word to the end of the text, where the answer would
    begin: it is in bytes whatever the tokenizer; `lag_tokens` counts the same distance in tokens. Scored by the word's
    first token, as one of eight, each of which is the answer once in every eight examples. lag=21

        word=car
        to be or no
        word=

    `pairs` is the load, apart from the lag: so many cues announce a word each, all different, in random order, and the
    one asked for stands anywhere among them. Chance is naming any word told, 1/pairs, or from five pairs on ruling out
    the words told for other cues, 1/(9 − pairs). At one fixed lag the offset in bytes gives the word away: a learning
    span asks for reach, a retention span for the binding too. lag=30, pairs=3

        door=car
        word=tar
        lamp=bar
        to be or no
        word=

    `blank=True` is the control: each word told reads "xxx", so no model can do better than 1/8, whatever `pairs` is.

    Raises ValueError where a tokenizer does not keep the words apart.
    """

    def __init__(
        self, corpus: Corpus, tokenizer: Tokenizer, cue: str = "word", pairs: int = 1, blank: bool = False
    ) -> None:
        if not cue or set("=\r\n") & set(cue):
            raise ValueError(f"a cue is a word without '=' or a line break, got {cue!r}")
        if not 1 <= pairs < len(VALUES):
            raise ValueError(f"pairs must be from 1 to {len(VALUES) - 1}, got {pairs}")
        super().__init__(corpus, tokenizer)
        others = [other for other in CUES if not (other.endswith(cue) or cue.endswith(other))]  # all but one at least
        cues = [f"{each}=".encode() for each in (cue, *others[: pairs - 1])]
        told = [(BLANK if blank else value).encode() for value in VALUES]
        for each in cues:
            _check_apart(tokenizer, each, BLANK if blank else None)
        self.cues = cues
        self.lines = [[each + value + b"\n" for value in told] for each in cues]
        self.questions = [b"\n" + each for each in cues]
        self.widths = np.array([len(each) + TOLD for each in cues])  # bytes of the line that tells
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=tokenizer.vocab_size,
            n_outputs=len(VALUES),
            metric="accuracy",
            chance=1 / len(VALUES) if blank else max(1 / pairs if pairs > 1 else 0, 1 / (len(VALUES) + 1 - pairs)),
            baseline=1 / len(VALUES),
            lag_unit="bytes",
            min_lag=int(self.widths.sum()) + 1,  # the word in the first line, no filler
        )
        self._fillers: dict[str, Fillers] = {}

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, L) of as many tokens as the text has, the last of them the question's."""
        return self._draw(draws, lag, split, by=0)

    def shifted(self, seed: int, split: Split, lag: int, first: int, n: int, by: int) -> Batch:
        """The same texts with `by` bytes before them: a piece of the split and a line break."""
        return self._draw(Draws((seed, SPLITS.index(split), lag), first, n), lag, split, by)

    def _draw(self, draws: Draws, lag: int, split: Split, by: int) -> Batch:
        cues, values, place = self._pairs(draws)
        rows, widths = np.arange(draws.n), self.widths[cues]
        asked = widths[rows, place] - TOLD  # bytes of the question
        source = widths.cumsum(1)[rows, place] - TOLD  # the byte where the answer is told, `lag` before the end
        fillers = self.piece(draws, source + lag - self.spec.min_lag - asked, split)
        texts = self.texts(cues, values, place, fillers)
        if by:
            before = self.piece(Draws((*draws.key, BEFORE), draws.first, draws.n), np.full(draws.n, by - 1), split)
            texts = [b"\n".join(both) for both in zip(before, texts, strict=True)]
        ids = self.tokenizer.encode(texts)
        sizes = [len(row) for row in ids]
        inputs, lengths = np.zeros((draws.n, max(sizes, default=1)), np.int64), np.array(sizes, np.int64)
        for row, tokens in zip(inputs, ids, strict=True):
            row[: len(tokens)] = tokens
        head = self.tokenizer.lengths[inputs[:, : by + self.spec.min_lag]]  # no token is empty
        earlier = (head.cumsum(1) > by + source[:, None]).argmax(1)  # tokens
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(lengths[:, None] - 1),
            torch.from_numpy(values[rows, place, None]),
            torch.from_numpy(lengths - earlier),
        )

    def piece(self, draws: Draws, lengths: Ids, split: Split) -> list[bytes]:
        """Random pieces of a split, of `lengths` (n,) bytes."""
        if split not in self._fillers:
            self._fillers[split] = Fillers(self.corpus.split(split), self.cues, split)
        return self._fillers[split].draw(draws, lengths)

    def texts(self, cues: Ids, values: Ids, place: Ids, fillers: list[bytes]) -> list[bytes]:
        """Texts of a line for each pair (n, pairs), a filler, and the question for the cue at `place` (n,)."""
        lines, questions = self.lines, self.questions
        return [
            b"".join([*[lines[cue][value] for cue, value in zip(row, told, strict=True)], filler, questions[row[at]]])
            for row, told, at, filler in zip(cues.tolist(), values.tolist(), place.tolist(), fillers, strict=True)
        ]

    def _pairs(self, draws: Draws) -> tuple[Ids, Ids, Ids]:
        """The cues (n, pairs) and the values (n, pairs) of the lines, and the place (n,) of the one asked for.

        Drawn for whole runs of eight examples, which share out the answers.
        """
        run, pairs = len(VALUES), len(self.cues)
        skipped = draws.first % run
        n_runs = -(-(skipped + draws.n) // run)
        words = Draws((*draws.key, PAIRS), draws.first - skipped, run * n_runs).words(2 + pairs + run)
        answers = words[:, 0].reshape(n_runs, run).argsort(1).flatten()
        place = (words[:, 1] % pairs).astype(np.int64)
        cues = words[:, 2 : 2 + pairs].argsort(1)
        values = words[:, 2 + pairs :].argsort(1)[:, :pairs]
        values += (answers - values[np.arange(len(place)), place])[:, None]  # the answer at its place
        ours = slice(skipped, skipped + draws.n)
        return cues[ours], values[ours] % run, place[ours]

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The value of the first line that begins like the question."""
        ends = (positions[:, 0] + 1).tolist()
        texts = [self.tokenizer.decode(row[:end].numpy()) for row, end in zip(inputs, ends, strict=True)]
        return torch.tensor([[_read(text)] for text in texts])

    def answered(self, targets: Tensor) -> list[str]:
        """The words."""
        return [VALUES[target] for target in targets.tolist()]

    def longest_lag(self, split: Split) -> int:
        """A lag whose filler is a tenth of the split: longer ones would be the same few places again and again."""
        return self.spec.min_lag + self.corpus.n_bytes(split) // 10

    def n_bytes(self, lag: int) -> int:
        """Bytes of a text at `lag`, on average over the places of the line that is asked for."""
        return lag + round(float(self.widths.mean()) * (len(self.widths) + 1) / 2) - TOLD


def _read(text: bytes) -> int:
    *lines, question = text.split(b"\n")
    told = (line.removeprefix(question).decode(errors="replace") for line in lines if line.startswith(question))
    value = next(told, "")
    return VALUES.index(value) if value in VALUES else 0


def _check_apart(tokenizer: Tokenizer, cue: bytes, blank: str | None) -> None:
    """Raise ValueError unless the cue's tokens are the same before every value and the values' first tokens differ.

    Both where a value is told, in the first line or in a later one, and where it is asked for. What stands for all
    values where they are blank must only keep the cue's tokens.
    """
    for before, after in ((b"\n" + cue, b""), (b"\n" + cue, b"\n"), (cue, b"\n")):
        words = VALUES if blank is None or not after else (blank,)
        texts = [before, *(before + word.encode() + after for word in words)]
        alone, *rows = (ids.tolist() for ids in tokenizer.encode(texts))
        length = len(alone)
        merged = [word for word, ids in zip(words, rows, strict=True) if ids[:length] != alone]
        if merged:
            named = ", ".join(merged)
            raise ValueError(
                f"this tokenizer joins {cue.decode()!r} to {named}: choose another cue, or another tokenizer"
            )
        firsts = [ids[length] for ids in rows]
        same = [word for word, first in zip(words, firsts, strict=True) if firsts.count(first) > 1]
        if same:
            raise ValueError(f"after {cue.decode()!r} this tokenizer begins {', '.join(same)} with the same token")
