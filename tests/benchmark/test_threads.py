"""One cell, trained again: on one thread to the same bits, on two to the same figures but for rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

from benchmark.training import TrainerOptions
from leaderboard.cell import Cell
from tests.benchmark.cells import TOP
from tests.benchmark.ranks import cell, logged, run_all

SIZES = "--budget.sequences 800 --budget.batch_size 16 --budget.val_every 25 --budget.n_val 16 --budget.n_test 16"
RECALL = f"--task mqar --regime retain --lags 8,16 --measures none {SIZES}"
MODELS = ["gru", "lstm", "transformer", "s4d", "tcn", "gated_deltanet", "mamba"]
LOSS, WEIGHTS = 1e-5, 1e-5  # shares; seen over fifty steps: 1.4e-7 and 3e-8
TRAIN = """
import json, sys
from pathlib import Path
import torch
from benchmark.running import RunOptions, run_cell
from benchmark.training import TrainerOptions
from leaderboard.cell import Cell

torch.set_num_threads(2)
for text in json.loads(sys.argv[1]):
    options = RunOptions(Path(sys.argv[2]), trainer=TrainerOptions("cpu"))
    assert run_cell(Cell.model_validate_json(text), options, lambda *of: None).status == "ok"
assert torch.get_num_threads() == 2
"""


def cells() -> dict[str, Cell]:
    """So wide that a step's sums are shared out among threads."""
    return {name: cell(f"--model {name} --model.dim 32 {RECALL}") for name in MODELS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each cell trained twice on one thread, here, and once by another process on two, which do not spin."""
    found = tmp_path_factory.mktemp("threads")
    texts = json.dumps([each.model_dump_json() for each in cells().values()])
    env = {**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    subprocess.run([sys.executable, "-c", TRAIN, texts, str(found / "two")], check=True, cwd=TOP, env=env, timeout=500)
    for at in ("one", "again"):
        run_all(list(cells().values()), found / at, TrainerOptions("cpu"))
    return found


def weights(folder: Path, name: str) -> dict[str, Tensor]:
    return load_file(folder / "cells" / cells()[name].id / "weights.safetensors")


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_bits(folder: Path, name: str) -> None:
    first, second = weights(folder / "one", name), weights(folder / "again", name)
    assert all(second[key].equal(value) for key, value in first.items())
    assert logged(folder / "one", cells()[name]) == logged(folder / "again", cells()[name])


@pytest.mark.parametrize("name", MODELS)
def test_two_threads_give_the_figures_of_one(folder: Path, name: str) -> None:
    one, two = (logged(folder / at, cells()[name]) for at in ("one", "two"))
    assert one.keys() == two.keys()
    assert two == pytest.approx(one, rel=LOSS)
    first, second = (weights(folder / at, name) for at in ("one", "two"))
    apart = sum(float((second[key] - value).square().sum()) for key, value in first.items()) ** 0.5
    size = sum(float(value.square().sum()) for value in first.values()) ** 0.5
    assert apart <= WEIGHTS * size
