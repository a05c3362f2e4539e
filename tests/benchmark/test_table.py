"""A table on real worker processes: faults are caused, not imagined."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from benchmark import commands
from benchmark.cli import call
from benchmark.pool import run_cells
from benchmark.running import RunOptions
from benchmark.tables import table_named
from leaderboard.cell import Cell
from leaderboard.record import Record, read_record, read_records
from tests.benchmark.cells import TINY, TOP, cell, without_host

TABLE = """
title: Small
core_seconds: 20
cells:
- model: [rnn, gru]
  model.dim: 16
  task: delayed_recall
  lags: 8,16,32
  seed: [0, 1]
  budget.sequences: 3200
  budget.batch_size: 16
  budget.n_test: 64
"""


class Killer:
    """Kills the worker of one cell the first time it reports progress."""

    def __init__(self, victim: Cell) -> None:
        self.victim, self.records = victim, []

    def progress(self, worker: int, cell: Cell, what: str, share: float) -> None:
        if cell.id == self.victim.id:
            children = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=True)
            for pid in map(int, children.stdout.split()):
                if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)

    def done(self, worker: int, record: Record) -> None:
        self.records.append(record)


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the worker in /proc")
def test_a_folder_has_one_writer_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "run_cells", lambda *_: pytest.fail("trained beside another"))
    (tmp_path / "quick").mkdir()
    with FileLock(tmp_path / "quick" / ".lock"):
        assert call(["table", "quick", "--output", str(tmp_path)]) == 2
    assert "another spanbench is at work" in capsys.readouterr().err


def test_a_killed_worker_costs_its_cell_and_no_other(tmp_path: Path) -> None:
    slow = TINY.model_copy(update={"sequences": 3200})
    cells = [cell(seed=0), cell(seed=1, lags=[64], budget=slow), cell(seed=2)]
    watch = Killer(cells[1])
    run_cells(cells, RunOptions(tmp_path), 1, watch)
    assert [record.status for record in watch.records] == ["ok", "failed", "ok"]
    assert watch.records[1].reason == "the worker process was killed by SIGKILL"
    assert [read_record(tmp_path / "records" / f"{each.id}.json").status for each in cells] == ["ok", "failed", "ok"]


def spanbench(*words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmark", *words]
    return subprocess.Popen(command, cwd=TOP, start_new_session=True, stdout=subprocess.DEVNULL)


def test_a_table_killed_half_way_goes_on_and_ends_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text(TABLE)
    words = ["table", str(tmp_path / "small.yaml"), "--workers", "2", "--output"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert call([*words, str(whole)]) == 0
    assert "[4/4]" in capsys.readouterr().out

    process = spanbench(*words, str(cut))
    records = cut / "small" / "records"
    deadline = time.monotonic() + 120
    while not list(records.glob("*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {record.id: record for record in read_records(records)}
    assert 0 < len(done) < 4

    assert call([*words, str(cut)]) == 0
    assert f"4 cells, {len(done)} done before" in capsys.readouterr().out
    after = {record.id: record for record in read_records(records)}
    assert all(after[key] == record for key, record in done.items())
    expected = {record.id: without_host(record) for record in read_records(whole / "small" / "records")}
    assert {key: without_host(record) for key, record in after.items()} == expected
    for name in ("table.md", "table.csv", "recall.svg"):
        assert (cut / "small" / name).read_bytes() == (whole / "small" / name).read_bytes()
    assert not [path for path in records.iterdir() if path.suffix != ".json"]


def test_a_damaged_record_is_named_and_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.yaml").write_text("cells:\n- {model: rnn, task: delayed_recall, lags: 2}\n")
    (only,) = table_named(str(tmp_path / "one.yaml")).cells()
    path = tmp_path / "one" / "records" / f"{only.id}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 1, "id": ')
    assert call(["table", str(tmp_path / "one.yaml"), "--output", str(tmp_path)]) == 2
    assert path.name in capsys.readouterr().err
    assert path.read_text() == '{"schema_version": 1, "id": '
