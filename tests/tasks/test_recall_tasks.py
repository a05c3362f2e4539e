"""Recall by key, by a special symbol and by order. The readers here know a task only by its layout, in plain Python."""

from collections.abc import Callable
from itertools import groupby, pairwise

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from tasks.base import Batch, Task
from tasks.delayed_recall import DelayedRecall
from tasks.fuzzy_recall import FuzzyRecall
from tasks.induction import Induction
from tasks.mqar import POWER, Mqar
from tasks.noisy_recall import NoisyRecall
from tasks.temporal_order import TemporalOrder
from tests.tasks.checks import ALPHA, Guess, assert_baseline, assert_chance, assert_scores, probes

BY_LAG = [DelayedRecall(), Mqar(), Induction(), NoisyRecall(), FuzzyRecall(), TemporalOrder(), TemporalOrder(marks=3)]
TASKS = [*BY_LAG, Mqar(protocol="published"), Induction(protocol="published")]
Row = list[int]
Answer = Callable[[Row, np.random.Generator], int | np.int64]


def name(task: object) -> str:
    return type(task).__name__


def rows(batch: Batch) -> list[tuple[Row, Row, Row]]:
    """Of each example its inputs, positions and targets."""
    return list(zip(*(field.tolist() for field in batch[:3]), strict=True))


def told(row: Row, keys: int, values: int) -> dict[tuple[int, ...], int]:
    """The value right behind the first return of every run of keys. Symbols below `keys` are keys, then come values."""
    found: dict[tuple[int, ...], int] = {}
    runs = [tuple(run) for _, run in groupby(row, key=lambda symbol: symbol < keys)]
    for run, behind in pairwise(runs):
        if run[0] < keys and behind[0] < values:
            found.setdefault(run, behind[0] - keys)
    return found


def question(row: Row, at: int) -> tuple[int, ...]:
    """The run of fuzzy keys that ends at `at`; each has something else before it."""
    start = max(place for place in range(at) if row[place] >= 8) + 1
    return tuple(row[start : at + 1])


def marks(row: Row) -> Row:
    return [symbol for symbol in row if symbol < 2]


def binary(digits: Row) -> int:
    return int("".join(map(str, digits)), 2)


READERS: dict[type[Task], Callable[[Row, int], int]] = {
    DelayedRecall: lambda row, at: row[0],
    Mqar: lambda row, at: row[row.index(row[at]) + 1] - 32,
    Induction: lambda row, at: row[row.index(15) + 1],
    NoisyRecall: lambda row, at: row[row.index(row[at]) + 1] - 32,
    FuzzyRecall: lambda row, at: told(row[:at], 8, 16)[question(row, at)],
    TemporalOrder: lambda row, at: binary(marks(row[:at])),
}


def guess(answer: Answer) -> Guess:
    """The same way to answer, at every position of every row."""
    return lambda inputs, positions, rng: torch.tensor(
        [[answer(row, rng) for _ in where] for row, where in zip(inputs.tolist(), positions.tolist(), strict=True)]
    )


def commonest_but_for_the_source(row: Row, rng: np.random.Generator) -> int:
    first = row.index(15)
    others = row[:first] + row[first + 2 : row.index(15, first + 1)]
    return int(np.bincount(others, minlength=15).argmax())


PARTIAL: dict[type[Task], Answer] = {  # without the source, or without its binding
    DelayedRecall: lambda row, rng: rng.integers(8),
    Mqar: lambda row, rng: rng.choice(row[1:8:2]) - 32,
    Induction: commonest_but_for_the_source,
    NoisyRecall: lambda row, rng: rng.choice(list(told(row[:10], 32, 64).values())),
    FuzzyRecall: lambda row, rng: rng.choice(list(told(row[:24], 8, 16).values())),
    TemporalOrder: lambda row, rng: binary([int(rng.integers(2)), *marks(row)[1:]]),
}


@pytest.mark.parametrize("task", TASKS, ids=name)
@pytest.mark.parametrize("lag", [5, 16, 65])
def test_a_reader_of_the_layout_finds_every_answer(task: Task, lag: int) -> None:
    for row, where, targets in rows(task.examples(0, "test", max(lag, task.spec.min_lag), 0, 300)):
        for at, target in zip(where, targets, strict=True):
            assert target in (-100, READERS[type(task)](row, at))


@pytest.mark.parametrize("task", TASKS, ids=name)
@pytest.mark.parametrize("lag", [16, 64])
def test_partial_knowledge_scores_chance(task: Task, lag: int) -> None:
    assert_chance(task, guess(PARTIAL[type(task)]), lag)


@pytest.mark.parametrize("task", TASKS, ids=name)
def test_knowing_nothing_scores_the_baseline(task: Task) -> None:
    assert_baseline(task, guess(lambda row, rng: rng.integers(task.spec.n_outputs)), 20)


@pytest.mark.parametrize("task", TASKS, ids=name)
@pytest.mark.parametrize("lag", [9, 40])
def test_answers_are_uniform(task: Task, lag: int) -> None:
    targets = probes(task, task.examples(0, "test", max(lag, task.spec.min_lag), 0, 8000).targets)
    assert chisquare(np.bincount(targets.numpy(), minlength=task.spec.n_outputs)).pvalue > ALPHA


# Of each task, the kinds of symbols that may change among themselves without changing what is asked: [low, high).
KINDS: dict[type[Task], list[tuple[int, int]]] = {
    DelayedRecall: [(0, 8), (8, 16)],
    Mqar: [(32, 64)],
    Induction: [(0, 15)],
    NoisyRecall: [(32, 64), (64, 80)],
    FuzzyRecall: [(8, 16), (16, 24)],
    TemporalOrder: [(2, 6)],
}


@pytest.mark.parametrize("task", BY_LAG, ids=name)
@pytest.mark.parametrize("lag", [1, 2, 5, 17, 40])
def test_of_all_symbols_only_the_one_lag_back_changes_the_answer(task: Task, lag: int) -> None:
    rng, lag = np.random.default_rng(0), max(lag, task.spec.min_lag)
    batch = task.examples(1, "val", lag, 0, 40)
    for row, where, target in zip(batch.inputs, batch.positions, batch.targets[:, -1].tolist(), strict=True):
        source = int(where[-1]) - lag
        kinds = {place: kind for kind in KINDS[type(task)] for place, x in enumerate(row) if kind[0] <= x < kind[1]}
        if isinstance(task, TemporalOrder):
            kinds[source] = (0, 2)  # the other marks are sources too, nearer ones
        changed = row.repeat(len(kinds), 1)
        for copy, (place, (low, high)) in zip(changed, kinds.items(), strict=True):
            copy[place] = low + (copy[place] - low + int(rng.integers(1, high - low))) % (high - low)
        answers = task.solve(changed, where.repeat(len(kinds), 1))[:, -1].tolist()
        assert [place for place, answer in zip(kinds, answers, strict=True) if answer != target] == [source]


@pytest.mark.parametrize(("task", "keys", "head"), [(Mqar(), 32, 8), (NoisyRecall(), 32, 10), (FuzzyRecall(), 8, 24)])
def test_any_pair_is_the_source(task: Task, keys: int, head: int) -> None:
    """At lags beyond the pairs: neither the first nor the last of them is worth more than the others."""
    examples = rows(task.examples(0, "test", 64, 0, 4000))
    ranks = [list(told(row[:head], keys, 2 * keys).values()).index(targets[-1]) for row, _, targets in examples]
    assert chisquare(np.bincount(ranks, minlength=4)).pvalue > ALPHA


@pytest.mark.parametrize(("task", "first", "last"), [(Induction(), 1, 16), (TemporalOrder(), 0, 10)])
def test_the_source_stands_anywhere_in_its_range(task: Task, first: int, last: int) -> None:
    sources = task.examples(0, "test", 40, 0, 4000).positions[:, -1].numpy() - 40
    assert first <= sources.min() <= sources.max() <= last
    assert chisquare(np.bincount(sources, minlength=last + 1)[first:]).pvalue > ALPHA


@pytest.mark.parametrize("task", [Mqar(), NoisyRecall(noise=0), NoisyRecall(noise=0.2), NoisyRecall(noise=0.8)])
def test_every_pair_is_asked_for_once_and_fillers_are_never_keys(task: Mqar | NoisyRecall) -> None:
    head = 8 + (task.among if isinstance(task, NoisyRecall) else 0)
    for row, where, _ in rows(task.examples(0, "train", head + 20, 0, 500)):
        places = [place for place, symbol in enumerate(row[:head]) if symbol < 32]
        keys, values = ({row[place + shift] for place in places} for shift in (0, 1))
        assert len(keys) == len(values) == len(places) == 4
        assert all(32 <= value < 64 for value in values)  # noise never parts a pair
        assert {row[at] for at in where} == keys
        assert sum(symbol < 32 for symbol in row) == 8


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.8])
def test_noise_has_its_share(noise: float) -> None:
    task = NoisyRecall(noise=noise)
    head, is_noise = 8 + task.among, task.examples(0, "train", 100, 0, 1000).inputs >= 64
    assert (is_noise[:, :head].sum(1) == task.among).all()
    assert task.among / head == pytest.approx(noise, abs=0.03)
    assert abs(is_noise[:, head:].float().mean() - 0.96 * noise) < 0.01  # four of a hundred inputs are questions


@pytest.mark.parametrize("task", [Mqar(), NoisyRecall()])
def test_at_short_lags_questions_that_have_no_room_are_dropped(task: Task) -> None:
    batch = task.examples(0, "train", 1, 0, 100)
    assert (batch.targets >= 0).tolist() == [[False, False, False, True]] * 100
    assert (batch.positions == batch.positions[:, -1:]).all()


def test_published_mqar_asks_for_every_key_once_at_a_gap_of_the_power_law() -> None:
    n, law, rng = 4000, np.arange(1, 29) ** (POWER - 1), np.random.default_rng(0)
    batch = Mqar(protocol="published").examples(0, "train", 64, 0, n)
    asked = batch.inputs.gather(1, batch.positions)
    assert torch.equal(asked.sort(1).values, batch.inputs[:, :8:2].sort(1).values)
    assert ((batch.inputs[:, 8:] < 32).sum(1) == 4).all()
    ours = (batch.positions.numpy() - 8) // 2
    theirs = np.concatenate([rng.choice(28, 4, replace=False, p=law / law.sum()) for _ in range(n)])
    counts = np.stack([np.bincount(sample, minlength=28) for sample in (ours.flatten(), theirs)])
    assert chisquare(counts.flatten(), np.tile(counts.mean(0), 2), ddof=28).pvalue > ALPHA  # two samples of one law
    ranks = (asked[:, :, None] == batch.inputs[:, None, :8:2]).float().argmax(2).numpy()
    assert chisquare(np.bincount(ranks[ours == 0])).pvalue > ALPHA  # no pair is asked for earlier than others


@pytest.mark.parametrize("task", [Induction(), Induction(protocol="published")], ids=name)
def test_the_special_symbol_stands_once_anywhere_and_at_the_end(task: Induction) -> None:
    batch = task.examples(0, "train", 30, 0, 2000)
    special = batch.inputs == 15
    assert (special.sum(1) == 2).all()
    assert special.gather(1, batch.positions).all()
    assert not task.published or (batch.positions == 29).all()
    assert chisquare(np.bincount(special.long().argmax(1))).pvalue > ALPHA


def test_fuzzy_keys_are_distinct_and_share_symbols() -> None:
    sizes, shared = [], 0
    for row, where, _ in rows(FuzzyRecall().examples(0, "train", 60, 0, 2000)):
        pairs, asked = told(row[:24], 8, 16), [question(row, at) for at in where]
        assert len(pairs) == len(set(pairs.values())) == len(set(asked)) == 4  # collided keys would be too few
        assert sum(is_key for is_key, _ in groupby(row, key=lambda symbol: symbol < 8)) == 8  # distractors are no keys
        sizes.append(len(asked[-1]))
        shared += any(key[-1] == asked[-1][-1] for key in asked[:-1])
    assert chisquare(np.bincount(sizes)[1:]).pvalue > ALPHA
    assert shared > 400  # the key's last symbol alone is often not enough


def test_marks_stand_anywhere_behind_the_first_and_their_order_counts() -> None:
    batch = TemporalOrder().examples(0, "train", 21, 0, 4000)
    places = (batch.inputs < 2).nonzero()[:, 1].reshape(-1, 2)
    assert torch.equal(places[:, :1] + 21, batch.positions)
    assert chisquare(np.bincount((places[:, 1] - places[:, 0]).numpy(), minlength=21)[1:]).pvalue > ALPHA
    assert TemporalOrder().answered(torch.arange(4)) == ["XX", "XY", "YX", "YY"]
    assert_scores(TemporalOrder(), guess(lambda row, rng: binary(sorted(marks(row)))), 30, 3 / 4)  # as it says


REFUSED: dict[type[Task], dict[str, list[object]]] = {
    DelayedRecall: {"symbols": [1], "distractors": [0]},
    Mqar: {"pairs": [1], "vocab": [6, 63], "protocol": ["zoology"]},
    Induction: {"vocab": [2], "protocol": ["short"]},
    NoisyRecall: {"pairs": [1], "vocab": [6, 9], "noise_vocab": [0], "noise": [-0.1, 1.0]},
    FuzzyRecall: {"pairs": [1], "vocab": [6, 258], "tokens": [0, 5], "distractors": [0]},
    TemporalOrder: {"marks": [1, 9], "distractors": [0]},
}


@pytest.mark.parametrize("task", REFUSED)
def test_what_cannot_be_is_refused(task: type[Task]) -> None:
    for field, values in REFUSED[task].items():
        for value in values:
            shown = f'"{value}"' if isinstance(value, str) else value
            with pytest.raises(ValueError, match=f"^{field} must be .*, got {shown}$"):
                task(**{field: value})
