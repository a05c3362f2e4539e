"""Cells trained on a GPU, from their configuration to their record: as on the CPU, again as before, and by several."""

from functools import cache
from pathlib import Path

import pytest
from safetensors.torch import load_file

from benchmark.run_options import TrainerOptions
from leaderboard.cell import Cell
from leaderboard.record import Record, read_records
from tests.benchmark.ranks import cell, logged, numbers, run_all, run_all_on
from tests.gpu.devices import EVERYWHERE

SIZES = "--budget.sequences 800 --budget.batch_size 16 --budget.val_every 25 --budget.n_val 33 --budget.n_test 33"
RECALL = f"--task mqar --regime retain --lags 2,8 --model.dim 16 {SIZES}"
MODELS = ["gru", "lstm", "transformer", "s4d", "mamba", "gated_deltanet"]
FIRST, LATER = 1e-3, 0.02  # losses, as shares, at the first and the last step that is logged; float32
TURNED = 2  # answers of 33 that rounding may turn
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}


@cache
def given(name: str) -> Cell:
    return cell(f"--model {name} {RECALL}")


def text_cell(folder: Path) -> Cell:
    (folder / "text.txt").write_text("\n".join(f"the sea was old and cold; it sang {n} times" for n in range(1500)))
    words = "--task language --task.block 32 --lags 64 --c-max 256 --tokenizer bpe-300"
    return cell(f"--model lstm --model.dim 16 {words} {SIZES}", "--corpus", f"files:{folder / 'text.txt'}")


def trained(one: Cell, folder: Path, device: str) -> Record:
    (record,) = run_all([one], folder, TrainerOptions(ACCELERATORS[device]))
    assert record.status == "ok", record.reason
    return record


def alike(folder: Path, one: Cell, first: str, second: str, later: float) -> None:
    """The losses that two runs of a cell have logged, and the records' curves."""
    losses, others = (logged(folder / at, one) for at in (first, second))
    assert losses.keys() == others.keys()
    steps = sorted(place for place in losses if "train/loss" in place[1])
    assert others[steps[0]] == pytest.approx(losses[steps[0]], rel=FIRST)
    assert others[steps[-1]] == pytest.approx(losses[steps[-1]], rel=later)
    (a,), (b,) = (read_records(folder / at / "records") for at in (first, second))
    assert [(point.lag, point.n) for point in a.curve] == [(point.lag, point.n) for point in b.curve]
    assert all(abs(x.total - y.total) <= TURNED for x, y in zip(a.curve, b.curve, strict=True))
    for x, y in zip(a.losses, b.losses, strict=True):
        assert numbers(y.nats) == pytest.approx(numbers(x.nats), rel=later, nan_ok=True)
    if a.gradient is not None and b.gradient is not None:
        for x, y in zip(a.gradient.curve, b.gradient.curve, strict=True):
            assert y.before == pytest.approx(x.before, rel=0.01, abs=1e-7)


@EVERYWHERE
@pytest.mark.parametrize("name", MODELS)
def test_a_cell_is_on_the_device_what_it_is_on_the_cpu(name: str, device: str, tmp_path: Path) -> None:
    trained(given(name), tmp_path / "cpu", "cpu")
    trained(given(name), tmp_path / "there", device)
    alike(tmp_path, given(name), "cpu", "there", LATER)


@EVERYWHERE
def test_text_on_the_device(device: str, tmp_path: Path) -> None:
    one = text_cell(tmp_path)
    trained(one, tmp_path / "cpu", "cpu")
    trained(one, tmp_path / "there", device)
    alike(tmp_path, one, "cpu", "there", LATER)


@EVERYWHERE
@pytest.mark.parametrize("name", ["lstm", "transformer", "mamba"])
def test_the_same_seed_gives_the_same_bits(name: str, device: str, tmp_path: Path) -> None:
    for at in ("first", "second"):
        trained(given(name), tmp_path / at, device)
    first, second = (
        load_file(tmp_path / at / "cells" / given(name).id / "weights.safetensors") for at in ("first", "second")
    )
    assert all(second[key].equal(value) for key, value in first.items())
    a, b = (next(iter(read_records(tmp_path / at / "records"))) for at in ("first", "second"))
    assert a.model_dump(exclude={"host"}) == b.model_dump(exclude={"host"})


@EVERYWHERE
@pytest.mark.parametrize("name", ["lstm", "transformer", "mamba"])
def test_mixed_precision_trains_to_a_record(name: str, device: str, tmp_path: Path) -> None:
    one = given(name).model_copy(update={"precision": "bf16-mixed"})
    record = trained(one, tmp_path / "half", device)
    trained(given(name), tmp_path / "full", "cpu")
    half, full = (logged(tmp_path / at, which) for at, which in (("half", one), ("full", given(name))))
    steps = sorted(place for place in full if "train/loss" in place[1])
    assert half[steps[0]] == pytest.approx(full[steps[0]], rel=0.05)
    assert record.influence is not None


@pytest.mark.gpu(n=2)
@pytest.mark.parametrize("strategy", ["auto", "fsdp"])
def test_two_devices_are_one(strategy: str, tmp_path: Path) -> None:
    """By NCCL; batches of 16 and splits of 33, halved, with whole weights and with parts of them."""
    both = [given("transformer"), text_cell(tmp_path)]
    for one in both:
        trained(one, tmp_path / one.id / "one", "cuda")
        run_all_on(2, [one], tmp_path / one.id / "two", strategy, "gpu")
        alike(tmp_path / one.id, one, "one", "two", LATER)


@pytest.mark.parametrize("strategy", ["auto", "fsdp"])
def test_two_processes_without_a_gpu_are_one(strategy: str, tmp_path: Path) -> None:
    """The same by gloo."""
    one = given("transformer")
    trained(one, tmp_path / "one", "cpu")
    run_all_on(2, [one], tmp_path / "two", strategy)
    alike(tmp_path, one, "one", "two", LATER)
