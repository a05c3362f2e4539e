"""Every task keeps the contract of tasks/base.py. `solve` and `guess` know a task only by its examples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chisquare

from benchmark.registry import names
from tasks.adding import Adding
from tasks.base import Batch, EvalBatches, Feed, Task, TrainBatches
from tasks.delayed_recall import DelayedRecall
from tasks.mqar import Mqar

Row = list
N = 2000


@dataclass
class Case:
    """A task, and for one example's inputs and probe position: the exact answer, and the best answer without its
    source or its binding."""

    task: Task
    solve: Callable[[Row, int], float]
    guess: Callable[..., float]


def solve_mqar(row: Row, at: int) -> float:
    pairs = {row[2 * i]: row[2 * i + 1] - 32 for i in range(4)}
    return pairs[row[at]]


def solve_adding(row: Row, at: int) -> float:
    return sum(number for number, marked in row[: at + 1] if marked)


CASES = {
    "delayed_recall": Case(DelayedRecall(), lambda row, at: row[0], lambda row, at, rng: int(rng.integers(8))),
    "adding": Case(Adding(), solve_adding, lambda row, at, rng: row[at][0] + 0.5),
    "mqar": Case(Mqar(), solve_mqar, lambda row, at, rng: row[2 * rng.integers(4) + 1] - 32),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def probes(batch: Batch) -> list[tuple[Row, int, float]]:
    return list(zip(batch.inputs.tolist(), batch.positions[:, -1].tolist(), batch.targets[:, -1].tolist(), strict=True))


def test_every_task_of_the_registry_has_its_case() -> None:
    assert set(names("tasks")) == {*CASES, "planted"}  # planted has a file of its own


@pytest.mark.parametrize("lag", [1, 2, 3, 8, 31, 64])
def test_the_solver_solves_it(case: Case, lag: int) -> None:
    for row, at, target in probes(case.task.examples(0, "test", lag, 0, 300)):
        assert case.solve(row, at) == pytest.approx(target, abs=1e-6)


@pytest.mark.parametrize("lag", [8, 64])
def test_without_the_source_the_best_guess_scores_chance(case: Case, lag: int) -> None:
    rng, spec = np.random.default_rng(0), case.task.spec
    rows = probes(case.task.examples(0, "test", lag, 0, N))
    guesses = np.array([case.guess(row, at, rng) for row, at, _ in rows])
    targets = np.array([target for _, _, target in rows])
    if spec.metric == "accuracy":
        assert binomtest(int((guesses == targets).sum()), N, spec.chance).pvalue > 1e-4
    else:
        squares = (guesses - targets) ** 2
        assert abs(squares.mean() - spec.chance) < 4 * squares.std() / N**0.5
        assert abs(np.var(targets) - spec.baseline) < 0.02


@pytest.mark.parametrize("lag", [1, 5, 40])
def test_the_source_lies_exactly_lag_back(case: Case, lag: int) -> None:
    """Changing the input `lag` before the probe changes the answer; changing any other non-source input does not."""
    for row, at, target in probes(case.task.examples(1, "val", lag, 0, 50)):
        source = at - lag
        assert source >= 0
        value = row[source]
        seen = value[0] if isinstance(value, list) else value
        if isinstance(case.task, Adding):
            assert value[1] == 1
            assert target - row[at][0] == pytest.approx(seen, abs=1e-6)
        else:
            assert seen - (32 if isinstance(case.task, Mqar) else 0) == target


def test_examples_do_not_depend_on_the_batch_size(case: Case) -> None:
    whole = case.task.examples(3, "train", 20, 0, 30)
    for size in (1, 7):
        parts = [case.task.examples(3, "train", 20, i, min(size, 30 - i)) for i in range(0, 30, size)]
        for field, expected in zip(zip(*parts, strict=True), whole, strict=True):
            assert torch.equal(torch.cat(field), expected)


def test_seeds_and_splits_have_streams_of_their_own(case: Case) -> None:
    seen = {
        case.task.examples(seed, split, 40, 0, 8).inputs.numpy().tobytes()
        for seed in (0, 1)
        for split in ("train", "val", "test")
    }
    assert len(seen) == 6


def test_two_ranks_share_each_batch_without_overlap(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed(0, 9, (2, 40), (8,), (8,), n_val=11, n_test=11)
    whole = [next(iter(TrainBatches(case.task, feed))), *EvalBatches(case.task, feed, "val", 8, 11)]
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(case.task, "rank", lambda rank=rank: (rank, 2))
        parts.append([next(iter(TrainBatches(case.task, feed))), *EvalBatches(case.task, feed, "val", 8, 11)])
    for expected, *halves in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([half.inputs for half in halves]), expected.inputs)


def test_mixed_lags_are_log_uniform() -> None:
    feed = Feed(0, 1, (2, 127), (), (), n_val=1, n_test=1)
    batches = TrainBatches(DelayedRecall(), feed)
    lags = np.array([batches.lag(i) for i in range(3000)])
    assert lags.min() == 2
    assert lags.max() == 127
    counts = np.histogram(np.log2(lags), bins=np.arange(1, 8))[0]
    assert chisquare(counts).pvalue > 1e-4


def test_evaluation_batches_fit_in_memory_and_miss_nothing() -> None:
    feed = Feed(0, 1, (2, 2), (), (), n_val=1, n_test=1)
    sizes = [len(batch.inputs) for batch in EvalBatches(DelayedRecall(), feed, "test", 4096, 100)]
    assert sum(sizes) == 100
    assert max(sizes) * 4096 <= 2**14


def test_mqar_layout() -> None:
    """Keys are distinct, fillers are never keys, every pair with room is asked for once, answers are where they say."""
    batch = Mqar().examples(0, "train", 30, 0, 500)
    slots = []
    for row, at, targets in zip(batch.inputs.tolist(), batch.positions.tolist(), batch.targets.tolist(), strict=True):
        keys, values = row[0:8:2], [value - 32 for value in row[1:8:2]]
        assert len(set(keys)) == len(set(values)) == 4
        assert sorted(row[position] for position in at) == sorted(keys)
        assert [values[keys.index(row[position])] for position in at] == targets
        assert all(token >= 32 for position, token in enumerate(row[8:], 8) if position not in at)
        slots.append(keys.index(row[at[-1]]))
    assert chisquare(np.bincount(slots, minlength=4)).pvalue > 1e-4


def test_mqar_at_short_lags_drops_questions_that_have_no_room() -> None:
    batch = Mqar().examples(0, "train", 1, 0, 100)
    assert (batch.targets[:, :-1] == -100).all()
    assert (batch.targets[:, -1] >= 0).all()
    assert (batch.positions == 8).all()


def test_answers_are_uniform() -> None:
    targets = DelayedRecall().examples(0, "test", 9, 0, 8000).targets
    assert chisquare(np.bincount(targets.flatten().numpy(), minlength=8)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: DelayedRecall(symbols=1), "symbols"),
        (lambda: DelayedRecall(distractors=0), "distractors"),
        (lambda: Mqar(pairs=1), "pairs"),
        (lambda: Mqar(pairs=40), "vocab"),
        (lambda: Mqar(vocab=63), "vocab"),
        (lambda: DelayedRecall().examples(0, "train", 0, 0, 1), "lag"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()
