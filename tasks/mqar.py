"""Multi-query associative recall."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.protocols import Protocol, is_published
from tasks.spelling import letters, numbers, spell

Ints = NDArray[np.int64]
POWER = 0.01  # of the published gaps' power law


class Mqar(Task):
    """Multi-query associative recall (Arora 2023): given key–value pairs, name the value of every key asked for.

    Keys and values come from disjoint halves of the vocabulary and are distinct within an example; fillers are
    values, so they never collide with a key. Every pair is asked for once, in random order, at the end. The last
    question, the probe, asks for a value that stands exactly `lag` inputs before it; the others stand where they
    fall, so that at mixed lags no offset gives the answer away. (At one fixed lag an offset does: a learning span
    here asks for reach, a retention span for association.) Chance is naming any value of a pair, 1/pairs.

    protocol="published": inputs of length T, which stands for the lag. Each key is asked for once, at input
    2·(pairs + g), the gaps g = 0, 1, … distinct within an example and drawn in proportion to (g + 1)**(a − 1),
    a = 0.01; every question is scored. Only the fillers differ: the authors draw them from all symbols, keys too.

    >>> from tasks.spelling import example
    >>> print(example(Mqar(pairs=2, vocab=10), lag=6))
    input   c 0 d 1 4 2 d c
    target  . . . . . . 1 0
    lag       ^           |
    """

    def __init__(self, pairs: int = 4, vocab: int = 64, protocol: Protocol = "lag") -> None:
        super().__init__()
        check_pairs(pairs, vocab)
        self.pairs, self.half, self.published = pairs, vocab // 2, is_published(protocol)
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=vocab,
            n_outputs=self.half,
            metric="accuracy",
            chance=1 / pairs,
            baseline=1 / self.half,
            lag_unit="none" if self.published else "steps",
            min_lag=4 * pairs if self.published else 1,
            probes=pairs if self.published else 1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, 2·pairs + lag), what follows the probe is padding; a question for each pair that finds room.

        As published, inputs (n, lag) and a question for each pair.
        """
        pairs, half = self.pairs, self.half
        keys = draws.distinct(half, pairs)
        values = draws.distinct(half, pairs)
        sources = np.broadcast_to(np.arange(1, 2 * pairs, 2), keys.shape)
        questions = gaps(draws, pairs, lag) if self.published else probe_last(draws, sources, 2 * pairs, lag)
        inputs = draws.below(half, lag if self.published else 2 * pairs + lag)
        inputs += half
        inputs[:, 0 : 2 * pairs : 2] = keys
        inputs[:, 1 : 2 * pairs : 2] = half + values
        return ask(inputs, keys[:, :, None], values, questions, lag)

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Values: no key stands before them."""
        return torch.from_numpy(self.half + draws.below(self.half, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The value behind the pair's key that stands at each position; 0 where no pair has it."""
        keys, values = inputs[:, 0 : 2 * self.pairs : 2], inputs[:, 1 : 2 * self.pairs : 2] - self.half
        same = inputs.gather(1, positions)[:, :, None] == keys[:, None]  # (B, Q, pairs)
        return (same * values.clamp(min=0)[:, None]).amax(2)

    def written(self, row: Tensor) -> list[str]:
        """Keys are letters, values and fillers numbers."""
        return spell(row, letters(self.half, "a") + numbers(self.half))


def check_pairs(pairs: int, vocab: int) -> None:
    """Refuse fewer than two pairs, and a vocabulary whose halves cannot hold them."""
    at_least(2, pairs=pairs)
    if vocab % 2 or vocab // 2 < pairs:
        raise ValueError(f"vocab must be even and hold a key for each pair (at least {2 * pairs}), got {vocab}")


class Questions(NamedTuple):
    """Which pair each question asks for, where it ends, and whether it is scored; (n, pairs) each."""

    order: Ints
    where: Ints
    scored: NDArray[np.bool_]


def probe_last(draws: Draws, sources: Ints, first: Ints | int, lag: int, pitch: int = 1) -> Questions:
    """Questions in random order, `pitch` inputs from one to the next, the last of them exactly `lag` behind its source.

    The values stand at `sources` (n, pairs), in order. No question may end before `first`, a number or (n, 1): the last
    asks for any of the pairs that keep to it, others that do not are dropped: they repeat the last, and go unscored.
    """
    pairs = sources.shape[1]
    order = draws.order(pairs)
    able = (sources + lag >= first).sum(1, keepdims=True)
    probe = pairs - able + draws.below(able, 1)
    order[order == probe], order[:, -1:] = order[:, -1], probe  # swap the probe to the end
    where = np.take_along_axis(sources, probe, 1) + lag - pitch * np.arange(pairs - 1, -1, -1)
    scored = where >= first
    return Questions(np.where(scored, order, probe), np.where(scored, where, where[:, -1:]), scored)


def gaps(draws: Draws, pairs: int, length: int) -> Questions:
    """The published questions, at random gaps behind the last pair.

    Distinct gaps are the first finishers of a race of exponential clocks whose rates are the probabilities
    (Efraimidis & Spirakis 2006), and are dealt to the pairs at random: an early finisher tends to be a short gap.
    """
    rates = np.arange(1, (length - 2 * pairs) // 2 + 1) ** (POWER - 1.0)
    clocks = -np.log1p(-draws.uniform(len(rates)).astype(np.float64)) / rates
    first = np.argsort(clocks, axis=1, kind="stable")[:, :pairs]
    return Questions(draws.order(pairs), 2 * pairs + 2 * first, np.ones_like(first, np.bool_))


def ask(inputs: Ints, keys: Ints, values: Ints, questions: Questions, lag: int) -> Batch:
    """Write the questions, keys (n, pairs, symbols), into the inputs; their answers are the values (n, pairs)."""
    n, pairs, width = keys.shape
    order, where, scored = questions
    places = where[:, :, None] + np.arange(1 - width, 1)  # (n, pairs, symbols), up to where it ends
    asked = np.take_along_axis(keys, order[:, :, None], 1)
    np.put_along_axis(inputs, places.reshape(n, pairs * width), asked.reshape(n, pairs * width), 1)
    targets = np.where(scored, np.take_along_axis(values, order, 1), -100)
    tensors = torch.from_numpy(inputs), torch.from_numpy(where), torch.from_numpy(targets)
    return Batch(*tensors, torch.full((n,), lag))
