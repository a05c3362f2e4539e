"""Copying and order: what is asked lies where it is said to lie, and guessing scores what it is said to score."""

from collections import Counter
from inspect import signature
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from benchmark.registry import entry, load_class
from tasks.base import Batch, Task, TaskSpec
from tasks.compression import Compression
from tasks.copy_memory import CopyMemory, modal_share
from tasks.memorization import Memorization
from tasks.palindrome import Palindrome
from tasks.reverse import Reverse
from tasks.selective_copy import SelectiveCopy
from tests.tasks.checks import ALPHA, Guess, assert_baseline, assert_chance

COPIES = [CopyMemory(3, 5), CopyMemory(), SelectiveCopy(), SelectiveCopy(2, 2), Reverse(), Reverse(3, 4)]
PUBLISHED = [SelectiveCopy(5, 4, protocol="published"), Compression(), Compression(3, 4)]
N = 2000


def uniform(values: Tensor | np.ndarray, n: int) -> bool:
    """Whether numbers below n are equally frequent."""
    counts = np.bincount(np.asarray(values).flatten(), minlength=n)
    assert len(counts) == n
    return chisquare(counts).pvalue > ALPHA


def commonest(task: Task) -> Guess:
    """Knows the symbols of the example, not their order."""
    answers = task.spec.n_outputs

    def guess(inputs: Tensor, positions: Tensor, rng: np.random.Generator) -> Tensor:
        counts = (inputs[:, :, None] == torch.arange(answers)).sum(1)
        return counts.argmax(1, keepdim=True).expand(-1, positions.shape[1] * task.spec.slots)

    return guess


def at_random(task: Task) -> Guess:
    """Knows nothing."""

    def guess(inputs: Tensor, positions: Tensor, rng: np.random.Generator) -> Tensor:
        shape = len(inputs), positions.shape[1] * task.spec.slots
        return torch.from_numpy(rng.integers(task.spec.n_outputs, size=shape))

    return guess


@pytest.mark.parametrize("task", COPIES + PUBLISHED, ids=lambda task: type(task).__name__)
@pytest.mark.parametrize("lag", [17, 64])
def test_guessing_the_commonest_symbol_scores_chance(task: Task, lag: int) -> None:
    assert_chance(task, commonest(task), lag)
    assert_baseline(task, at_random(task), lag)


@pytest.mark.parametrize(("tokens", "symbols"), [(2, 2), (3, 2), (4, 3), (5, 5), (2, 7), (6, 4)])
def test_the_modal_share_is_that_of_all_words(tokens: int, symbols: int) -> None:
    counts = [max(Counter(word).values()) for word in product(range(symbols), repeat=tokens)]
    assert modal_share(tokens, symbols) == pytest.approx(sum(counts) / len(counts) / tokens, abs=1e-15)


@pytest.mark.parametrize("task", COPIES, ids=lambda task: type(task).__name__)
def test_the_source_lies_lag_back_and_nothing_else_matters(task: Task) -> None:
    symbols, probes = task.spec.n_outputs, task.spec.probes
    assert probes is not None
    for lag in (task.spec.min_lag, task.spec.min_lag + 1, 31, 64):
        batch = task.examples(0, "test", lag, 0, 300)
        scored = batch.positions[:, -probes:]
        assert torch.equal(batch.inputs.gather(1, scored - lag), batch.targets[:, -probes:])
        source = torch.zeros_like(batch.inputs, dtype=torch.bool).scatter_(1, scored[:, -1:] - lag, True)
        moved = (batch.inputs + 1) % symbols
        for changed, kept in ((source, False), (~source & (batch.inputs < symbols), True)):
            answers = task.solve(torch.where(changed, moved, batch.inputs), batch.positions)
            assert ((answers[:, -1] == batch.targets[:, -1]) == kept).all()


@pytest.mark.parametrize("task", COPIES + PUBLISHED, ids=lambda task: type(task).__name__)
def test_answers_are_uniform(task: Task) -> None:
    for lag in (task.spec.min_lag, 40):
        targets = task.examples(0, "train", lag, 0, N).targets
        assert uniform(targets, task.spec.n_outputs)
        assert uniform(targets[:, -1], task.spec.n_outputs)


def published(name: str, n: int) -> tuple[TaskSpec, Batch]:
    """Examples of a configuration, at the lag it names."""
    found = entry("tasks", name)
    task = load_class(found["class_path"])(**found["init_args"])
    return task.spec, task.examples(0, "test", found["lags"][0], 0, n)


def test_copy_is_laid_out_as_published() -> None:
    _, batch = published("copy-1000", 4)
    blank, go = 8, 9
    assert batch.inputs.shape == (4, 1000 + 20)
    for columns, symbol in ((slice(10, 1009), blank), (slice(1009, 1010), go), (slice(1010, None), blank)):
        assert (batch.inputs[:, columns] == symbol).all()
    assert batch.positions.tolist() == [list(range(1010, 1020))] * 4
    assert torch.equal(batch.targets, batch.inputs[:, :10])


def test_selective_copying_scores_every_symbol_at_t_4096() -> None:
    spec, batch = published("selective_copy-4096", 3)
    assert spec.n_inputs == spec.probes == batch.targets.shape[1] == 16
    assert spec.lag_unit == "none"
    assert batch.inputs.shape == (3, 4096 + 16)


def test_selective_copies_scatter_evenly_around_the_probes_source() -> None:
    """Against an enumeration of all layouts: a probe and a number of extra blanks, then any places left and right."""
    lag, tokens, n = 5, 3, 20000
    expected: dict[tuple[int, ...], float] = {}
    for probe, extra in product(range(tokens), range(lag // 4 + 1)):
        source, end = probe + extra, extra + lag
        ways = comb(source, probe) * comb(lag - probe - 1, tokens - 1 - probe)
        for left in combinations(range(source), probe):
            for right in combinations(range(source + 1, end), tokens - 1 - probe):
                expected[(end + probe, *left, source, *right)] = n / ways / tokens / (lag // 4 + 1)
    batch = SelectiveCopy(tokens).examples(0, "train", lag, 0, n)
    places = (batch.inputs < 8).nonzero()[:, 1].view(n, tokens)
    seen = Counter(map(tuple, torch.cat([batch.positions[:, -1:], places], 1).tolist()))
    assert set(seen) <= set(expected)
    assert chisquare([seen[key] for key in expected], list(expected.values())).pvalue > ALPHA


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("kind", [SelectiveCopy, Reverse])
def test_every_symbol_is_asked_for_in_order(kind: type[SelectiveCopy | Reverse], published: bool) -> None:
    task = kind(protocol="published" if published else "lag")
    for lag in (task.spec.min_lag, 9, 30):
        batch = task.examples(0, "train", lag, 0, 100)
        for row, where, targets in zip(*(field.tolist() for field in batch[:3]), strict=True):
            symbols = [symbol for symbol in row if symbol < task.symbols]
            assert len(symbols) == (lag if kind is Reverse and published else task.tokens)
            asked = [place for place, symbol in enumerate(row) if symbol == task.symbols + 1]
            assert asked == list(range(asked[0], asked[0] + len(symbols)))
            answers = symbols[::-1] if kind is Reverse else symbols
            assert dict(zip(where, targets, strict=True)) == dict(zip(asked, answers, strict=True))


@pytest.mark.parametrize(
    "task", [SelectiveCopy(protocol="published"), Compression(4)], ids=["selective", "compression"]
)
def test_symbols_stand_anywhere_among_blanks(task: Task) -> None:
    lag, symbols = 20, task.spec.n_outputs
    inputs = task.examples(0, "train", lag, 0, N).inputs
    question = (inputs > symbols).int().argmax(1)
    assert len(question.unique()) == 1
    assert uniform((inputs < symbols).nonzero()[:, 1], int(question[0]))


def test_any_answer_of_a_reversed_string_may_be_the_probe() -> None:
    for task, lag, among in ((Reverse(4), 40, 4), (Reverse(4), 5, 3), (Reverse(protocol="published"), 9, 9)):
        batch = task.examples(0, "train", lag, 0, N)
        first = (batch.inputs > task.symbols).int().argmax(1)
        assert uniform(batch.positions[:, -1] - first, among)


def test_guessing_at_a_reversed_string_of_the_published_kind() -> None:
    task = Reverse(symbols=2, protocol="published")

    def all_but_the_source(inputs: Tensor, positions: Tensor, rng: np.random.Generator) -> Tensor:
        """The commonest symbol of the others."""
        first = (inputs > 2).int().argmax(1, keepdim=True)
        others = (inputs[:, :, None] == torch.arange(2)).sum(1)
        others.scatter_add_(1, inputs.gather(1, 2 * first - 1 - positions[:, -1:]), -torch.ones_like(first))
        return others.argmax(1, keepdim=True).expand_as(positions)

    assert_chance(task, all_but_the_source, 40)
    assert_baseline(task, at_random(task), 40)


def test_palindromes() -> None:
    """By the definition, read off the written strings."""
    task = Palindrome(symbols=3)
    for lag in (2, 3, 4, 9, 30):
        batch = task.examples(0, "train", lag, 0, 200)
        for row, where, targets in zip(batch.inputs, *(field.tolist() for field in batch[1:3]), strict=True):
            text = "".join(task.written(row)).rstrip("_")
            marks = "||" if lag % 2 else "|"
            left, right = text.split(marks)
            assert len(left) == len(right)
            answers = {
                len(left + marks) + n - 1: int(left[::-1].startswith(right[:n])) for n in range(1, len(right) + 1)
            }
            assert {at: answer for at, answer in zip(where, targets, strict=True) if answer != -100} == answers
            different = [n for n, (a, b) in enumerate(zip(left[::-1], right, strict=True)) if a != b]
            assert len(different) == 1 - targets[-1]
            assert different in ([], [where[-1] - len(left + marks)])
            assert answers[where[-1]] == (text[where[-1] - lag] == text[where[-1]])


def test_palindromes_and_others_differ_in_nothing_else() -> None:
    task, lag = Palindrome(symbols=4), 16
    batch = task.examples(0, "train", lag, 0, 4 * N)
    probe, yes = batch.positions[:, -1:], batch.targets[:, -1]
    source, image = batch.inputs.gather(1, probe - lag)[:, 0], batch.inputs.gather(1, probe)[:, 0]
    assert uniform(yes, 2)
    for kind in (0, 1):
        assert uniform(image[yes == kind], 4)
        assert uniform(source[yes == kind], 4)
        assert uniform((probe[:, 0] - lag)[yes == kind], lag // 4 + 1)
    assert uniform(((image - source) % 4)[yes == 0] - 1, 3)


def test_only_the_inner_pairs_and_the_source_decide_a_palindrome() -> None:
    task, symbols = Palindrome(), 8
    for lag in (2, 3, 8, 33):
        batch = task.examples(0, "test", lag, 0, 300)
        probe = batch.positions[:, -1:]
        column = torch.arange(batch.inputs.shape[1])
        image = batch.inputs.gather(1, probe)
        outside = ((column < probe - lag) | (column > probe)) & (batch.inputs < symbols)
        answers = task.solve(torch.where(outside, (batch.inputs + 1) % symbols, batch.inputs), batch.positions)
        assert torch.equal(answers[:, -1], batch.targets[:, -1])
        opposite = torch.where(batch.targets[:, -1:] == 1, (image + 1) % symbols, image)
        answers = task.solve(batch.inputs.scatter(1, probe - lag, opposite), batch.positions)
        assert torch.equal(answers[:, -1], 1 - batch.targets[:, -1])


@pytest.mark.parametrize("lag", [2, 3, 16, 65])
def test_guessing_at_palindromes(lag: int) -> None:
    task = Palindrome()

    def by_all_other_pairs(inputs: Tensor, positions: Tensor, rng: np.random.Generator) -> Tensor:
        """The source counts as a match."""
        probe = positions[:, -1:]
        return task.solve(inputs.scatter(1, probe - lag, inputs.gather(1, probe)), positions)

    def by_the_last_symbols(inputs: Tensor, positions: Tensor, rng: np.random.Generator) -> Tensor:
        return (inputs.gather(1, positions) + inputs.gather(1, positions - 1)) % 2

    assert_chance(task, by_all_other_pairs, lag)
    assert_baseline(task, by_the_last_symbols, lag)


def test_compression_asks_one_vector_for_everything() -> None:
    task = Compression(tokens=5, symbols=7)
    for lag in (6, 7, 40):
        batch = task.examples(0, "train", lag, 0, 100)
        assert batch.inputs.shape == (100, lag)
        assert batch.positions.tolist() == [[lag - 1]] * 100
        assert (batch.inputs[:, -1] == 8).all()
        assert torch.equal(batch.inputs[batch.inputs < 7].view(100, 5), batch.targets)


def test_the_dictionary_is_one_for_all_and_pairs_every_key() -> None:
    task = Memorization(keys=20)
    assert sorted(task.dictionary) == list(range(20))
    assert np.array_equal(task.dictionary, Memorization(keys=20).dictionary)
    assert not np.array_equal(task.dictionary, Memorization(keys=20, dictionary_seed=1).dictionary)
    for seed, split in product((0, 1), ("train", "val", "test")):
        batch = task.examples(seed, split, 9, 0, 100)
        assert batch.positions.sort(1).values.tolist() == [[1, 3, 5, 7]] * 100
        assert (batch.inputs[:, 1::2] == 20).all()
        assert batch.targets.tolist() == task.dictionary[batch.inputs.gather(1, batch.positions - 1)].tolist()


def test_memorization_asks_for_every_key_and_scores_every_place_alike() -> None:
    task = Memorization(keys=10)
    batch = task.examples(0, "train", 16, 0, N)
    assert uniform(batch.inputs[:, 0:16:2], 10)
    assert uniform(batch.targets[:, -1], 10)
    assert uniform(batch.positions[:, -1] // 2, 8)


def test_guessing_without_the_dictionary() -> None:
    task = Memorization(keys=10)

    def by_another_dictionary(inputs: Tensor, positions: Tensor, rng: np.random.Generator) -> Tensor:
        """Knows all about the task, but each example is read with a dictionary of its own."""
        dictionaries = torch.from_numpy(rng.permuted(np.tile(np.arange(10), (len(inputs), 1)), axis=1))
        return dictionaries.gather(1, inputs.gather(1, positions - 1))

    assert_chance(task, by_another_dictionary, 16)
    assert_baseline(task, at_random(task), 16)


@pytest.mark.parametrize("kind", [CopyMemory, SelectiveCopy, Reverse, Palindrome, Compression, Memorization])
def test_what_is_refused(kind: type[Task]) -> None:
    choices = {"tokens": 1, "symbols": 1, "keys": 1, "dictionary_seed": -1, "protocol": "x"}
    accepted = {"protocol": 'one of lag, published, got "x"', "dictionary_seed": "at least 0, got -1"}
    for key in signature(kind).parameters:
        with pytest.raises(ValueError, match=f"{key} must be {accepted.get(key, 'at least 2, got 1')}"):
            kind(**{key: choices[key]})  # pyright: ignore[reportArgumentType]
