"""Recall amid noise."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.mqar import ask, check_pairs, probe_last
from tasks.spelling import letters, numbers, spell


class NoisyRecall(Task):
    """Key–value recall amid noise (MAD, Poli 2024): as mqar, with symbols of a noise vocabulary interspersed.

    `noise` is their share: the pairs stand in random places among just so many noise symbols, and each filler behind
    them is noise with that probability, else a value. Noise never parts a key from its value. The lag runs from the
    value to its key's return. The pairs stand close together, before every question, and all are asked for; the
    probe's is drawn at random from them: were pairs spread over the whole input, the earliest would mostly be the
    source. Chance is naming any value of a pair, 1/pairs. (At lags shorter than the pairs themselves, only the latest
    pairs can be the source.)

    >>> from tasks.spelling import example
    >>> print(example(NoisyRecall(pairs=2, vocab=10, noise_vocab=2, noise=0.5), lag=9))
    input   -0  d  4 -0  a  3 -0 -0  3 -0 -0  2 -1  d  a
    target   .  .  .  .  .  .  .  .  .  .  .  .  .  4  3
    lag                     ^                          |
    """

    def __init__(self, pairs: int = 4, vocab: int = 64, noise_vocab: int = 16, noise: float = 0.2) -> None:
        super().__init__()
        check_pairs(pairs, vocab)
        at_least(1, noise_vocab=noise_vocab)
        if not 0 <= noise <= 0.95:
            raise ValueError(f"noise must be a share from 0 to 0.95, got {noise}")
        self.pairs, self.half, self.noise_vocab, self.noise = pairs, vocab // 2, noise_vocab, noise
        self.among = round(2 * pairs * noise / (1 - noise))  # noise symbols among the pairs
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=vocab + noise_vocab,
            n_outputs=self.half,
            metric="accuracy",
            chance=1 / pairs,
            baseline=1 / self.half,
            lag_unit="steps",
            min_lag=1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, 2·pairs + among + lag), what follows the probe is padding; a question for each pair with room."""
        pairs, head = self.pairs, 2 * self.pairs + self.among
        keys = draws.distinct(self.half, pairs)
        values = draws.distinct(self.half, pairs)
        # a pair or a noise symbol is one item; each earlier pair moves the next by one more input
        starts = np.sort(draws.distinct(pairs + self.among, pairs), axis=1) + np.arange(pairs)
        questions = probe_last(draws, starts + 1, starts[:, -1:] + 2, lag)
        inputs = draws.below(self.noise_vocab, head + lag)
        inputs += 2 * self.half
        fillers = draws.below(self.half, lag)
        fillers += self.half
        np.copyto(inputs[:, head:], fillers, where=draws.uniform(lag) >= self.noise)
        np.put_along_axis(inputs, starts, keys, 1)
        np.put_along_axis(inputs, starts + 1, self.half + values, 1)
        return ask(inputs, keys[:, :, None], values, questions, lag)

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Noise and values, as behind the pairs; no key stands before a value."""
        noise = 2 * self.half + draws.below(self.noise_vocab, length)
        values = self.half + draws.below(self.half, length)
        return torch.from_numpy(np.where(draws.uniform(length) < self.noise, noise, values))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The value behind the first return of the key that stands at each position; 0 where there is none."""
        same = inputs.gather(1, positions)[:, :, None] == inputs[:, None, :-1]  # (B, Q, L − 1)
        values = inputs[:, 1:] - self.half
        told = same & ((values >= 0) & (values < self.half))[:, None]
        first = told.long().argmax(2)
        return values.gather(1, first) * told.any(2)

    def written(self, row: Tensor) -> list[str]:
        """Keys are letters, values and fillers numbers, noise is - with its number."""
        noise = ["-"] if self.noise_vocab == 1 else [f"-{number}" for number in numbers(self.noise_vocab)]
        return spell(row, letters(self.half, "a") + numbers(self.half) + noise)
