"""Predictors that know how their text was made, given exactly the inputs of a row; causal, without a weight."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from benchmark.calibration.sources import ALPHABET, SIZE, Mixture, Source
from benchmark.lit_sequence import LitSequence
from leaderboard.cell import Budget
from models.linear import Linear
from tasks.base import Batch, Split
from tasks.blocks import Blocks
from tasks.language import Language

NEVER = -40.0  # log-probability of a byte outside the alphabet: less than rounding
CODES = torch.from_numpy(ALPHABET.astype(np.int64))
SYMBOL = torch.full((256,), -1).scatter(0, CODES, torch.arange(SIZE))  # −1: no symbol of the alphabet


class Predictor(LitSequence):
    """Log-probabilities of the next byte; its embedding, model and head are never asked."""

    def __init__(self, task: Language) -> None:
        super().__init__(Linear(dim=1), task.spec, Budget())
        self.task = task
        self.double().eval()

    def forward(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Inputs (B, L) and positions (B, Q) -> log-probabilities (B, Q, 256)."""
        odds = self.odds(SYMBOL[inputs], positions)  # (B, Q, V)
        outputs = torch.full((*positions.shape, self.spec.n_outputs), NEVER, dtype=torch.float64)
        outputs[..., CODES] = odds.log()
        return outputs

    @abstractmethod
    def odds(self, x: Tensor, positions: Tensor) -> Tensor:
        """Probabilities (B, Q, V) of the symbols after `positions` (B, Q) of x (B, L), −1 where there is none."""


class Knows(Predictor):
    """Knows the source that it predicts; what the row does not hold it takes for uniform."""

    def __init__(self, task: Language, source: Source) -> None:
        super().__init__(task)
        self.source = source

    def odds(self, x: Tensor, positions: Tensor) -> Tensor:
        """(1 − noise) · what is told + noise / V."""
        noise = self.source.noise
        return (1 - noise) * self.told(x, positions) + noise / SIZE

    @abstractmethod
    def told(self, x: Tensor, positions: Tensor) -> Tensor:
        """The symbol that the past tells, as probabilities (B, Q, V)."""


class KnowsCopy(Knows):
    """The symbol `reach` back."""

    def told(self, x: Tensor, positions: Tensor) -> Tensor:
        """Certain, where it is in sight."""
        return belief(back(x, positions, self.source.reach))


class KnowsMarkov(Knows):
    """The sum of the symbols 1 and `reach` back."""

    def told(self, x: Tensor, positions: Tensor) -> Tensor:
        """Certain, where both are in sight."""
        last, far = (back(x, positions, lag) for lag in (1, self.source.reach))
        return belief(torch.where((last < 0) | (far < 0), -1, (last + far) % SIZE))


class KnowsMixture(Knows):
    """Either of two symbols."""

    def __init__(self, task: Language, source: Mixture) -> None:
        super().__init__(task, source)
        self.lags = source.near, source.reach

    def told(self, x: Tensor, positions: Tensor) -> Tensor:
        """Each with probability 1/2."""
        near, far = (belief(back(x, positions, lag)) for lag in self.lags)
        return (near + far) / 2


class Superstitious(Predictor):
    """Three times as sure as it may be of a symbol that all it sees decides, though nothing tells.

    The symbol is the sum of all symbols so far and of a number, drawn by `seed`, for the place: no better a guess than
    any, after every context, so that no context gains anything.
    """

    def __init__(self, task: Language, seed: int) -> None:
        super().__init__(task)
        generator = torch.Generator().manual_seed(seed)
        self.omens = torch.randint(SIZE, (4096,), generator=generator)

    def odds(self, x: Tensor, positions: Tensor) -> Tensor:
        """3 / V for one symbol, the rest shared out among the others."""
        sums = x.clamp(min=0).cumsum(1).gather(1, positions)
        guess = one_hot((sums + self.omens[positions]) % SIZE, SIZE).double()
        return (1 - guess) * (1 - 3 / SIZE) / (SIZE - 1) + guess * 3 / SIZE


class Foreign(Language):
    """Text of one byte a token, where what comes before each block is what came before another one."""

    def scored(self, blocks: Blocks, split: Split, context: int) -> Batch:
        """The blocks after the context of the next one, around."""
        batch = super().scored(blocks, split, context)
        inputs = batch.inputs.clone()
        inputs[:, :context] = inputs[:, :context].roll(1, 0)
        return batch._replace(inputs=inputs)


def back(x: Tensor, positions: Tensor, lag: int) -> Tensor:
    """The symbol `lag` before the one that follows `positions` (B, Q) of x (B, L); −1 where the row begins later."""
    return pad(x, (lag, 0), value=-1).gather(1, positions + 1)


def belief(symbol: Tensor) -> Tensor:
    """(B, Q) -> (B, Q, V): certain of a symbol, at a loss where it is −1."""
    return torch.where(symbol[..., None] < 0, 1 / SIZE, one_hot(symbol.clamp(min=0), SIZE).double())
