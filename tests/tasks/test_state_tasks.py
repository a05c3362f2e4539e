"""Adding, latch, parities, two time scales, ListOps, Pathfinder: what each promises beyond the contract."""

from collections.abc import Callable
from itertools import product
from math import isqrt, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency, chisquare
from torch import Tensor

from tasks.adding import Adding
from tasks.base import Batch, Task
from tasks.lagged_parity import LaggedParity
from tasks.latch import Latch, normal
from tasks.listops import ListOps, apply
from tasks.parity import Parity
from tasks.pathfinder import DASH, DOT, Pathfinder
from tasks.two_timescales import TwoTimescales
from tests.tasks.checks import ALPHA, Guess, assert_baseline, assert_chance, assert_scores

Rng = np.random.Generator


def any_of(high: int) -> Guess:
    """Every answer at random."""
    return lambda inputs, positions, rng: torch.from_numpy(rng.integers(high, size=positions.shape))


def uniform(values: Tensor, n: int) -> bool:
    return chisquare(np.bincount(values.flatten().numpy(), minlength=n)).pvalue > ALPHA


def alike(values: Tensor, classes: Tensor) -> bool:
    """Whether a discrete feature (B,) is distributed alike in both classes (B,); rare values are pooled."""
    kept, index, counts = np.unique(values.numpy(), return_inverse=True, return_counts=True)
    index = np.where(counts[index] < 40, len(kept), index)
    table = np.stack([np.bincount(index[classes.numpy() == each], minlength=len(kept) + 1) for each in (0, 1)])
    result: Any = chi2_contingency(table[:, table.sum(0) > 0])
    return result.pvalue > ALPHA


def last_input_and(mean: float) -> Guess:
    return lambda inputs, positions, rng: inputs[..., 0].gather(1, positions) + mean


def constant(value: float) -> Guess:
    return lambda inputs, positions, rng: torch.full(positions.shape, value)


def last_bit(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
    return inputs.gather(1, positions) % 2


def all_but_the_first(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
    """The parity of the current bit, of the marked ones after the first, and a coin for that one."""
    marks = (inputs == 3).sum(1, keepdim=True) - torch.from_numpy(rng.integers(2, size=(len(inputs), 1)))
    return (marks + inputs.gather(1, positions)) % 2


def sign_of_the_rest(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
    return (inputs[:, 1:, 0].sum(1, keepdim=True) > 0).long()


def all_bits_but_one(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
    return (inputs.sum(1, keepdim=True) - inputs[:, :1]).expand(positions.shape) % 2


def tracked_alone(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
    answers = inputs.gather(1, positions - 1)
    answers[:, -1] = torch.from_numpy(rng.integers(8, size=len(inputs)))
    return answers


def either_kind(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
    return any_of(8)(inputs, positions, rng) + torch.where(positions == positions[:, -1:], 0, 8)


GUESSERS = [  # a task, a lag, who knows all but the source, who knows nothing
    (Adding(), 9, last_input_and(0.5), constant(1.0)),
    (Adding("published"), 40, constant(1.0), constant(1.0)),
    (Latch(), 9, sign_of_the_rest, any_of(2)),
    (Parity(), 9, all_bits_but_one, last_bit),
    (Parity(every=False), 9, all_bits_but_one, last_bit),
    (LaggedParity(), 9, last_bit, any_of(2)),
    (LaggedParity(marks=3), 9, all_but_the_first, last_bit),
    (TwoTimescales(), 9, tracked_alone, either_kind),
    (TwoTimescales(), 10, tracked_alone, either_kind),
    (ListOps(), 30, any_of(10), any_of(10)),
    (Pathfinder(), 81, any_of(2), any_of(2)),
]


@pytest.mark.parametrize(("task", "lag", "partial", "ignorant"), GUESSERS)
def test_chance_and_baseline_are_what_guessers_score(task: Task, lag: int, partial: Guess, ignorant: Guess) -> None:
    assert_chance(task, partial, lag)
    assert_baseline(task, ignorant, lag)


CLASSES = [(task, lag) for task, lag, *_ in GUESSERS if task.spec.metric == "accuracy"]


@pytest.mark.parametrize(("task", "lag"), CLASSES)
def test_answers_are_uniform(task: Task, lag: int) -> None:
    targets = task.examples(0, "test", lag, 0, 4000).targets
    if isinstance(task, TwoTimescales):
        assert uniform(targets[:, -1], task.held)
        assert uniform(targets[:, :-1] - task.held, task.tracked)
    else:
        assert uniform(targets, task.spec.n_outputs)


def changed(batch: Batch, at: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The inputs, one of them changed in each example: at (B,)."""
    inputs, rows = batch.inputs.clone(), torch.arange(len(at))
    inputs[rows, at] = change(inputs[rows, at])
    return inputs


STEPS = [  # a task, how one of its inputs can change, and how many inputs the answer hangs on
    (Adding(), lambda numbers: numbers + torch.tensor([0.25, 0.0]), 2),
    (Latch(), torch.neg, 1),
    (LaggedParity(), lambda bits: bits ^ 1, 2),
    (LaggedParity(marks=3), lambda bits: bits ^ 1, 4),
    (TwoTimescales(), lambda symbols: torch.where(symbols < 16, symbols ^ 1, symbols), 1),
]


@pytest.mark.parametrize("lag", [3, 4, 17])
@pytest.mark.parametrize(("task", "change", "n_sources"), STEPS)
def test_the_source_lies_exactly_lag_back(
    task: Task, change: Callable[[Tensor], Tensor], n_sources: int, lag: int
) -> None:
    """The first input that the last answer hangs on; what it does not hang on may change."""
    batch = task.examples(1, "val", lag, 0, 40)
    end = batch.positions[:, -1]
    matters = torch.zeros(40, batch.inputs.shape[1], dtype=torch.bool)
    for place in range(batch.inputs.shape[1]):
        inputs = changed(batch, torch.full((40,), place), change)
        matters[:, place] = task.solve(inputs, batch.positions)[:, -1] != batch.targets[:, -1]
    assert torch.equal(matters.int().argmax(1), end - lag)
    assert (matters.sum(1) == n_sources).all()


def test_adding_asks_for_the_sum_of_two_numbers() -> None:
    for task, lag in product((Adding(), Adding("published")), (2, 3, 30)):
        batch = task.examples(0, "test", lag, 0, 100)
        for row, target in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            marked = [number for number, mark in row if mark]
            assert len(marked) == 2
            assert target == [pytest.approx(sum(marked))]


def test_published_adding_marks_one_number_in_each_half_anywhere() -> None:
    batch = Adding("published").examples(0, "test", 21, 0, 8000)
    assert batch.inputs.shape == (8000, 21, 2)
    assert (batch.positions == 20).all()
    first, second = batch.inputs[..., 1].nonzero()[:, 1].view(-1, 2).unbind(1)
    assert uniform(first, 10)
    assert uniform(second - 10, 11)


@pytest.mark.parametrize("task", [Adding(), LaggedParity(), LaggedParity(marks=3)])
def test_prefixes_are_uniform(task: Task) -> None:
    batch = task.examples(0, "test", 40, 0, 6000)
    assert uniform(batch.positions[:, -1] - 40, 11)


def test_later_marks_fall_anywhere_between() -> None:
    batch = LaggedParity(marks=3).examples(0, "test", 12, 0, 4000)
    places = (batch.inputs >= 2).nonzero()[:, 1].view(-1, 3)
    assert torch.equal(places[:, 0], batch.positions[:, 0] - 12)
    assert uniform(places[:, 1:] - places[:, :1] - 1, 11)


def test_latch_noise_is_gaussian_and_does_not_touch_the_sign() -> None:
    batch = Latch(noise=2.0).examples(0, "test", 40, 0, 4000)
    noise = batch.inputs[:, 1:, 0].flatten() / 2
    cells = torch.tensor([NormalDist().inv_cdf(i / 20) for i in range(1, 20)])
    assert uniform(torch.bucketize(noise, cells), 20)
    assert abs((noise[1:] * noise[:-1]).mean()) < 4 / sqrt(len(noise))
    assert batch.inputs[:, 0].abs().min() >= 1
    assert alike((batch.inputs[:, 0, 0].abs() * 4).long(), batch.targets[:, 0])


def test_latch_cannot_be_summed() -> None:
    """The sum of everything gives the sign away as often as a Gaussian of deviation noise · √lag leaves it alone."""
    task = Latch(noise=0.5)

    def summed(inputs: Tensor, positions: Tensor, rng: Rng) -> Tensor:
        return (inputs[..., 0].sum(1, keepdim=True) > 0).long()

    lag = 64
    draws = np.random.default_rng(0).normal(size=200_000)
    expected = np.mean([NormalDist().cdf((1 + 0.5 * abs(g)) / (0.5 * sqrt(lag))) for g in draws[:20_000]])
    assert_scores(task, summed, lag, float(expected))
    assert expected < 0.65


def test_parity_is_the_count_of_ones() -> None:
    batch = Parity().examples(0, "test", 30, 0, 50)
    assert batch.targets.tolist() == [[sum(row[: i + 1]) % 2 for i in range(30)] for row in batch.inputs.tolist()]
    whole = Parity(every=False).examples(0, "test", 30, 0, 50)
    assert torch.equal(whole.inputs, batch.inputs)
    assert torch.equal(whole.targets, batch.targets[:, -1:])


@pytest.mark.parametrize("lag", [3, 4, 11, 12])
def test_two_timescales_layout(lag: int) -> None:
    """Held, tracked and blank alternate as they should, and every tracked symbol is asked for once."""
    batch = TwoTimescales(held=5, tracked=7).examples(0, "test", lag, 0, 100)
    for row, at, targets in zip(batch.inputs.tolist(), batch.positions.tolist(), batch.targets.tolist(), strict=True):
        held, *blank = row[: 2 - lag % 2]
        assert held < 5
        assert blank == [12] * (1 - lag % 2)
        pairs = row[2 - lag % 2 : -1]
        assert all(5 <= symbol < 12 for symbol in pairs[::2])
        assert set(pairs[1::2]) == {12}
        assert row[-1] == 13
        assert targets == [*pairs[::2], held]
        assert at == [*range(3 - lag % 2, lag, 2), lag]


def evaluate(words: list[str]) -> int:
    """Consume an expression as it is written. The published operations, told apart from the task's own."""
    word = words.pop(0)
    if not word.startswith("["):
        return int(word)
    values = []
    while words[0] != "]":
        values.append(evaluate(words))
    words.pop(0)
    assert 2 <= len(values) <= 5
    return {
        "[MIN": lambda: sorted(values)[0],
        "[MAX": lambda: sorted(values)[-1],
        "[MED": lambda: int(np.median(values)),
        "[SM": lambda: int(str(sum(values))[-1]),
    }[word]()


@pytest.mark.parametrize(("task", "lag"), [(ListOps(), 4), (ListOps(), 5), (ListOps(), 47), (ListOps(depth=2), 37)])
def test_listops_are_whole_expressions_of_the_length_asked_for(task: ListOps, lag: int) -> None:
    batch = task.examples(0, "test", lag, 0, 200)
    assert batch.inputs.shape == (200, lag)
    assert (batch.positions == lag - 1).all()
    for row, (target,) in zip(batch.inputs, batch.targets.tolist(), strict=True):
        words = task.written(row)
        opened = np.cumsum([word.startswith("[") - (word == "]") for word in words])
        assert opened.max() <= task.depth
        assert evaluate(words) == target
        assert not words


@pytest.mark.parametrize("arguments", [5, 10])
def test_listops_can_have_every_length(arguments: int) -> None:
    """Also those that leave the least room: the longest a depth allows, and the few before it."""
    for depth, longest in ((1, arguments + 2), (2, 2 + arguments * (arguments + 2))):
        task = ListOps(arguments, depth)
        for lag in range(4, longest + 1):
            batch = task.examples(0, "train", lag, 0, 4)
            assert torch.equal(task.solve(batch.inputs, batch.positions), batch.targets)
        with pytest.raises(ValueError, match=f"depth {depth} holds at most {longest} tokens"):
            task.examples(0, "train", longest + 1, 0, 1)


def test_listops_operations_are_the_published_ones() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 11):
        digits = rng.integers(10, size=n).tolist()
        found = [apply(operation, digits) for operation in range(4)]
        assert found == [min(digits), max(digits), int(np.median(digits)), sum(digits) % 10]


def test_listops_outermost_operation_says_little() -> None:
    """Every operation occurs often, and guessing the answer from the outermost one scores under 0.2."""
    batch = ListOps().examples(0, "test", 64, 0, 3000)
    table = torch.zeros(4, 10).index_put_((batch.inputs[:, 0] - 10, batch.targets[:, 0]), torch.tensor(1.0), True)
    assert (table.sum(1) > 3000 / 8).all()
    assert table.amax(1).sum() / 3000 < 0.2


def joined(image: np.ndarray) -> bool:
    """Walk from one dot: from a node over a dash to the next node."""
    side = len(image)
    start, end = (tuple(dot) for dot in np.argwhere(image == DOT))
    seen, front = {start}, [start]
    while front:
        row, column = front.pop()
        assert row % 2 == column % 2 == 0
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            dash, node = (row + down, column + right), (row + 2 * down, column + 2 * right)
            if 0 <= min(node) <= max(node) < side and image[dash] == DASH and node not in seen:
                seen.add(node)
                front.append(node)
    return end in seen


def images_of(batch: Batch) -> np.ndarray:
    side = isqrt(batch.inputs.shape[1] - 1)
    assert (batch.inputs[:, -1] == -1).all()
    return batch.inputs[:, :-1, 0].view(-1, side, side).numpy()


def degrees(images: np.ndarray) -> np.ndarray:
    """Dashes at each node (B, grid, grid)."""
    dashes = np.pad(images == DASH, ((0, 0), (1, 2), (1, 2))).astype(int)
    around = dashes[:, :-2, 1:-1] + dashes[:, 2:, 1:-1] + dashes[:, 1:-1, :-2] + dashes[:, 1:-1, 2:]
    return around[:, ::2, ::2]


@pytest.mark.parametrize(("lag", "side"), [(81, 9), (82, 10), (100, 10), (256, 16)])
@pytest.mark.parametrize("paths", [2, 3, 4])
def test_pathfinder_images(lag: int, side: int, paths: int) -> None:
    """Dots half a side apart on ends of paths, 2 · paths ends in all, no node with three dashes, the right class."""
    batch = Pathfinder(paths).examples(0, "test", lag, 0, 60)
    assert (batch.positions == side * side).all()
    images, grid = images_of(batch), (side + 1) // 2
    assert set(np.unique(images)) == {0, DASH, DOT}
    around = degrees(images)
    assert around.max() == 2
    assert ((around == 1).sum((1, 2)) == 2 * paths).all()
    for image, nodes, (target,) in zip(images, around, batch.targets.tolist(), strict=True):
        dots = np.argwhere(image == DOT)
        assert nodes[tuple(dots.T // 2)].tolist() == [1, 1]
        assert abs(dots[0] - dots[1]).sum() // 2 >= grid // 2
        assert joined(image) == target
        assert not image[1::2, 1::2].any()


@pytest.mark.parametrize("paths", [2, 3, 4])
def test_pathfinder_gives_nothing_away_but_the_joining(paths: int) -> None:
    """Counts, places and lengths have one distribution in both classes."""
    batch = Pathfinder(paths).examples(0, "test", 100, 0, 6000)
    images, classes = images_of(batch), batch.targets[:, 0]
    dots = np.stack(np.nonzero(images == DOT)[1:], 1).reshape(-1, 4) // 2
    across = (images[:, ::2] == DASH).sum((1, 2))
    features = {
        "dashes": (images == DASH).sum((1, 2)),
        "dashes across": across,
        "nodes on a path": (degrees(images) > 0).sum((1, 2)),
        "first row": (images[:, 0] == DASH).sum(1),
        "middle": (images[:, 3:6, 3:6] == DASH).sum((1, 2)),
        "distance": abs(dots[:, 0] - dots[:, 2]) + abs(dots[:, 1] - dots[:, 3]),
        "rows": dots[:, 0] * 5 + dots[:, 2],
        "columns": dots[:, 1] * 5 + dots[:, 3],
    }
    for name, values in features.items():
        assert alike(torch.from_numpy(values), classes), name


def test_pathfinder_goes_on_until_every_example_has_its_dots(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one candidate a round many examples wait; alone or in company each gets the same image."""
    monkeypatch.setattr("tasks.pathfinder.CANDIDATES", 1)
    task = Pathfinder(2)
    whole = task.examples(0, "train", 81, 0, 40).inputs
    assert torch.equal(whole, torch.cat([task.examples(0, "train", 81, i, 1).inputs for i in range(40)]))


def test_normal_numbers_do_not_depend_on_the_batch() -> None:
    class Half:
        n = 2

        def uniform(self, width: int) -> np.ndarray:
            return np.full((2, width), 0.5, np.float32)

    radius = sqrt(2 * np.log(2))
    np.testing.assert_allclose(normal(Half(), 3), [[-radius, -radius, 0]] * 2, atol=1e-6)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adding("Lag"), 'protocol must be one of lag, published, got "Lag"'),  # pyright: ignore[reportArgumentType]
        (lambda: Latch(noise=-0.1), "noise must be a standard deviation, 0 or more, got -0.1"),
        (lambda: Latch(noise=float("inf")), "noise must be"),
        (lambda: Latch(noise=float("nan")), "noise must be"),
        (lambda: LaggedParity(marks=0), "marks must be at least 1, got 0"),
        (lambda: LaggedParity(marks=3).examples(0, "train", 2, 0, 1), "needs a lag of at least 3, got 2"),
        (lambda: TwoTimescales(held=1), "held must be at least 2, got 1"),
        (lambda: TwoTimescales(tracked=1), "tracked must be at least 2, got 1"),
        (lambda: ListOps(arguments=4), "arguments must be from 5 to 10, got 4"),
        (lambda: ListOps(arguments=11), "arguments must be from 5 to 10, got 11"),
        (lambda: ListOps(depth=0), "depth must be from 1 to 10, got 0"),
        (lambda: ListOps(depth=11), "depth must be from 1 to 10, got 11"),
        (lambda: Pathfinder(paths=1), "paths must be from 2 to 4, got 1"),
        (lambda: Pathfinder(paths=5), "paths must be from 2 to 4, got 5"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
