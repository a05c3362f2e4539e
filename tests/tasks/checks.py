"""What the tests of tasks share. Solvers and guessers know a task only by its examples."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from tasks.base import Batch, Task

N = 2000
ALPHA = 1e-4  # a test that is right fails once in so many
Guess = Callable[[Tensor, Tensor, np.random.Generator], Tensor]  # inputs, positions, rng -> answers like the targets


def probes(task: Task, answers: Tensor) -> Tensor:
    """The probes among answers shaped as the targets, (B · probes,)."""
    return answers[:, -(task.spec.probes or 0) :].flatten()


def correct(task: Task, answers: Tensor, batch: Batch) -> int:
    """How many probes are right."""
    return int((probes(task, answers) == probes(task, batch.targets)).sum())


def assert_scores(task: Task, guess: Guess, lag: int, expected: float, n: int = N) -> None:
    """A guesser scores `expected`: within its binomial interval, or within four standard errors for an mse."""
    batch = task.examples(0, "test", lag, 0, n)
    answers = guess(batch.inputs, batch.positions, np.random.default_rng(0))
    if task.spec.metric == "accuracy":
        total = n * (task.spec.probes or 0)
        assert binomtest(correct(task, answers, batch), total, expected).pvalue > ALPHA, (
            correct(task, answers, batch) / total
        )
        return
    squares = (probes(task, answers) - probes(task, batch.targets)).double().square().numpy()
    assert abs(squares.mean() - expected) < 4 * squares.std() / len(squares) ** 0.5, squares.mean()


def assert_chance(task: Task, guess: Guess, lag: int, n: int = N) -> None:
    """The best guesser without the source or its binding scores the declared chance."""
    assert_scores(task, guess, lag, task.spec.chance, n)


def assert_baseline(task: Task, guess: Guess, lag: int, n: int = N) -> None:
    """A guesser who knows nothing scores the declared baseline."""
    assert_scores(task, guess, lag, task.spec.baseline, n)


def without_the_past(task: Task, batch: Batch) -> Tensor:
    """The inputs with everything at the source and before it taken from another example."""
    at = batch.positions[:, -1]
    past = torch.arange(batch.inputs.shape[1]) <= (at - batch.lag_tokens)[:, None]  # (B, L)
    other = batch.inputs.roll(1, 0)
    return torch.where(past if batch.inputs.dim() == 2 else past[..., None], other, batch.inputs)
