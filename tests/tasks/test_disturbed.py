"""Every task with a source: what stands in its place, and that the answer hangs on it."""

import pytest
import torch

from benchmark.cells import needs_text
from benchmark.registry import entry, load_class, names
from leaderboard.cell import Part
from tasks.base import Asked, Task
from tasks.planted import Planted
from tasks.tokenizers import Bpe, Byte
from tests.tasks.planted_texts import prose

N = 64
TEXT = ["planted@byte", "planted@bpe-300"]


def with_a_source() -> list[str]:
    found = []
    for name in names("tasks"):
        each = entry("tasks", name)
        part = Part(name=name, class_path=each["class_path"], init_args={})
        if not needs_text(part) and load_class(each["class_path"])(**each["init_args"]).spec.lag_unit != "none":
            found.append(name)
    return found


@pytest.fixture(params=[*with_a_source(), *TEXT], scope="module")
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Task:
    if "@" in request.param:
        tokenizer = Byte() if request.param.endswith("byte") else Bpe(300)
        return Planted(prose(tmp_path_factory.mktemp("prose")), tokenizer)
    found = entry("tasks", request.param)
    return load_class(found["class_path"])(**found["init_args"])


@pytest.mark.parametrize("lag", [1, 40])
def test_another_source_is_another_answer(task: Task, lag: int) -> None:
    lag = max(lag, task.spec.min_lag)
    changed = task.disturbed(3, "test", lag, 0, N)
    apart = (changed.inputs != changed.batch.inputs).reshape(*changed.inputs.shape[:2], -1).any(-1)
    assert apart.sum(1).tolist() == [1] * N  # one input is another, and it is the source
    assert torch.equal(apart.int().argmax(1), task.source_at(changed.batch))
    assert changed.lags.tolist() == [lag] * N
    assert torch.equal(changed.lag_tokens, changed.batch.lag_tokens)
    old, new = (task.solve(inputs, changed.batch.positions)[:, -1] for inputs in (changed.batch.inputs, changed.inputs))
    assert torch.equal(old, changed.batch.targets[:, -1])
    assert (old != new).float().mean() > 0.4  # all, but where half of the sources are of one kind (latch, palindrome)


@pytest.mark.parametrize("task", TEXT, indirect=True)
def test_a_stand_in_of_text_has_as_many_bytes(task: Task) -> None:
    assert isinstance(task, Planted)
    changed = task.disturbed(3, "test", 60, 0, N)
    for old, new in zip(changed.batch.inputs, changed.inputs, strict=True):
        assert len(task.tokenizer.decode(old.numpy())) == len(task.tokenizer.decode(new.numpy()))


def test_the_future_begins_behind_the_answer(task: Task) -> None:
    batch = task.examples(0, "test", max(9, task.spec.min_lag), 0, 8)
    changed = task.future(batch)
    length, last = batch.inputs.shape[1], batch.positions[:, -1]
    apart = (changed.inputs != changed.batch.inputs).reshape(8, 2 * length, -1).any(-1)
    assert torch.equal(changed.batch.inputs[:, :length], batch.inputs)
    for row in range(8):
        assert not apart[row, : last[row] + 1].any()
    assert apart.any(1).all()


def test_disturbances_reach_every_example_once_at_every_lag(task: Task) -> None:
    low = task.spec.min_lag
    found = [
        (lag, first + row)
        for first, lag, changed in task.disturbances(Asked(0, (low, 2 * low), 70, 2 * low, 8, 32))
        for row in range(len(changed.inputs))
    ]
    assert sorted(found) == [(lag, n) for lag in (0, low, 2 * low) for n in range(70)]
