"""`spanbench sweep`: the rows of a table as W&B sweeps of our own command line."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from benchmark.parsing import check_output
from benchmark.registry import UsageError
from benchmark.tables import Table, choice, table_named
from benchmark.tracking import BEST

HEAD = f"""\
# {{title}}: {{count}} runs of `spanbench run`, {{where}}.
#
#   wandb sweep {{path}}
#   wandb agent SWEEP        (what the first prints; as many agents as you like, in a checkout, `spanbench` on the PATH)
#
# {BEST} is the best validated s, mean over a cell's lags. Choose by it: a learning rate by its mean
# over seeds, say. The scores of the test are for what has been chosen.
"""


def sweep(name: str, output: str, lr: str | None, model: str | None = None) -> int:
    """Write a sweep for every row of a table, and say how to run it. `model`: those of an open table."""
    models = [each.strip() for each in model.split(",")] if model else []
    table = with_rates(table_named(name), [] if lr is None else rates(lr))
    if not table.cells(models):  # which says what is wrong with one before anything is written
        raise UsageError(f"table {table.name} has no cells")
    folder = Path(output) / table.name
    check_output(folder)
    console = Console(highlight=False, soft_wrap=True)
    rows = [row for row in ({"model": models} | row for row in table.rows) if [] not in row.values()]
    for number, row in enumerate(rows, 1):
        suffix = f"-{number}" if len(rows) > 1 else ""
        path = folder / f"sweep{suffix}.yaml"
        made = configuration(f"{table.name}{suffix}", table.title, row, folder / "sweep")
        count = math.prod(len(parameter.get("values", [0])) for parameter in made["parameters"].values())
        where = f"row {number} of {len(rows)} of table {table.name}"
        head = HEAD.format(title=table.title, count=count, where=where, path=path)
        path.write_text(head + yaml.safe_dump(made, sort_keys=False, width=120), encoding="utf-8")
        console.print(f"wandb sweep {path}    # {count} runs", markup=False)
    console.print("wandb agent SWEEP    # for each SWEEP that these print; as many agents as you like", markup=False)
    return 0


def rates(text: str) -> list[float]:
    """The learning rates of `--lr`. Raises UsageError."""
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"--lr: expected numbers, comma-separated, as in 1e-3,3e-3, got {text}") from None
    if len(set(found)) < len(found):
        raise UsageError(f"--lr: expected distinct learning rates, got {text}")
    return found


def with_rates(table: Table, found: list[float]) -> Table:
    """The table with these learning rates in every row. Raises UsageError where a row has its own."""
    for number, row in enumerate(table.rows, 1):
        for key in ("lr", "budget.lr"):
            if found and key in row:
                raise UsageError(f"table {table.name}, row {number}: it has its own {key}: leave --lr out")
    return replace(table, rows=[row | ({"budget.lr": found} if found else {}) for row in table.rows])


def configuration(name: str, title: str, row: dict[str, Any], output: Path) -> dict[str, Any]:
    """A sweep over the grid of a row; records go to OUTPUT/run. A run is new whatever lies there: W&B counts it."""
    return {
        "name": name,
        "description": title,
        "project": "spanbench",
        "program": "spanbench",
        "method": "grid",
        "metric": {"name": BEST, "goal": "maximize"},
        "parameters": {key: _parameter(word) for key, word in choice(row).items()},
        "command": ["${env}", "spanbench", "run", "${args}", f"--output={output}", "--fresh=true"],
    }


def _parameter(value: Any) -> dict[str, Any]:
    if not isinstance(value, list):
        return {"value": value}
    return {"values": value} if len(value) > 1 else {"value": value[0]}
