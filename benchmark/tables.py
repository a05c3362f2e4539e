"""Tables: grids of cells, written as YAML in the options of `spanbench run`."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.options import cell_parser, make_cell
from benchmark.registry import CONFIGS, UsageError, names, read_yaml, unknown
from leaderboard.cell import Cell

KEYS = {"title", "core_seconds", "cells"}


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
        if self.is_open and not models:
            raise UsageError(f"table {self.name} is for models of your choice: add --model M,…")
        if models and not self.is_open:
            raise UsageError(f"table {self.name} has its own models: leave --model out")
        parser = cell_parser()
        found = []
        for number, row in enumerate(self.rows, 1):
            for argv in expand({"model": list(models)} | row):
                try:
                    cell, _, _ = make_cell(argv, parser)
                except UsageError as error:
                    raise UsageError(f"table {self.name}, row {number}: {error}") from None
                found.append(cell)
        if len({cell.id for cell in found}) < len(found):
            raise UsageError(f"table {self.name}: two of its cells are the same")
        return found


def table_named(text: str) -> Table:
    """The table of that name in configs/tables, or at that path. Raises UsageError."""
    path = Path(text) if text.endswith((".yaml", ".yml")) else CONFIGS / "tables" / f"{text}.yaml"
    if not text.endswith((".yaml", ".yml")) and text not in names("tables"):
        raise unknown("table", text, names("tables"))
    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("cells"), list):
        raise UsageError(f"{path}: expected a mapping with a list under cells")
    for key in data:
        if key not in KEYS:
            raise UsageError(f"{path}: {unknown('key', str(key), KEYS)}")
    for number, row in enumerate(data["cells"], 1):
        if not isinstance(row, dict):
            raise UsageError(f"{path}: row {number} is not a mapping of options")
    return Table(path.stem, data.get("title", path.stem), float(data.get("core_seconds", 0)), data["cells"])


def expand(row: dict[str, Any]) -> list[list[str]]:
    """Command-line words of every cell of a row: lists are grids, the last of them running fastest.

    >>> expand({"model": ["rnn", "gru"], "seed": 1})
    [['--model', 'rnn', '--seed', '1'], ['--model', 'gru', '--seed', '1']]
    """
    axes = [value if isinstance(value, list) else [value] for value in row.values()]
    options = [f"--{key}" for key in row]
    return [
        [word for pair in zip(options, point, strict=True) for word in (pair[0], str(pair[1]))]
        for point in itertools.product(*axes)
    ]
