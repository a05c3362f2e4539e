"""Weights in parts on two processes: every model as if they were whole, and cells from training to record."""

import json
from functools import cache
from pathlib import Path

import pytest
from safetensors.torch import load_file

from benchmark.registry import names
from benchmark.run_options import TrainerOptions
from benchmark.sharding import Sharded, strategy_for
from leaderboard.cell import Cell
from leaderboard.record import Record, read_records
from models.transformer import Transformer
from tests.benchmark.ranks import cell, logged, numbers, on_ranks, run_all, run_all_on

CURVE = 1e-4  # how far losses may differ
NEAR = 0.01  # and weights, of which some have next to no gradient: Adam divides by its size

EVERY_MODEL = """
import copy, json, sys
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from benchmark.lit_sequence import LitSequence
from benchmark.registry import entry, load_class
from benchmark.sharding import cut, whole_state
from leaderboard.cell import Budget
from tasks.base import Batch
from tasks.mqar import Mqar

dist.init_process_group("gloo")
mesh, task, rank, found = init_device_mesh("cpu", (2,)), Mqar(), dist.get_rank(), {}
for name in sys.argv[1:]:
    torch.manual_seed(0)
    given = entry("models", name)
    whole = LitSequence(load_class(given["class_path"])(**given["init_args"] | {"dim": 16}), task.spec, Budget())
    parts = copy.deepcopy(whole)
    cut(parts, mesh)
    steps = [torch.optim.AdamW(lit.parameters(), lr=1e-3, fused=True) for lit in (whole, parts)]
    apart = 0.0
    for i in range(3):
        batch = task.examples(0, "train", 16, 8 * i, 8)
        mine = Batch(*(None if each is None else each[4 * rank : 4 * rank + 4] for each in batch))
        losses = [lit.loss(given) for lit, given in ((whole, batch), (parts, mine))]
        for loss, lit, step in zip(losses, (whole, parts), steps):
            loss.backward()
            torch.nn.utils.clip_grad_norm_(lit.parameters(), 0.5)
            step.step()
            step.zero_grad()
        shared = losses[1].detach().clone()
        dist.all_reduce(shared)
        apart = max(apart, abs(float(shared) / 2 - float(losses[0].detach())))
    after, state = whole_state(parts.state_dict()), whole.state_dict()
    found[name] = {
        "loss": apart,
        "weights": max(float((after[key] - state[key]).abs().max()) for key in state),
        "here": sum(each.to_local().numel() for each in parts.parameters()),
        "all": sum(each.numel() for each in whole.parameters()),
        "units": len(parts.model.units()),
    }
print(json.dumps(found))
dist.destroy_process_group()
"""


def test_every_model_learns_in_parts_what_it_learns_whole() -> None:
    """Losses, clipped steps and weights after three of them; each process holds half of the weights."""
    each = [json.loads(said.splitlines()[-1]) for said in on_ranks(2, EVERY_MODEL, *names("models"))]
    assert list(each[0]) == names("models")
    for name in names("models"):
        first, second = (found[name] for found in each)
        assert first["loss"] < CURVE, name
        assert first["weights"] < NEAR * 1e-1, name
        assert first["here"] + second["here"] == first["all"], name
        assert 0.45 < first["here"] / first["all"] < 0.55, name
    assert each[0]["transformer"]["units"] == 2


SIZES = "--budget.n_val 33 --budget.n_test 33 --budget.val_every 10"


@cache
def cells(text: str) -> dict[str, Cell]:
    """Splits that two processes run in unequally many batches."""
    corpus = "--corpus", f"files:{text}", "--tokenizer", "bpe-300"
    language = "--task language --task.block 32 --lags 64 --c-max 256"
    return {
        "recall": cell(f"--model transformer --model.dim 16 --task mqar --regime retain --lags 2,8 {SIZES} "
                       "--budget.sequences 700 --budget.batch_size 7"),
        "language": cell(f"--model mamba --model.dim 16 {language} {SIZES} --budget.sequences 250 "
                         "--budget.batch_size 5", *corpus),
        "climb": cell(f"--model gru --task delayed_recall --task.symbols 2 --lags 2 {SIZES} --budget.lr 0.01 "
                      "--budget.sequences 1600 --budget.batch_size 16"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("sharded")
    (found / "text.txt").write_text("\n".join(f"the sea was old and cold; it sang {n} times" for n in range(1500)))
    return found


@pytest.fixture(scope="module")
def one(folder: Path) -> dict[str, Record]:
    given = list(cells(str(folder / "text.txt")).values())
    return {record.id: record for record in run_all(given, folder / "one", TrainerOptions("cpu"))}


@pytest.fixture(scope="module")
def two(folder: Path) -> dict[str, Record]:
    run_all_on(2, list(cells(str(folder / "text.txt")).values()), folder / "two", "fsdp")
    return {record.id: record for record in read_records(folder / "two" / "records")}


@pytest.mark.parametrize("name", ["recall", "language", "climb"])
def test_two_processes_with_half_the_weights_each_train_as_one(
    folder: Path, one: dict[str, Record], two: dict[str, Record], name: str
) -> None:
    given = cells(str(folder / "text.txt"))[name]
    losses, shared = (logged(folder / where, given) for where in ("one", "two"))
    assert losses.keys() == shared.keys()
    assert shared == pytest.approx(losses, abs=CURVE)
    alone, record = one[given.id], two[given.id]
    assert (alone.status, record.status) == ("ok", "ok")
    for a, b in zip(alone.curve, record.curve, strict=True):
        assert abs(a.total - b.total) <= 1
        assert (a.lag, a.n, a.sequences, a.solved) == (b.lag, b.n, b.sequences, b.solved)
    for a, b in zip(alone.losses, record.losses, strict=True):
        assert numbers(b.nats) == pytest.approx(numbers(a.nats), rel=CURVE, nan_ok=True)
    if alone.influence is not None and record.influence is not None:
        for a, b in zip(alone.influence.curve, record.influence.curve, strict=True):
            assert numbers(b.amplitudes) == pytest.approx(numbers(a.amplitudes), rel=0.001, abs=1e-5, nan_ok=True)
    assert (alone.influence is None) == (record.influence is None)


@pytest.mark.parametrize("name", ["recall", "language", "climb"])
def test_the_weights_saved_are_whole_and_those_of_one(
    folder: Path, one: dict[str, Record], two: dict[str, Record], name: str
) -> None:
    given = cells(str(folder / "text.txt"))[name]
    (alone,), (shared,) = (
        sorted((folder / where / "cells" / given.id).glob("*.safetensors")) for where in ("one", "two")
    )
    weights, gathered = load_file(alone), load_file(shared)
    assert weights.keys() == gathered.keys()
    for key, value in weights.items():
        assert gathered[key].shape == value.shape
        assert (gathered[key] - value).abs().max() < NEAR, key


RESUMED = """
import itertools, os, shutil, sys
from pathlib import Path
import torch
from benchmark.checkpoint import Stopped
from benchmark.run_options import RunOptions
from benchmark.running import run_cell
from benchmark.run_options import TrainerOptions
from leaderboard.cell import Cell

torch.set_num_threads(1)
given, trainer = Cell.model_validate_json(sys.argv[1]), TrainerOptions("cpu", 2, strategy="fsdp")
options = RunOptions(Path(sys.argv[2]), trainer=trainer)
asked = itertools.count()
try:
    run_cell(given, options, lambda *of: None, lambda: next(asked) > 30)
except Stopped:
    print("stopped", flush=True)
if os.environ["RANK"] == "0":
    shutil.copytree(options.folder, sys.argv[3])
print(run_cell(given, options, lambda *of: None).status)
"""


def test_a_sharded_training_goes_on_from_its_checkpoint(folder: Path, two: dict[str, Record]) -> None:
    """To the very weights that it has without a stop, and on one device to nearly the same."""
    given = cells(str(folder / "text.txt"))["recall"]
    words = given.model_dump_json(), str(folder / "resumed"), str(folder / "by_one")
    for said in on_ranks(2, RESUMED, *words):
        assert said.split()[-2:] == ["stopped", "ok"]
    (checkpoint,) = (folder / "by_one" / "cells" / given.id).glob("training*.ckpt")
    assert checkpoint.stat().st_size > 0
    run_all([given], folder / "by_one", TrainerOptions("cpu"))
    whole, resumed, alone = (
        load_file(folder / at / "cells" / given.id / "weights.safetensors") for at in ("two", "resumed", "by_one")
    )
    for key, value in whole.items():
        assert resumed[key].equal(value), key
        assert (alone[key] - value).abs().max() < NEAR, key


class Large(Transformer):
    sharded = True


def test_a_model_asks_to_be_sharded_by_its_class() -> None:
    """Where there is one device it has all weights; what the command line says comes first."""
    assert isinstance(strategy_for("auto", True, Large(dim=16)), Sharded)
    assert strategy_for("auto", False, Large(dim=16)) == "auto"
    assert strategy_for("ddp", True, Large(dim=16)) == "ddp"
    assert strategy_for("auto", True, Transformer(dim=16)) == "auto"
    assert isinstance(strategy_for("fsdp", True, Transformer(dim=16)), Sharded)
