"""Multi-query associative recall."""

import numpy as np
import torch

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws


class Mqar(Task):
    """Multi-query associative recall (Arora 2023): given key–value pairs, name the value of every key asked for.

    Keys and values come from disjoint halves of the vocabulary and are distinct within an example; fillers are
    values, so they never collide with a key. Every pair is asked for once, in random order, at the end. The last
    question, the probe, asks for a value that stands exactly `lag` inputs before it; the others stand where they
    fall, so that at mixed lags no offset gives the answer away. (At one fixed lag an offset does: a learning span
    here asks for reach, a retention span for association.) Chance is naming any value of a pair, 1/pairs.
    pairs=2, lag=6; keys are letters; `.` is not scored

        input   a 1 b 2 3 4 b a
        target  . . . . . . 2 1
    """

    def __init__(self, pairs: int = 4, vocab: int = 64) -> None:
        super().__init__()
        if pairs < 2:
            raise ValueError(f"pairs must be at least 2, got {pairs}")
        if vocab % 2 or vocab // 2 < pairs:
            raise ValueError(f"vocab must be even and hold a key for each pair (at least {2 * pairs}), got {vocab}")
        self.pairs, self.half = pairs, vocab // 2
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=vocab,
            n_outputs=self.half,
            metric="accuracy",
            chance=1 / pairs,
            baseline=1 / self.half,
            lag_unit="steps",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, 2·pairs + lag), what follows the probe is padding; a question for each pair that finds room."""
        n, pairs, half = draws.n, self.pairs, self.half
        keys = draws.distinct(half, pairs)
        values = draws.distinct(half, pairs)
        order = draws.order(pairs)  # of the questions; the probe comes last
        first = max(0, pairs - (lag + 1) // 2)  # the earliest pair whose probe falls behind the pairs
        probe = first + draws.below(pairs - first, 1)
        order[order == probe], order[:, -1:] = order[:, -1], probe  # swap the probe to the end
        where = 2 * probe + 1 + lag - np.arange(pairs - 1, -1, -1)
        room = where >= 2 * pairs
        inputs = draws.below(half, 2 * pairs + lag)
        inputs += half
        inputs[:, 0 : 2 * pairs : 2] = keys
        inputs[:, 1 : 2 * pairs : 2] = half + values
        asked = np.where(room, where, where[:, -1:])
        np.put_along_axis(inputs, asked, np.take_along_axis(keys, np.where(room, order, probe), 1), 1)
        targets = np.where(room, np.take_along_axis(values, order, 1), -100)
        return Batch(
            torch.from_numpy(inputs), torch.from_numpy(asked), torch.from_numpy(targets), torch.full((n,), lag)
        )
