"""Palindromes with a marked centre."""

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec, at_least
from tasks.draws import Draws
from tasks.spelling import letters, spell


class Palindrome(Task):
    """Is the string a mirror image around its mark? Asked at every symbol behind the mark, of the string so far.

    `|` marks the centre and keeps mirrored symbols an even distance apart; `||` makes it odd. The probe is the symbol
    whose mirror image, the source, lies exactly `lag` before it. Half of the strings are palindromes; in the others
    the probe's symbol is wrong and no other: the answer is yes before it and no from there on. Since all other pairs
    match in both, chance is 1/2 without the source. The strings begin up to a quarter of the lag before the source and
    go on as far behind the probe, so that these are not always the first symbol and the last. The load, a symbol a
    pair, grows with the lag. 1 is yes:

    >>> from tasks.spelling import example
    >>> print(example(Palindrome(symbols=4), lag=5, index=3))
    input   B A C | | C B B
    target  . . . . . 1 0 0
    lag       ^         |
    """

    def __init__(self, symbols: int = 8) -> None:
        super().__init__()
        at_least(2, symbols=symbols)
        self.symbols = symbols
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=symbols + 2,  # symbols, the mark, padding
            n_outputs=2,
            metric="accuracy",
            chance=1 / 2,
            baseline=1 / 2,
            lag_unit="steps",
            min_lag=2,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, marks + 2·(lag//2 + lag//4)): a half, 1 or 2 marks, its mirror image, padding."""
        n, depth, marks = draws.n, lag // 2, 1 + lag % 2  # the probe is the depth-th symbol behind the marks
        most, spare = depth + lag // 4, draws.below(lag // 4 + 1, 1)
        half = most - spare
        yes = draws.below(2, 1)
        behind = draws.below(self.symbols, most)  # the mirror image, the centre's neighbour first
        mark, padding = np.full((n, marks), self.symbols), np.full((n, lag // 4), self.symbols + 1)
        longest = np.concatenate([behind[:, ::-1], mark, behind, padding], 1)
        width = 2 * most + marks
        inputs = sliding_window_view(longest, width, axis=1)[np.arange(n), spare[:, 0]]  # less `spare` symbols in front
        inputs[np.arange(width) >= width - 2 * spare] = self.symbols + 1  # and as many at the end
        start = half + marks
        probe = start + depth - 1
        wrong = (1 - yes) * (1 + draws.below(self.symbols - 1, 1))
        right = np.take_along_axis(inputs, probe, 1)
        np.put_along_axis(inputs, probe, (right + wrong) % self.symbols, 1)
        order = np.array([*range(depth - 1), *range(depth, most), depth - 1])  # the probe comes last
        inside = order < half
        targets = np.where(inside, np.where(order < depth - 1, 1, yes), -100)
        where = np.where(inside, start + order, probe)
        return Batch(
            torch.from_numpy(inputs), torch.from_numpy(where), torch.from_numpy(targets), torch.full((n,), lag)
        )

    def filler(self, draws: Draws, length: int) -> Tensor:
        """Symbols further from the centre than any that is asked for."""
        return torch.from_numpy(draws.below(self.symbols, length))

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """1 where every symbol from the marks to each position equals its mirror image."""
        marked = inputs == self.symbols
        first = marked.int().argmax(1, keepdim=True)
        last = first + marked.sum(1, keepdim=True) - 1
        column = torch.arange(inputs.shape[1])
        image = (first + last - column).clamp(0, len(column) - 1)
        wrong = (inputs != inputs.gather(1, image)) & (column > last)
        return (wrong.cumsum(1).gather(1, positions) == 0).long()

    def written(self, row: Tensor) -> list[str]:
        """A B … symbols, | the mark, _ padding."""
        return spell(row, [*letters(self.symbols), "|", "_"])
