"""Examples as a reader sees them."""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from tasks.base import Batch, Task


def letters(n: int, first: str = "A") -> list[str]:
    """n names: A B C …, numbered where an alphabet of 26 is too small.

    >>> letters(3, "a")
    ['a', 'b', 'c']
    >>> letters(27)[-1]
    'A26'
    """
    return [chr(ord(first) + i) for i in range(n)] if n <= 26 else [f"{first}{i}" for i in range(n)]


def numbers(n: int) -> list[str]:
    """n names: 0 1 2 …"""
    return [str(i) for i in range(n)]


def spell(row: Tensor, names: list[str]) -> list[str]:
    """The names of a row of symbols (L,)."""
    return [names[symbol] for symbol in row.tolist()]


def example(task: "Task", lag: int, index: int = 0, seed: int = 0) -> str:
    """A training example in columns: its inputs, what is asked of it where, and how far back the probe's source lies.

    `.` is not scored; `^` stands under the source, `|` under the probe.
    """
    return "\n".join(f"{name:8}{' '.join(cells)}".rstrip() for name, cells in columns(task, lag, index, seed))


def columns(task: "Task", lag: int, index: int = 0, seed: int = 0) -> list[tuple[str, list[str]]]:
    """The lines of an example: a name, and a cell for each input, all of one width."""
    batch = task.examples(seed, "train", lag, index, 1)
    last = int(batch.positions.max())
    inputs = task.written(batch.inputs[0, : last + 1])
    asked = ["."] * (last + 1)
    for position, answers in _answers(task, batch).items():
        asked[position] = ",".join(answers)
    lines = [("input", inputs), ("target", asked)]
    if task.spec.lag_unit != "none" and task.spec.probes is not None:
        probe, marks = int(batch.positions[0, -1]), [" "] * (last + 1)
        marks[probe - int(batch.lag_tokens[0])], marks[probe] = "^", "|"
        lines.append(("lag", marks))
    width = max(len(cell) for _, cells in lines for cell in cells)
    return [(name, [cell.rjust(width) for cell in cells]) for name, cells in lines]


def _answers(task: "Task", batch: "Batch") -> dict[int, list[str]]:
    """What is to be answered at each scored position, empty places left out."""
    slots = task.spec.slots
    found: dict[int, list[str]] = {}
    for place, position in enumerate(batch.positions[0].tolist()):
        targets = batch.targets[0, place * slots : (place + 1) * slots]
        if targets[0] != -100:
            found[position] = task.answered(targets)
    return found
