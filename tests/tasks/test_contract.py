"""Every synthetic task of the registry keeps the contract of tasks/base.py."""

import doctest
import importlib

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chisquare

from benchmark.cells import needs_text
from benchmark.registry import entry, load_class, names
from leaderboard.cell import Part
from tasks.base import Task
from tasks.delayed_recall import DelayedRecall
from tasks.feeds import EvalBatches, Feed, TrainBatches
from tests.tasks.checks import ALPHA, N, correct, probes, without_the_past

LAGS = (1, 2, 3, 8, 31, 64)


def synthetic() -> list[str]:
    """Tasks on text have files of their own."""
    found = {name: entry("tasks", name) for name in names("tasks")}
    parts = {name: Part(name=name, class_path=each["class_path"], init_args={}) for name, each in found.items()}
    return [name for name, part in parts.items() if not needs_text(part)]


@pytest.fixture(params=synthetic(), scope="module")
def task(request: pytest.FixtureRequest) -> Task:
    found = entry("tasks", request.param)
    return load_class(found["class_path"])(**found["init_args"])


def lags(task: Task) -> list[int]:
    return [task.spec.min_lag, *(lag for lag in LAGS if lag > task.spec.min_lag)]


def test_the_spec_is_a_promise(task: Task) -> None:
    spec = task.spec
    for lag in lags(task):
        batch = task.examples(0, "train", lag, 0, 20)
        n, width = batch.positions.shape
        assert (n, width * spec.slots) == batch.targets.shape
        assert spec.probes is not None
        assert 0 < spec.probes <= width * spec.slots
        assert spec.probes % spec.slots == 0
        assert (batch.positions >= 0).all()
        assert (batch.positions < batch.inputs.shape[1]).all()
        if spec.inputs == "symbols":
            assert batch.inputs.dtype == torch.int64
            assert 0 <= batch.inputs.min() <= batch.inputs.max() < spec.n_inputs
        else:
            assert batch.inputs.dtype == torch.float32
            assert batch.inputs.shape[2] == spec.n_inputs
        if spec.metric == "accuracy":
            asked = batch.targets[batch.targets != -100]
            assert 0 <= asked.min() <= asked.max() < spec.n_outputs
            assert (probes(task, batch.targets) != -100).all()
        if spec.lag_unit == "steps":
            assert (batch.lag_tokens == lag).all()
            assert (batch.positions[:, -1] >= lag).all()


def test_the_oracle_is_right(task: Task) -> None:
    for lag in lags(task):
        batch = task.examples(0, "test", lag, 0, 300)
        answers = task.solve(batch.inputs, batch.positions)
        asked = batch.targets != -100
        if task.spec.metric == "mse":
            torch.testing.assert_close(answers, batch.targets)
        else:
            assert (answers == batch.targets)[asked].all()


def test_without_what_lies_lag_back_the_oracle_scores_no_more_than_chance(task: Task) -> None:
    spec = task.spec
    if spec.lag_unit == "none":
        return
    for lag in (max(8, spec.min_lag), 64):
        batch = task.examples(0, "test", lag, 0, N)
        answers = task.solve(without_the_past(task, batch), batch.positions)
        if spec.metric == "accuracy":
            total = N * (spec.probes or 0)
            assert binomtest(correct(task, answers, batch), total, spec.chance, "greater").pvalue > ALPHA
        else:
            squares = (probes(task, answers) - probes(task, batch.targets)).square().numpy()
            assert squares.mean() > spec.chance - 4 * squares.std() / len(squares) ** 0.5


def test_the_docstrings_example_is_what_is_drawn(task: Task) -> None:
    module = importlib.import_module(type(task).__module__)
    assert f">>> print(example({type(task).__name__}(" in (type(task).__doc__ or "")
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_every_input_and_answer_can_be_written(task: Task) -> None:
    batch = task.examples(0, "train", max(8, task.spec.min_lag), 0, 5)
    for row, targets in zip(batch.inputs, batch.targets, strict=True):
        words = task.written(row)
        assert len(words) == len(row)
        assert all(word and " " not in word for word in words)
        assert len(task.answered(targets[targets != -100])) == int((targets != -100).sum())


def test_examples_do_not_depend_on_the_batch_size(task: Task) -> None:
    lag = max(20, task.spec.min_lag)
    whole = task.examples(3, "train", lag, 0, 30)
    for size in (1, 7):
        parts = [task.examples(3, "train", lag, i, min(size, 30 - i)) for i in range(0, 30, size)]
        for field, expected in zip(zip(*(part[:4] for part in parts), strict=True), whole[:4], strict=True):
            assert torch.equal(torch.cat(field), expected)


def test_seeds_and_splits_have_streams_of_their_own(task: Task) -> None:
    """No example of one is among the first of another, where there are enough of them to differ."""
    lag = max(64, task.spec.min_lag)
    streams = [
        {row.numpy().tobytes() for row in task.examples(seed, split, lag, 0, 500).inputs}
        for seed in (0, 1)
        for split in ("train", "val", "test")
    ]
    for i, stream in enumerate(streams):
        assert len(stream) > 490
        assert not any(stream & other for other in streams[:i])


def test_two_ranks_share_each_batch_without_overlap(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    low = max(2, task.spec.min_lag)
    feed = Feed(0, 9, (low, max(40, low)), (max(8, low),), (max(8, low),), n_val=11, n_test=11)
    lag = feed.val_lags[0]
    whole = [next(iter(TrainBatches(task, feed))), *EvalBatches(task, feed, "val", lag, 11)]
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(task, "rank", lambda rank=rank: (rank, 2))
        parts.append([next(iter(TrainBatches(task, feed))), *EvalBatches(task, feed, "val", lag, 11)])
    for expected, *halves in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([half.inputs for half in halves]), expected.inputs)


def test_a_lag_too_short_is_refused(task: Task) -> None:
    with pytest.raises(ValueError, match=f"needs a lag of at least {task.spec.min_lag}, got"):
        task.examples(0, "train", task.spec.min_lag - 1, 0, 1)


def test_mixed_lags_are_log_uniform() -> None:
    feed = Feed(0, 1, (2, 127), (), (), n_val=1, n_test=1)
    batches = TrainBatches(DelayedRecall(), feed)
    drawn = np.array([batches.lag(i) for i in range(3000)])
    assert drawn.min() == 2
    assert drawn.max() == 127
    counts = np.histogram(np.log2(drawn), bins=np.arange(1, 8))[0]
    assert chisquare(counts).pvalue > ALPHA


def test_evaluation_batches_fit_in_memory_and_miss_nothing() -> None:
    feed = Feed(0, 1, (2, 2), (), (), n_val=1, n_test=1)
    sizes = [len(batch.inputs) for batch in EvalBatches(DelayedRecall(), feed, "test", 4096, 100)]
    assert sum(sizes) == 100
    assert max(sizes) * 4096 <= 2**14
