"""Tables: grids of cells, written as YAML in the options of `spanbench run`."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.registry import CONFIGS, UsageError, names, read_yaml, unknown
from leaderboard.cell import Cell

KEYS = {"title", "core_seconds", "cells"}
LONGEST = 1e12  # core seconds of a table


@dataclass(frozen=True)
class Table:
    """A table's name, its caption, what it is expected to cost on one core, and its rows of options."""

    name: str
    title: str
    core_seconds: float
    rows: list[dict[str, Any]]

    @property
    def is_open(self) -> bool:
        """Whether it leaves its models to the user: a row names none."""
        return any("model" not in row for row in self.rows)

    def cells(self, models: Sequence[str] = ()) -> list[Cell]:
        """Every cell of every row, in order; `models` are those of an open table. Raises UsageError naming the row."""
        from benchmark.expansion import expanded

        return list(expanded(self, models).cells())


def table_path(text: str) -> Path:
    """Where the table of that name in configs/tables, or at that path, is. Raises UsageError."""
    if text.endswith((".yaml", ".yml")):
        return Path(text)
    if "/" in text or text.endswith(".py"):
        raise UsageError(f"{text}: a table is a YAML: expected a name or the path of a .yaml")
    if text not in names("tables"):
        raise unknown("table", text, names("tables"))
    return CONFIGS / "tables" / f"{text}.yaml"


def table_named(text: str) -> Table:
    """The table of that name in configs/tables, or at that path. Raises UsageError."""
    path = table_path(text)
    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("cells"), list):
        raise UsageError(f"{path}: expected a mapping with a list under cells")
    for key in data:
        if key not in KEYS:
            raise UsageError(f"{path}: {unknown('key', str(key), KEYS)}")
    for number, row in enumerate(data["cells"], 1):
        if not isinstance(row, dict):
            raise UsageError(f"{path}: row {number} is not a mapping of options")
    title, seconds = data.get("title", path.stem), data.get("core_seconds", 0)
    if not isinstance(title, str):
        raise UsageError(f"{path}: title: expected a text, got {str(title)[:60]}")
    if type(seconds) not in (int, float) or not 0 <= seconds <= LONGEST:
        raise UsageError(f"{path}: core_seconds: expected a number of seconds, got {str(seconds)[:60]}")
    return Table(path.stem, title, float(seconds), data["cells"])


def choice(row: dict[str, Any]) -> dict[str, Any]:
    """The row, several learning rates under lr being one word: they are no axis, every cell chooses from them."""
    rates = row.get("lr")
    return row | ({"lr": ",".join(map(str, rates))} if isinstance(rates, list) else {})


def axes(row: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The options of a row, and of each the values that it takes, as command-line words."""
    values = [value if isinstance(value, list) else [value] for value in choice(row).values()]
    return [f"--{key}" for key in row], [[str(each) for each in value] for value in values]


def words(options: Sequence[str], point: Sequence[str]) -> list[str]:
    """The command-line words of one cell: options and their values in turn."""
    return [word for pair in zip(options, point, strict=True) for word in pair]


def expand(row: dict[str, Any]) -> list[list[str]]:
    """Command-line words of every cell of a row: lists are grids, the last of them running fastest.

    >>> expand({"model": ["rnn", "gru"], "seed": 1})
    [['--model', 'rnn', '--seed', '1'], ['--model', 'gru', '--seed', '1']]
    """
    options, values = axes(row)
    return [words(options, point) for point in itertools.product(*values)]
