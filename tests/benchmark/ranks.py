"""Cells trained by several processes of this machine, which find each other as torchrun's would."""

import csv
import json
import math
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from benchmark.options import cell_parser, make_cell
from benchmark.run_options import RunOptions, TrainerOptions
from benchmark.running import run_cell
from leaderboard.cell import Cell
from leaderboard.record import Record
from tests.benchmark.cells import TOP

WAIT = 400  # seconds


def cell(words: str, *more: str) -> Cell:
    return make_cell([*words.split(), *more], cell_parser())[0]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def on_ranks(world: int, code: str, *words: str) -> list[str]:
    """Run code in `world` processes; what each printed. Raises where one of them fails."""
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(world)}
    quiet = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    team = [
        subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=TOP,
            env={**os.environ, **quiet, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        said = [process.communicate(timeout=WAIT) for process in team]
    finally:
        for process in team:
            process.kill()
    for process, (_, error) in zip(team, said, strict=True):
        assert process.returncode == 0, error
    return [output for output, _ in said]


def run_all(cells: list[Cell], folder: Path, options: TrainerOptions) -> list[Record]:
    torch.set_num_threads(1)
    return [run_cell(each, RunOptions(folder, trainer=options), lambda what, share: None) for each in cells]


def run_all_on(world: int, cells: list[Cell], folder: Path, strategy: str = "auto", device: str = "cpu") -> None:
    """The same by so many processes; records and the rest are left in `folder`."""
    options = TrainerOptions(device, devices=world, strategy=strategy)
    texts = json.dumps([each.model_dump_json() for each in cells])
    on_ranks(world, "from tests.benchmark.ranks import main; main()", texts, str(folder), json.dumps(asdict(options)))


def main() -> None:
    texts, folder, options = sys.argv[1:]
    cells = [Cell.model_validate_json(text) for text in json.loads(texts)]
    for record in run_all(cells, Path(folder), TrainerOptions(**json.loads(options))):
        assert record.status != "failed", record.reason


def logged(folder: Path, cell: Cell) -> dict[tuple[str, str, int], float]:
    """What was logged of a cell: by training, key and step."""
    found = {}
    for path in sorted((folder / "cells" / cell.id).glob("metrics*/metrics.csv")):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            for key, value in row.items():
                if value and key not in ("step", "epoch"):
                    found[path.parent.name, key, int(row["step"])] = float(value)
    return found


def numbers(values: list[float | None]) -> list[float]:
    """What is missing as not a number, so that pytest compares the rest."""
    return [math.nan if value is None else value for value in values]
