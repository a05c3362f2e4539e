"""Planted text: what is told, where, and what is left without it, read from the decoded bytes."""

from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chisquare

from tasks.base import Split
from tasks.corpora import Corpus
from tasks.feeds import SPLITS
from tasks.planted import CUES, VALUES, Planted
from tasks.tokenizers import Bpe, Byte, Char
from tests.tasks.checks import ALPHA
from tests.tasks.planted_texts import Told, prose, read, texts, tokens

TOKENIZERS = {"byte": Byte(), "char": Char(), "bpe-300": Bpe(300), "bpe-500": Bpe(500)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prose(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module", params=[(name, pairs) for name in TOKENIZERS for pairs in (1, 4)], ids=str)
def task(request: pytest.FixtureRequest, corpus: Corpus) -> Planted:
    name, pairs = request.param
    return Planted(corpus, TOKENIZERS[name], pairs=pairs)


@pytest.mark.parametrize("split", SPLITS)
def test_the_value_stands_exactly_lag_bytes_before_the_end(task: Planted, corpus: Corpus, split: Split):
    pairs, whole = len(task.cues), corpus.split(split).tobytes()
    cues = ["word", *CUES[: pairs - 1]]
    for lag in (task.spec.min_lag + more for more in (0, 1, 4, 23, 190)):
        batch = task.examples(3, split, lag, 5, 12)
        for ids, target, lag_tokens in zip(tokens(batch), batch.targets[:, 0], batch.lag_tokens.tolist(), strict=True):
            text = task.tokenizer.decode(ids)
            told, filler, asked = read(text, pairs)
            assert sorted(cue for cue, _ in told) == sorted(cues)
            assert len({value for _, value in told} & {*VALUES}) == pairs
            assert dict(told)[asked] == VALUES[target]
            assert filler.decode().encode() in whole
            assert [text.count(f"{cue}=".encode()) for cue in cues] == [1 + (cue == asked) for cue in cues]
            source = text.index(f"{asked}=".encode()) + len(asked) + 1
            assert len(text) - source == lag
            starts = [0, *accumulate(len(task.tokenizer.token_bytes[index]) for index in ids.tolist())]
            assert len(ids) - starts.index(source) == lag_tokens
            answers = [row.tolist() for row in task.tokenizer.encode([text + value.encode() for value in VALUES])]
            assert all(answer[: len(ids)] == ids.tolist() for answer in answers)
            assert len({answer[len(ids)] for answer in answers}) == len(VALUES)  # what is scored tells them apart


def test_shapes_types_and_padding(task: Planted):
    batch = task.examples(0, "train", 60, 0, 9)
    n, length = batch.inputs.shape
    assert (n, batch.positions.shape, batch.targets.shape, batch.lag_tokens.shape) == (9, (9, 1), (9, 1), (9,))
    assert {tensor.dtype for tensor in batch[:4]} == {torch.int64}
    assert int(batch.positions.max()) == length - 1
    for row, last in zip(batch.inputs, batch.positions[:, 0].tolist(), strict=True):
        assert not row[last + 1 :].any()
    assert int(batch.inputs.max()) < task.spec.n_inputs == task.tokenizer.vocab_size
    assert len(task.examples(0, "train", 60, 0, 0).inputs) == 0


def test_the_same_examples_for_every_batch_size(task: Planted):
    def run(size: int) -> list[tuple[list[int], int]]:
        batches = [task.examples(1, "test", 90, first, min(size, 33 - first)) for first in range(0, 33, size)]
        return [
            (ids.tolist(), int(t)) for batch in batches for ids, t in zip(tokens(batch), batch.targets, strict=True)
        ]

    assert run(1) == run(7) == run(32)
    assert len({tuple(ids) for ids, _ in run(32)}) > 25


def test_splits_seeds_and_lags_give_other_examples(task: Planted):
    drawn = [task.examples(seed, split, lag, 0, 4) for seed in (0, 1) for split in SPLITS for lag in (60, 61)]
    assert len({tuple(map(bytes, tokens(batch))) for batch in drawn}) == len(drawn)
    answers = [task.examples(seed, split, 60, 0, 80).targets for seed in (0, 1) for split in SPLITS]
    assert len({tuple(targets[:, 0].tolist()) for targets in answers}) == len(answers)


def test_every_value_is_the_answer_once_in_eight(task: Planted):
    runs = task.examples(0, "train", 60, 80, 800).targets.reshape(-1, 8)
    assert (runs.sort(1).values == torch.arange(8)).all()
    for place in range(8):  # in any order
        assert chisquare(np.bincount(runs[:, place], minlength=8)).pvalue > ALPHA
    assert chisquare(np.bincount((runs[:-1, 7] - runs[1:, 0]) % 8, minlength=8)).pvalue > ALPHA


def test_place_cue_and_answer_are_independent(corpus: Corpus):
    task, counts = Planted(corpus, Byte(), pairs=3), np.zeros((3, 3, 8), int)
    batch = task.examples(0, "train", 30, 0, 8000)
    for text, target in zip(texts(task, batch), batch.targets[:, 0].tolist(), strict=True):
        told, _, asked = read(text, 3)
        counts[[cue for cue, _ in told].index(asked), ["word", *CUES].index(asked), target] += 1
    assert chisquare(counts.ravel()).pvalue > ALPHA


GUESSES: dict[str, Callable[[Told, np.random.Generator], str]] = {
    "first": lambda told, rng: told[0][1],
    "last": lambda told, rng: told[-1][1],
    "any": lambda told, rng: told[rng.integers(len(told))][1],
    "always the same cue's": lambda told, rng: dict(told)["word"],
    "first of the alphabet": lambda told, rng: min(value for _, value in told),
}


def score(task: Planted, guess: Callable[[Told, str], str]) -> tuple[int, int]:
    batch, pairs = task.examples(0, "test", 80, 0, 2000), len(task.cues)
    stories = [read(text, pairs) for text in texts(task, batch)]
    guesses = [guess(told, asked) for told, _, asked in stories]
    return sum(a == b for a, b in zip(guesses, task.answered(batch.targets[:, 0]), strict=True)), 2000


@pytest.mark.parametrize("pairs", [2, 4, 5, 7])
def test_the_better_of_naming_any_and_of_ruling_out_is_chance(corpus: Corpus, pairs: int):
    task, rng = Planted(corpus, Byte(), pairs=pairs), np.random.default_rng(0)
    for guess in GUESSES.values():
        assert binomtest(*score(task, lambda told, _, guess=guess: guess(told, rng)), 1 / pairs).pvalue > ALPHA

    def by_elimination(told: Told, asked: str) -> str:
        return rng.choice(sorted({*VALUES} - {value for cue, value in told if cue != asked}))

    assert binomtest(*score(task, by_elimination), 1 / (9 - pairs)).pvalue > ALPHA
    assert task.spec.chance == max(1 / pairs, 1 / (9 - pairs))


def naive_bayes(task: Planted) -> float:
    """Accuracy on the byte counts of the text."""

    def features(split: Split) -> tuple[np.ndarray, np.ndarray]:
        batch = task.examples(0, split, 40, 0, 4000)
        counts = [np.bincount([*text], minlength=256) for text in texts(task, batch)]
        return np.array(counts), batch.targets[:, 0].numpy()

    (x, y), (x_test, y_test) = features("train"), features("test")
    counts = np.stack([x[y == value].sum(0) for value in range(8)]) + 1.0
    scores = x_test @ np.log(counts / counts.sum(1, keepdims=True)).T
    return float((scores.argmax(1) == y_test).mean())


@pytest.mark.parametrize("pairs", [1, 4])
def test_the_control_leaves_no_trace_of_the_answer(corpus: Corpus, pairs: int):
    told, blank = (Planted(corpus, Byte(), pairs=pairs, blank=blank) for blank in (False, True))
    noise = 4 * np.sqrt(0.125 * 0.875 / 4000)
    assert naive_bayes(told) > 0.125 + 2 * noise
    assert abs(naive_bayes(blank) - blank.spec.chance) < noise


def test_the_control_differs_in_nothing_but_the_values(task: Planted, corpus: Corpus):
    control = Planted(corpus, task.tokenizer, pairs=len(task.cues), blank=True)
    ours, theirs = (each.examples(2, "val", 70, 8, 40) for each in (task, control))
    for text, blanked in zip(texts(task, ours), texts(control, theirs), strict=True):
        told, filler, asked = read(text, len(task.cues))
        lines = "".join(f"{cue}=xxx\n" for cue, _ in told)
        assert blanked == lines.encode() + filler + f"\n{asked}=".encode()
    assert torch.equal(ours.targets, theirs.targets)
    assert (control.spec.chance, control.spec.min_lag) == (1 / 8, task.spec.min_lag)
    assert (control.solve(theirs.inputs, theirs.positions) == theirs.targets).sum() == 40 / 8


def test_the_oracle_reads_the_answer(task: Planted):
    batch = task.examples(4, "test", 200, 0, 100)
    assert torch.equal(task.solve(batch.inputs, batch.positions), batch.targets)
    answers = task.solve(batch.inputs.roll(1, 1), batch.positions)  # tampered with
    assert answers.shape == (100, 1)
    assert ((answers >= 0) & (answers < 8)).all()
