"""Two processes that share every batch: the same examples, the same losses, the same measures."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from benchmark.cli import call
from benchmark.run_options import TrainerOptions
from leaderboard.cell import Cell
from leaderboard.record import Record, read_records
from tests.benchmark.cells import TOP
from tests.benchmark.ranks import cell, free_port, logged, numbers, on_ranks, run_all, run_all_on

WORDS = ["the", "sea", "was", "old", "and", "cold;", "nobody", "knew", "why", "it", "(mostly)", "sang", "to", "them"]
CURVE, PLACES = 1e-4, 1e-5  # how far losses of training and scores of validation may differ
SMALL = ("--model", "rnn", "--model.dim", "8", "--task", "mqar", "--regime", "retain", "--lags", "2,8")
SHORT = ("--budget.sequences", "160", "--budget.batch_size", "16", "--budget.val_every", "10", "--budget.n_test", "33")


def budget(batch: int, steps: int = 100, n_val: int = 33) -> str:
    sizes = f"--budget.sequences {batch * steps} --budget.batch_size {batch} --budget.n_val {n_val}"
    return f"{sizes} --budget.val_every 25 --budget.n_test 33"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found, rng = tmp_path_factory.mktemp("ranks"), random.Random(0)
    (found / "text.txt").write_text("\n".join(" ".join(rng.choices(WORDS, k=12)) for _ in range(2000)))
    return found


@cache
def cells(folder: Path) -> dict[str, Cell]:
    """Batches and splits that two ranks do not divide, among them a validation of a single block."""
    recall = "--task delayed_recall --lags 2,4"
    text = "--corpus", f"files:{folder / 'text.txt'}", "--tokenizer", "bpe-300"
    language = "--task language --task.block 32 --lags 16,64 --measures influence,gradient"
    return {
        "learn": cell(f"--model rnn --model.dim 16 {recall} {budget(5)}"),
        "learn, solved": cell(f"--model gru {recall} --task.symbols 2 --budget.lr 0.01 {budget(32, 200)}"),
        "retain": cell(f"--model lstm --model.dim 16 --task adding --regime retain --lags 4,8 {budget(7)}"),
        "on text": cell(f"--model gru --task planted --regime retain --lags 16,32 {budget(33, 50)}", *text),
        "language": cell(f"--model lstm --model.dim 16 {language} {budget(5)}", *text),
        "one block": cell(f"--model s4d --model.dim 16 {language} {budget(4, 50, 1)}", *text),
    }


@pytest.fixture(scope="module")
def one(folder: Path) -> dict[str, Record]:
    return {
        record.id: record for record in run_all(list(cells(folder).values()), folder / "one", TrainerOptions("cpu"))
    }


@pytest.fixture(scope="module")
def two(folder: Path) -> dict[str, Record]:
    run_all_on(2, list(cells(folder).values()), folder / "two")
    return {record.id: record for record in read_records(folder / "two" / "records")}


NAMES = ["learn", "learn, solved", "retain", "on text", "language", "one block"]


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_log_the_losses_of_one(
    folder: Path, one: dict[str, Record], two: dict[str, Record], name: str
) -> None:
    """Those of training are means over the whole batch, whichever rank writes them down."""
    alone, shared = (logged(folder / where, cells(folder)[name]) for where in ("one", "two"))
    assert alone.keys() == shared.keys()  # the same steps, too: a climb that is solved stops at the same
    training = {place for place in alone if "train/loss" in place[1]}
    assert len(training) >= 2
    for place, value in alone.items():
        assert shared[place] == pytest.approx(value, abs=CURVE if place in training else PLACES)


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_give_the_curve_of_one(
    folder: Path, one: dict[str, Record], two: dict[str, Record], name: str
) -> None:
    """Every example counts once, an odd number of them included; rounding may turn an answer in a hundred."""
    alone, shared = (records[cells(folder)[name].id] for records in (one, two))
    assert (alone.status, shared.status) == ("ok", "ok")
    assert (alone.facts, alone.blocks, alone.skipped) == (shared.facts, shared.blocks, shared.skipped)
    turned = 1e-4 if alone.facts and alone.facts.metric == "mse" else 1
    assert len(alone.curve) == len(shared.curve)
    for a, b in zip(alone.curve, shared.curve, strict=True):
        assert a.n == b.n == 33 * (a.n // 33)
        assert replace(a, total=0.0) == replace(b, total=0.0)
        assert b.total == pytest.approx(a.total, abs=turned)
    for a, b in zip(alone.losses, shared.losses, strict=True):
        assert a.model_copy(update={"nats": []}) == b.model_copy(update={"nats": []})
        assert numbers(b.nats) == pytest.approx(numbers(a.nats), rel=CURVE, nan_ok=True)
    assert "solved" not in name or all(point.solved for point in shared.curve)


@pytest.mark.parametrize("name", ["retain", "on text", "language", "one block"])
def test_two_ranks_take_the_measures_of_one(
    folder: Path, one: dict[str, Record], two: dict[str, Record], name: str
) -> None:
    alone, shared = (records[cells(folder)[name].id] for records in (one, two))
    assert alone.influence is not None
    assert shared.influence is not None
    for a, b in zip(alone.influence.curve, shared.influence.curve, strict=True):
        assert numbers(b.amplitudes) == pytest.approx(numbers(a.amplitudes), rel=0.001, abs=1e-5, nan_ok=True)
        assert a.model_copy(update={"amplitudes": []}) == b.model_copy(update={"amplitudes": []})
    assert alone.gradient is not None
    assert shared.gradient is not None
    for a, b in zip(alone.gradient.curve, shared.gradient.curve, strict=True):
        assert b.before == a.before
        assert b.after == pytest.approx(a.after, rel=0.001, abs=1e-9)
    if alone.audit is None or shared.audit is None:
        assert alone.audit is shared.audit
        return
    assert alone.audit.skipped == shared.audit.skipped
    assert (shared.audit.plain.n, shared.audit.plain.at) == (alone.audit.plain.n, alone.audit.plain.at)
    assert shared.audit.plain.total == pytest.approx(alone.audit.plain.total, abs=1)


DIVERGES = """
import sys
from pathlib import Path
from benchmark.lit_sequence import Diverged, LitSequence
from tests.benchmark.cells import TINY, cell
from benchmark.cells import build_model, build_task
from benchmark.checkpoint import Checkpoints
from benchmark.measures.recall import feed_for
from benchmark.run_options import TrainerOptions
from benchmark.training import fit

probe = LitSequence.probe
def broken(self, batch, sums):
    if self.trainer.global_rank == 1:
        raise Diverged("of rank 1 alone")
    probe(self, batch, sums)
LitSequence.probe = broken
given = cell()
try:
    fit(given, build_model(given), build_task(given), feed_for(given, (2, 2), (2,)), stop_when_solved=False, suffix="",
        loggers=[], options=TrainerOptions("cpu", 2), progress=lambda *of: None,
        checkpoints=Checkpoints(Path(sys.argv[1]), lambda: False))
except Diverged as error:
    print("diverged:", error)
"""


def one_cell(records: Path) -> Record:
    (record,) = read_records(records)
    assert record.status == "ok"
    return record


def command(folder: Path, *words: str) -> list[str]:
    return ["-m", "benchmark", "run", *SMALL, *SHORT, "--output", str(folder), "--trainer.accelerator", "cpu", *words]


def clean(**more: str) -> dict[str, str]:
    return {**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", **more}


def together(commands: list[tuple[list[str], dict[str, str]]]) -> None:
    """Run them at once; all must end well."""
    team = [subprocess.Popen(words, cwd=TOP, env=env, stderr=subprocess.PIPE, text=True) for words, env in commands]
    try:
        errors = [process.communicate(timeout=300)[1] for process in team]
    finally:
        for process in team:
            process.kill()
    assert [process.returncode for process in team] == [0] * len(team), errors


@pytest.fixture(scope="module")
def by_one(folder: Path) -> Record:
    assert call(command(folder / "by_one")[2:]) == 0
    return one_cell(folder / "by_one" / "run" / "records")


def same_scores(one: Record, two: Record) -> None:
    assert [(point.lag, point.n) for point in one.curve] == [(point.lag, point.n) for point in two.curve]
    for a, b in zip(one.curve, two.curve, strict=True):
        assert abs(a.total - b.total) <= 1


def test_lightning_starts_the_other_process_by_itself(by_one: Record, folder: Path) -> None:
    together([([sys.executable, *command(folder / "lightning", "--trainer.devices", "2")], clean())])
    same_scores(by_one, one_cell(folder / "lightning" / "run" / "records"))


def children(pid: int) -> list[str]:
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()


def ignores_interrupts(pid: str) -> bool:
    try:
        told = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    except OSError:
        return False
    return bool(int(told["SigIgn"], 16) & 1 << signal.SIGINT - 1)


def test_ctrl_c_while_the_other_process_starts_ends_both_with_one_line(tmp_path: Path) -> None:
    """A terminal interrupts them all; the other one is still importing torch, and leaves the word to the first."""
    words = [sys.executable, *command(tmp_path, "--trainer.devices", "2")]
    first = subprocess.Popen(words, cwd=TOP, env=clean(), stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        while not any(map(ignores_interrupts, children(first.pid))):
            assert first.poll() is None, first.communicate()
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGINT)
        _, errors = first.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
    said = [line for line in errors.splitlines() if not line.startswith("Initializing distributed")]
    assert (first.returncode, said) == (1, ["spanbench: interrupted; the same command goes on from its checkpoint"])
    assert not list(tmp_path.rglob("records/*.json"))


def test_two_nodes_under_torchrun(by_one: Record, folder: Path) -> None:
    """Each has one process, and they meet at a port of the first: as on two machines."""
    at = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *at]
    words = command(folder / "torchrun", "--trainer.num_nodes", "2")
    together([([*torchrun, "--node-rank", str(node), *words], clean()) for node in range(2)])
    same_scores(by_one, one_cell(folder / "torchrun" / "run" / "records"))


def test_two_nodes_under_slurm(by_one: Record, folder: Path) -> None:
    """What srun puts into the environment of its two tasks, one a node."""
    shared = {
        "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_JOB_ID": "41",
        "SLURM_JOB_NAME": "spans", "SLURM_JOB_NODELIST": "localhost", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()), "SLURM_LOCALID": "0",
    }  # fmt: skip
    words = [sys.executable, *command(folder / "slurm", "--trainer.num_nodes", "2")]
    together([(words, clean(**shared, SLURM_PROCID=str(node), SLURM_NODEID=str(node))) for node in range(2)])
    same_scores(by_one, one_cell(folder / "slurm" / "run" / "records"))


def test_all_ranks_know_when_one_has_diverged(tmp_path: Path) -> None:
    """None is left waiting for the others, and the first, which writes the record, says so too."""
    first, second = on_ranks(2, DIVERGES, str(tmp_path / "training.ckpt"))
    assert "diverged: outputs are not finite" in first
    assert "diverged: of rank 1 alone" in second


def test_more_ranks_than_a_batch_has_examples_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = command(tmp_path / "out", "--trainer.devices", "3", "--budget.sequences", "20", "--budget.batch_size", "2")
    assert call(words[2:]) == 2
    assert "--trainer: 3 devices cannot share batches of 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
