"""ListOps."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws
from tasks.spelling import numbers, spell

Pick = Callable[[int], int]  # n -> a random number below n

NAMES = ("MIN", "MAX", "MED", "SM")
OPEN, CLOSE = 10, 14  # digits are themselves, then "[" with each operation, then "]"


def apply(operation: int, digits: Sequence[int]) -> int:
    """The smallest, the largest, the median (rounded down), or the sum modulo 10."""
    if operation == 2:
        ranked = sorted(digits)
        return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) // 2
    return (min(digits), max(digits), 0, sum(digits) % 10)[operation]


@lru_cache(maxsize=2**17)
def fitting(operation: int, others: tuple[int, ...], value: int) -> list[int]:
    """The digits that beside `others` make `operation` give `value`."""
    return [digit for digit in range(10) if apply(operation, (*others, digit)) == value]


class ListOps(Task):
    """Evaluate nested lists of digits (Nangia & Bowman 2018; Long Range Arena, Tay 2021).

    Each list takes the MINimum, the MAXimum, the MEDian (rounded down) or the Sum Modulo 10 of 2 … `arguments` digits
    and lists, nested at most `depth` deep. What stands for the lag is the length, exact to the token, brackets
    included: neither it nor the place of the answer, the last bracket, says anything. Values are drawn from the outside
    in: the answer first, uniform; then for each list all its values but one, uniform too, and that one such that the
    list has the value it should. The operation is the first one, in random order, for which there is such a digit (for
    a sum there always is). So every answer is equally frequent: knowing nothing scores 1/10, and as the answer hangs on
    the whole, with no single source and no lag, that is what chance stands for. A partial reading scores more: the
    outermost operation alone 0.17; with it and a count of every symbol a linear classifier got 0.67 at 4 tokens, 0.21
    at 16 and 0.17 at 64.

    >>> from tasks.spelling import example
    >>> print(example(ListOps(), lag=16))
    input    [SM    6  [SM [MAX  [SM    9    4    ]    3    ]    2    9    8    3    ]    ]
    target     .    .    .    .    .    .    .    .    .    .    .    .    .    .    .    1
    """

    def __init__(self, arguments: int = 5, depth: int = 10) -> None:
        super().__init__()
        if not 5 <= arguments <= 10:
            raise ValueError(f"arguments must be from 5 to 10, got {arguments}")
        if not 1 <= depth <= 10:
            raise ValueError(f"depth must be from 1 to 10, got {depth}")
        self.arguments, self.depth = arguments, depth
        self.longest = [1]  # tokens of the longest expression nested 0, 1 … deep
        for _ in range(depth):
            self.longest.append(2 + arguments * self.longest[-1])
        self.spec = TaskSpec(
            inputs="symbols",
            n_inputs=CLOSE + 1,
            n_outputs=10,
            metric="accuracy",
            chance=1 / 10,
            baseline=1 / 10,
            lag_unit="none",
            min_lag=4,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, lag): one expression an example, written by a loop."""
        if lag > self.longest[-1]:
            raise ValueError(f"depth {self.depth} holds at most {self.longest[-1]} tokens, got a lag of {lag}")
        answers = draws.below(10, 1)
        rows: list[list[int]] = []
        # An expression with m lists takes at most 2 · lag + 5 m words, and a list is at least 4 tokens long.
        for answer, words in zip(answers[:, 0].tolist(), draws.words(4 * lag).tolist(), strict=True):
            rows.append([])
            self._write(rows[-1], lag, self.depth, answer, picker(words))
        where = torch.full((draws.n, 1), lag - 1)
        return Batch(torch.tensor(rows), where, torch.from_numpy(answers), torch.full((draws.n,), lag))

    def _write(self, tokens: list[int], length: int, depth: int, value: int, pick: Pick) -> None:
        """Append an expression of `length` tokens that is nested at most `depth` deep and has this value."""
        if length == 1:
            tokens.append(value)
            return
        lengths = self._lengths(length - 2, self.longest[depth - 1], pick)
        operation, values = arguments_of(value, len(lengths), pick)
        tokens.append(OPEN + operation)
        for each, its_value in zip(lengths, values, strict=True):
            self._write(tokens, each, depth - 1, its_value, pick)
        tokens.append(CLOSE)

    def _lengths(self, total: int, longest: int, pick: Pick) -> list[int]:
        """The lengths of a list's arguments, `total` together: 1 for a digit, 4 … `longest` for a list."""
        choices = [k for k in range(2, self.arguments + 1) if total == k or 3 <= total - k <= k * (longest - 1)]
        n = choices[pick(len(choices))]
        extra = total - n  # tokens beyond one for each argument
        if not extra:
            return [1] * n
        fewest = -(-extra // (longest - 1))
        n_lists = fewest + pick(min(n, extra // 3) - fewest + 1)
        spare, room = extra - 3 * n_lists, longest - 4  # tokens beyond the shortest lists; what one list can take
        lengths = [1] * n
        for left in range(n_lists - 1, -1, -1):  # lists still to come
            low, high = max(0, spare - left * room), min(spare, room)
            more = low + pick(high - low + 1)
            spare -= more
            digits = [place for place in range(n) if lengths[place] == 1]
            lengths[digits[pick(len(digits))]] = 4 + more
        return lengths

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Read from the left with a stack; a bracket that closes nothing is skipped."""
        return torch.tensor([[evaluate(row)] for row in inputs.tolist()])

    def written(self, row: Tensor) -> list[str]:
        """[MIN 3 4 ]."""
        return spell(row, [*numbers(10), *(f"[{name}" for name in NAMES), "]"])


def picker(words: list[int]) -> Pick:
    """Random numbers below any n from 32-bit words, one each."""
    stream = iter(words)
    return lambda n: next(stream) * n >> 32


def arguments_of(value: int, n: int, pick: Pick) -> tuple[int, list[int]]:
    """An operation and `n` digits on which it gives `value`: all but one uniform, that one at a random place."""
    digits = [pick(10) for _ in range(n - 1)]
    others = tuple(sorted(digits))
    operations = [0, 1, 2, 3]
    while True:
        operation = operations.pop(pick(len(operations)))
        fits = fitting(operation, others, value)
        if fits:
            digits.insert(pick(n), fits[pick(len(fits))])
            return operation, digits


def evaluate(tokens: Sequence[int]) -> int:
    """The value of the last list that closes, 0 where none does."""
    value, stack = 0, [[0]]  # each open list: its operation, then its values
    for token in tokens:
        if token < OPEN:
            stack[-1].append(token)
        elif token < CLOSE:
            stack.append([token - OPEN])
        elif len(stack) > 1:
            operation, *digits = stack.pop()
            value = apply(operation, digits or [0])
            stack[-1].append(value)
    return value
