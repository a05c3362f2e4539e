"""A cell in a worker process of a Ray cluster."""

import os
from pathlib import Path
from typing import Any

import torch

from benchmark.checkpoint import Stopped
from benchmark.launch.post import Link
from benchmark.run_options import RunOptions
from benchmark.running import run_cell, said
from leaderboard.cell import Cell
from leaderboard.record import Record


def train(
    cell: Cell, options: RunOptions, post: Any, attempt: str, threads: int, place: str
) -> Record | OSError | str | None:
    """A cell, in a worker process: its record, the fault of the machine that was met, or why there is no record.

    None where it was asked to stop. `place` is the driver's working directory: cells may name files from there.
    """
    torch.set_num_threads(threads)
    if Path(place).is_dir():
        os.chdir(place)
    with Link(post, attempt) as link:
        try:
            return run_cell(cell, options, link.progress, link.stopped.is_set)
        except Stopped:
            return None
        except OSError as error:
            return error
        except Exception as error:
            return said(error)
