"""Memorization in the weights."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.feeds import SPLITS
from tasks.spelling import letters, numbers, spell


class Memorization(Task):
    """Name the value that a fixed dictionary gives the key just read (after MAD, Poli 2024).

    The dictionary pairs every key with a value of its own, at random. It belongs to the task, not to the example: it
    is the same in every split and for every seed (`dictionary_seed` names another), and values are never inputs, so
    it is learned into the weights or not at all. Keys are drawn at random, each followed by a `?`. All answers are
    trained on; the one that is scored is drawn at random, which on average scores them all. There is no source in the
    input: the input's length takes the lag's place. Chance is not knowing the dictionary, 1/keys.

    >>> from tasks.spelling import example
    >>> print(example(Memorization(keys=4), lag=8))
    input   c ? b ? c ? a ?
    target  . 1 . 3 . 1 . 0
    """

    def __init__(self, keys: int = 64, dictionary_seed: int = 0) -> None:
        super().__init__()
        at_least(2, keys=keys)
        at_least(0, dictionary_seed=dictionary_seed)
        self.keys = keys
        # a stream that no split has: theirs are numbered below len(SPLITS), the training lags' is len(SPLITS)
        self.dictionary = Draws((dictionary_seed, len(SPLITS) + 1), 0, 1).order(keys)[0]
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=keys + 1,  # keys, the question
            n_outputs=keys,
            metric="accuracy",
            chance=1 / keys,
            baseline=1 / keys,
            lag_unit="none",
            min_lag=2,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag): key and question in turn; an odd length ends in a question more, which is not scored."""
        asked = lag // 2
        keys = draws.below(self.keys, asked)
        inputs = np.full((draws.n, lag), self.keys)
        inputs[:, 0 : 2 * asked : 2] = keys
        order = (draws.below(asked, 1) + np.arange(asked)) % asked  # the probe comes last
        targets = self.dictionary[np.take_along_axis(keys, order, 1)]
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(2 * order + 1),
            torch.from_numpy(targets),
            torch.full((draws.n,), lag),
        )

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The dictionary's value for the key before each position."""
        keys = inputs.gather(1, positions - 1).clamp(max=self.keys - 1)
        return torch.from_numpy(self.dictionary)[keys]

    def written(self, row: Tensor) -> list[str]:
        """Keys are letters."""
        return spell(row, [*letters(self.keys, "a"), "?"])

    def answered(self, targets: Tensor) -> list[str]:
        """Values are numbers."""
        return spell(targets, numbers(self.keys))
