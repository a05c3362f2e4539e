"""A table's end and its going on: damaged records, retries, interrupts, two tables on one folder, a full disk."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli import call
from benchmark.launch.claims import Claims
from benchmark.tables import table_named
from leaderboard.record import Record, read_record, read_records, write_record
from tests.benchmark.cells import TOP, without_host

TABLE = """
title: Small
core_seconds: 20
cells:
- model: [rnn, gru]
  model.dim: 16
  task: delayed_recall
  lags: 8,16
  seed: [0, 1]
  budget.sequences: 3200
  budget.batch_size: 16
  budget.n_test: 64
- model: rnn
  model.dim: 8
  task: planted
  tokenizer: bpe-300
  corpus: files:TEXT
  lags: 32
  budget.sequences: 1600
  budget.batch_size: 16
  budget.n_test: 32
"""
WORDS = ["the", "sea", "was", "old", "and", "cold;", "nobody", "knew", "why", "it", "(mostly)", "sang", "to", "them"]
ONE = "cells:\n- {model: rnn, model.dim: 8, task: delayed_recall, lags: 2, budget.sequences: 1600, budget.n_test: 32}\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a table that nothing disturbed."""
    folder, rng = tmp_path_factory.mktemp("whole"), random.Random(0)
    lines = [" ".join(rng.choices(WORDS, k=12)) for _ in range(6000)]
    (folder / "text.txt").write_text("\n".join("" if n % 20 == 0 else line for n, line in enumerate(lines)))
    (folder / "small.yaml").write_text(TABLE.replace("TEXT", str(folder / "text.txt")))
    assert call(["table", str(folder / "small.yaml"), "--output", str(folder), "--wandb", "disabled"]) == 0
    return folder / "small"


def start(whole: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    """`spanbench table` on the table of `whole`, in a process group of its own and with a cache of its own."""
    command = [sys.executable, "-m", "benchmark", "table", str(whole.with_suffix(".yaml")), "--output", str(folder)]
    cache = (folder.parent if folder.is_mount() else folder) / "cache"  # no part of a disk that is full
    pipe, environment = subprocess.PIPE, {**os.environ, "SPANBENCH_CACHE": str(cache)}
    return subprocess.Popen(
        [*command, *words], cwd=TOP, env=environment, start_new_session=True, text=True, stdout=pipe, stderr=pipe
    )


def records(folder: Path) -> dict[str, Record]:
    return {record.id: record for record in read_records(folder / "small" / "records")}


def equal(found: dict[str, Record], whole: Path) -> bool:
    expected = {record.id: without_host(record) for record in read_records(whole / "records")}
    return {key: without_host(record) for key, record in found.items()} == expected


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def kill(process: subprocess.Popen[str], whom: str) -> None:
    """The parent alone, its workers alone, or all of them."""
    if whom == "both":
        os.killpg(process.pid, signal.SIGKILL)
    elif whom == "parent":
        process.kill()
    else:
        for pid in subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split():
            os.kill(int(pid), signal.SIGKILL)


KILLS = int(os.environ.get("SPANBENCH_KILLS", "3"))  # `make chaos` asks for more


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_a_random_moment_it_ends_the_same(number: int, whole: Path, tmp_path: Path) -> None:
    """Whoever is killed and whenever: the same command completes, finished cells are left alone, records are equal."""
    rng = random.Random(number)
    whom = ("both", "parent", "worker")[number % 3]
    process = start(whole, tmp_path)
    try:
        process.wait(timeout=rng.uniform(2, 22))  # before its tokenizer is made, or after the first cells are done
    except subprocess.TimeoutExpired:
        kill(process, whom)
    if whom == "worker":
        process.wait(timeout=120)  # it records the cells whose workers were killed, and goes on
    process.communicate()
    done = records(tmp_path) if (tmp_path / "small" / "records").exists() else {}
    again = start(whole, tmp_path, "--retry", "failed")
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, out + err
    finished = {key: record for key, record in done.items() if record.status == "ok"}
    assert f"5 cells, {len(finished)} done before" in out
    after = records(tmp_path)
    assert equal(after, whole)
    assert all(after[key] == record for key, record in finished.items())
    for name in ("table.md", "table.csv", "recall.svg"):
        assert (tmp_path / "small" / name).read_bytes() == (whole / name).read_bytes()
    left = [path for path in (tmp_path / "small").rglob("*") if path.suffix in (".writing", ".ckpt", ".lock")]
    assert left == []


def test_two_tables_on_one_folder_share_the_cells(whole: Path, tmp_path: Path) -> None:
    """Both end with the whole table, and no cell was trained twice."""
    processes = [start(whole, tmp_path, "--workers", "1") for _ in range(2)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert equal(records(tmp_path), whole)
    trained = [
        line for out, _ in said for line in out.splitlines() if line.startswith("[") and "by another" not in line
    ]
    others = [line for out, _ in said for line in out.splitlines() if "by another spanbench" in line]
    assert len(trained) == 5
    assert len(others) == 5 or sum("done before" in out for out, _ in said) == 2
    assert all("rnn" in out and "gru" in out for out, _ in said)


def test_a_claim_of_a_dead_process_is_taken_over_and_one_of_a_live_process_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from benchmark.launch.claims import Claims; "
        "claims = Claims(Path(sys.argv[1])); print(claims.take('some'), flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not Claims(tmp_path).take("some")
        assert Claims(tmp_path).take("other")
        other.kill()
    mine = Claims(tmp_path)
    assert mine.take("some")
    assert not Claims(tmp_path).take("some")
    mine.drop("some")
    assert list((tmp_path / "claims").glob("some*")) == []
    assert Claims(tmp_path).take("some")


@pytest.fixture
def one(tmp_path: Path) -> tuple[list[str], Path]:
    """A table of one cell, done: the command's words, and the cell's record."""
    (tmp_path / "one.yaml").write_text(ONE)
    words = ["table", str(tmp_path / "one.yaml"), "--output", str(tmp_path)]
    assert call(words) == 0
    (cell,) = table_named(str(tmp_path / "one.yaml")).cells()
    return words, tmp_path / "one" / "records" / f"{cell.id}.json"


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "zeros"])
def test_a_damaged_record_is_named_set_aside_and_its_cell_runs_again(
    damage: str, one: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words, path = one
    whole = path.read_bytes()
    expected = without_host(read_record(path))
    damaged = {
        "cut": whole[: len(whole) // 2],
        "changed": whole.replace(b'"n": 32', b'"n": 33'),
        "empty": b"",
        "zeros": bytes(len(whole)),
    }[damage]
    assert damaged != whole
    path.write_bytes(damaged)
    capsys.readouterr()
    assert call(words) == 0
    out = capsys.readouterr().out
    aside = path.with_name(path.name + ".damaged-1")
    assert path.name in out
    assert f"set aside as {aside.name}" in out
    assert "1 cells, 0 done before" in out
    assert aside.read_bytes() == damaged
    assert without_host(read_record(path)) == expected
    path.write_bytes(damaged)
    assert call(words) == 0
    assert aside.with_suffix(".damaged-2").read_bytes() == damaged


def test_failed_and_diverged_cells_run_again_on_demand_only(
    one: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words, path = one
    good = read_record(path)
    for status, code in (("failed", 1), ("diverged", 0)):
        write_record(path.parent, good.model_copy(update={"status": status, "reason": "on purpose", "curve": []}))
        assert call(words) == code
        assert read_record(path).status == status
        other = {"failed": "diverged", "diverged": "failed"}[status]
        assert call([*words, "--retry", other]) == code
        assert read_record(path).status == status
        assert "on purpose" in (out := capsys.readouterr().out) or status == "diverged", out
        assert call([*words, "--retry", status]) == 0
        assert without_host(read_record(path)) == without_host(good)
    write_record(path.parent, good.model_copy(update={"status": "failed", "reason": "on purpose", "curve": []}))
    assert call([*words, "--retry", "diverged,failed"]) == 0
    assert read_record(path).status == "ok"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--retry", "fialed"], 'unknown status "fialed": did you mean failed? choices: diverged, failed'),
        (["--time-limit", "2 hours"], '--time-limit: expected a time like 90s, 30m, 2h or 3d, got "2 hours"'),
        (["--time-limit", "0s"], "--time-limit: expected"),
        (["--resources.gpu", "-1"], "--resources.gpu must be 0 or more"),
        (["--resources.cpu", "0"], "--resources.cpu must be above 0"),
        (["--resources.cpu", "4096"], "--resources.cpu: this machine has "),
        (["--launcher", "slurm"], "--launcher: Expected one of local, ray"),
        (["--address", "auto"], "--address is for --launcher ray"),
        (["--workers", "0"], "--workers must be at least 1"),
    ],
)
def test_wrong_ways_to_run_are_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["table", "quick", "--output", str(tmp_path), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_saves_what_is_in_training_and_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    process = start(whole, tmp_path)
    wait_for(lambda: len(list((tmp_path / "small" / "cells").glob("*/metrics*"))) >= 2, process)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the parent and its workers
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - begin < 15  # 5 s, on a machine that has nothing else to do
    assert process.returncode == 1
    assert "saving what is in training" in out
    assert "of 5 cells are done, and the same command goes on from here" in err
    assert "Traceback" not in out + err
    saved = list((tmp_path / "small" / "cells").glob("*/training*.ckpt"))
    assert saved or records(tmp_path)
    again = start(whole, tmp_path)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, out + err
    assert equal(records(tmp_path), whole)


def test_a_second_interrupt_stops_at_once(whole: Path, tmp_path: Path) -> None:
    process = start(whole, tmp_path)
    wait_for(lambda: list((tmp_path / "small" / "cells").glob("*/metrics*")), process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Traceback" not in err
    orphans = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True).stdout
    deadline = time.monotonic() + 10
    while orphans and time.monotonic() < deadline:
        time.sleep(0.1)
        orphans = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True).stdout
    assert orphans == ""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "mounted"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_earlier_records_are_intact(mounted: Path, whole: Path, tmp_path: Path) -> None:
    earlier = read_records(whole / "records")[:2]
    for record in earlier:
        write_record(mounted / "small" / "records", record)
    room = os.statvfs(mounted)
    (mounted / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - 24_576))
    process = start(whole, mounted)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert err.count("\n") == 1, err
    assert "No space left on device: " in err
    assert "of 5 cells are done, and the same command goes on from here" in err
    assert {record.id for record in earlier} <= {record.id for record in read_records(mounted / "small" / "records")}
    assert all(record.status == "ok" for record in read_records(mounted / "small" / "records"))
    (mounted / "ballast").unlink()
    process = start(whole, mounted)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert equal(records(mounted), whole)


def test_a_read_only_folder_is_one_line(mounted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.yaml").write_text(ONE)
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    assert call(["table", str(tmp_path / "one.yaml"), "--output", str(mounted)]) == 2
    err = capsys.readouterr().err
    assert f"cannot write to {mounted / 'one'}: Read-only file system" in err
    assert err.count("\n") == 1
