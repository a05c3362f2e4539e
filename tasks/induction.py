"""Induction heads."""

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws
from tasks.protocols import Protocol, is_published
from tasks.spelling import letters, spell


class Induction(Task):
    """Induction heads (Gu & Dao 2023, section 4.1.2): name the symbol that stood behind the special one.

    The special symbol `*` stands once among random symbols, and again at the end, where its successor is due. The lag
    runs from the successor to the end. A random prefix, up to a quarter of the lag and at least as many symbols as
    could be answers, keeps the place of the source from giving it away. Every other symbol is drawn independently of
    the answer, so without the source nothing is known of it: chance is 1/(vocab − 1). (Naming the commonest symbol of
    the inputs does better where they are few: for 16 symbols by .26 at lag 1, .06 at lag 64 and .02 at lag 512.)

    protocol="published": inputs of length T, which stands for the lag; the special symbol stands anywhere in them.

    >>> from tasks.spelling import example
    >>> print(example(Induction(vocab=4), lag=5))
    input   A C A * A A C B A *
    target  . . . . . . . . . A
    lag             ^         |
    """

    def __init__(self, vocab: int = 16, protocol: Protocol = "lag") -> None:
        super().__init__()
        if vocab < 3:
            raise ValueError(f"vocab must be at least 3 (two answers and the special symbol), got {vocab}")
        self.special, self.published = vocab - 1, is_published(protocol)
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=vocab,
            n_outputs=vocab - 1,
            metric="accuracy",
            chance=1 / (vocab - 1),
            baseline=1 / (vocab - 1),
            lag_unit="none" if self.published else "steps",
            min_lag=3 if self.published else 1,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, prefix + lag + 2), what follows the last special symbol is padding; as published (n, lag)."""
        prefix = lag - 3 if self.published else max(self.special, lag // 4)  # at most
        length = lag if self.published else prefix + lag + 2
        inputs = draws.below(self.special, length)
        first = draws.below(prefix + 1, 1)
        last = np.full_like(first, lag - 1) if self.published else first + 1 + lag
        rows = np.arange(draws.n)[:, None]
        inputs[rows, first] = inputs[rows, last] = self.special
        targets = torch.from_numpy(inputs[rows, first + 1])
        return Batch(torch.from_numpy(inputs), torch.from_numpy(last), targets, torch.full((draws.n,), lag))

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Symbols that are not special."""
        return torch.from_numpy(draws.below(self.special, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """The symbol behind the first special one."""
        first = (inputs == self.special).long().argmax(1, keepdim=True)
        return inputs.gather(1, (first + 1).clamp(max=inputs.shape[1] - 1)).clamp(max=self.special - 1)

    def written(self, row: Tensor) -> list[str]:
        """A B …, * the special symbol."""
        return spell(row, [*letters(self.special), "*"])

    def answered(self, targets: Tensor) -> list[str]:
        """As the inputs have them."""
        return spell(targets, letters(self.special))
