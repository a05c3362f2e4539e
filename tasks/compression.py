"""Compression into one vector."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.copy_memory import modal_share
from tasks.draws import Draws
from tasks.selective_copy import in_order
from tasks.spelling import letters, spell


class Compression(Task):
    """Name all `tokens` symbols of the input, in order, from the output at its end (after MAD, Poli 2024).

    The symbols stand anywhere among blanks, and the one output vector at `?` has to hold them all: the linear head
    reads a slot for each. There is no single source; the length of the input takes the lag's place. Chance is holding
    which symbols occurred but not in what order, and naming the commonest of them every time.

    >>> from tasks.spelling import example
    >>> print(example(Compression(tokens=3, symbols=4), lag=7))
    input       _     B     C     _     _     D     ?
    target      .     .     .     .     .     . B,C,D
    """

    def __init__(self, tokens: int = 8, symbols: int = 16) -> None:
        super().__init__()
        at_least(2, tokens=tokens, symbols=symbols)
        self.tokens, self.symbols = tokens, symbols
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=symbols + 2,  # answers, the blank, the question
            n_outputs=symbols,
            metric="accuracy",
            chance=modal_share(tokens, symbols),
            baseline=1 / symbols,
            lag_unit="none",
            min_lag=tokens + 1,
            probes=tokens,
            slots=tokens,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag), the question last."""
        inputs = np.full((draws.n, lag), self.symbols)
        answers = draws.below(self.symbols, self.tokens)
        np.put_along_axis(inputs, np.sort(draws.distinct(lag - 1, self.tokens), axis=1), answers, 1)
        inputs[:, -1] = self.symbols + 1
        where = torch.full((draws.n, 1), lag - 1)
        return Batch(torch.from_numpy(inputs), where, torch.from_numpy(answers), torch.full((draws.n,), lag))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The symbols in order."""
        return in_order(inputs, self.symbols, self.tokens)

    def written(self, row: Tensor) -> list[str]:
        """A B … answers, _ a blank, ? the question."""
        return spell(row, [*letters(self.symbols), "_", "?"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, letters(self.symbols))
