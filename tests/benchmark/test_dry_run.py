"""`spanbench table --dry-run`: counts that are right, costs that follow from records, nothing written."""

import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest
from rich.console import Console

from benchmark import dry_run as dry
from benchmark.cli import call
from benchmark.plan import Plan, plan_for
from benchmark.throughput import estimated, inputs, timings
from leaderboard.cell import Cell
from leaderboard.record import Host, Record, write_record
from tests.benchmark.cells import TOP

TABLE = """
title: Some
core_seconds: 3600
cells:
- {model: [gru, rnn], task: [mqar, latch], regime: retain, lags: '2,64', seed: [0, 1, 2]}
- {model: s4, task: mqar, lags: '16,32', seed: [0, 1, 2]}
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPANBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "some.yaml").write_text(TABLE)
    return plan_for(str(tmp_path / "some.yaml"))


def leave(folder: Path, cell: Cell, seconds: float, status: str = "ok", device: str = "cpu") -> Path:
    versions = {"python": "3.11"}
    finished = "2026-01-01T00:00:00+00:00"
    host = Host(
        seconds=seconds, peak_bytes=1, device=device, machine="m", versions=versions, commit=None, finished=finished
    )
    record = Record(id=cell.id, cell=cell, status=status, host=host)  # pyright: ignore[reportArgumentType]
    return write_record(folder / "records", record)


def said(
    plan: Plan, folder: Path, capsys: pytest.CaptureFixture[str], workers: int = 2, again: Collection[str] = ()
) -> list[str]:
    assert dry.dry_run(plan, folder, workers, Console(), again) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def of(plan: Plan, model: str, task: str) -> list[Cell]:
    return [cell for cell in plan.cells() if (cell.model.name, cell.task.name) == (model, task)]


def test_what_is_done_and_left_is_counted(plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = of(plan, "gru", "mqar")
    leave(tmp_path / "out", first, 10)
    leave(tmp_path / "out", second, 10, "failed")
    leave(tmp_path / "out", third, 10, "diverged")
    leave(tmp_path / "out", of(plan, "rnn", "latch")[1], 10)
    (tmp_path / "out" / "records" / "stray.json").write_text("{}")
    lines = said(plan, tmp_path / "out", capsys)
    assert lines[0] == f"Some: 15 cells, 4 done in {tmp_path / 'out'}, 11 left"
    assert lines[1] == "model measure cells done failed diverged left"
    assert "gru retain mqar 3 3 1 1 0" in lines
    assert "rnn retain latch 3 1 0 0 2" in lines
    assert "s4 learn mqar 3 0 0 0 3" in lines
    assert len(lines) == 1 + 1 + 5 + 1 + 2


@pytest.mark.parametrize(
    ("words", "done"), [([], 3), (["--retry", "failed"], 2), (["--retry", "failed,diverged"], 1), (["--fresh"], 0)]
)
def test_what_would_run_again_is_left(
    words: list[str], done: int, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cell, status in zip(of(plan, "gru", "mqar"), ("ok", "failed", "diverged"), strict=True):
        leave(tmp_path / "some", cell, 10, status)
    assert call(["table", str(tmp_path / "some.yaml"), "--output", str(tmp_path), "--dry-run", *words]) == 0
    first, *lines = (" ".join(line.split()) for line in capsys.readouterr().out.splitlines())
    assert first == f"Some: 15 cells, {done} done in {tmp_path / 'some'}, {15 - done} left"
    assert f"gru retain mqar 3 {done} 1 1 {3 - done}" in lines


def test_no_more_workers_are_reckoned_with_than_there_are_cells(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cell in [*plan.cells()][1:]:
        leave(tmp_path / "out", cell, 600)
    (line,) = (line for line in said(plan, tmp_path / "out", capsys, workers=1000) if line.startswith("cpu:"))
    assert "about 10 min one after another, 10 min with --workers 1;" in line


def test_the_cost_is_the_median_of_a_cells_own_kind_then_its_models_then_all(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cell, seconds in zip(of(plan, "gru", "mqar"), (100, 120), strict=False):
        leave(tmp_path / "out", cell, seconds)
    budget, s4 = plan.efforts[0].budget.sequences, of(plan, "s4", "mqar")[0].budget.sequences
    own, rate = 110, 110 / (budget * 64)  # gru on latch at the rate of gru, all else at the rate of all
    expected = own + 3 * rate * budget * 64 + 6 * rate * budget * 64 + 3 * rate * s4 * (16 + 32)
    (last, rule) = said(plan, tmp_path / "out", capsys)[-2:]
    assert last == (
        f"cpu: about {expected / 60:.0f} min one after another, {expected / 120:.0f} min with --workers 2; "
        "from 2 records, 1 by their own kind, 3 by their model, 9 by all records; "
        "half of the records took 0.95 to 1.05 times the median of their kind"
    )
    assert rule == dry.RULE


def test_each_device_has_a_line_of_its_own_and_what_failed_says_nothing_of_cost(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = of(plan, "gru", "mqar")
    leave(tmp_path / "out", first, 60)
    leave(tmp_path / "out", second, 1, device="NVIDIA H100")
    leave(tmp_path / "out", third, 9999, "failed")
    lines = said(plan, tmp_path / "out", capsys)
    devices = {line.partition(":")[0]: line for line in lines[-3:-1]}
    assert list(devices) == ["NVIDIA H100", "cpu"]
    assert all("from 1 records" in line for line in devices.values())
    assert "half of" not in devices["cpu"]


def test_records_of_other_tables_beside_it_are_measured_by(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = of(plan, "gru", "mqar")[0].model_copy(update={"seed": 77})
    leave(tmp_path / "runs" / "other", other, 60)
    assert "from 1 records, 3 by their own kind, 3 by their model" in said(plan, tmp_path / "runs" / "some", capsys)[-2]


def test_without_a_record_the_table_is_quoted(plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = said(plan, tmp_path / "out", capsys)[-1]
    assert (
        last == "cost of 15 cells: no record of any cell to reckon it from; the table itself expects 60 min of one core"
    )
    silent = plan.model_copy(update={"core_seconds": 0.0})
    assert said(silent, tmp_path / "out", capsys)[-1].endswith("the table says nothing of it")


def test_with_nothing_left_that_is_said(plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for cell in plan.cells():
        leave(tmp_path / "out", cell, 1)
    lines = said(plan, tmp_path / "out", capsys)
    assert lines[0].endswith("15 done in " + str(tmp_path / "out") + ", 0 left")
    assert lines[-1] == "nothing is left to run"


def test_of_many_records_some_are_read_evenly_and_that_is_said(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry, "MOST", 4)
    paths = [leave(tmp_path / "out", cell, 1) for cell in list(plan.cells())[:12]]
    read: list[Path] = []
    whole = dry.read_record
    monkeypatch.setattr(dry, "read_record", lambda path: read.append(path) or whole(path))
    assert "failed and diverged are counted among 4 records of 12, read evenly" in said(plan, tmp_path / "out", capsys)
    assert read == paths[::3]


def test_a_damaged_record_is_named(plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = leave(tmp_path / "out", plan.cell(0), 1)
    path.write_bytes(path.read_bytes()[:-40])
    lines = said(plan, tmp_path / "out", capsys)
    assert f"{path}: not a record: its cell will run again" in lines
    assert " 0 done in " in lines[0]


def test_a_long_list_is_shown_by_model_then_by_measure(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry, "LINES", 4)
    lines = said(plan, tmp_path / "out", capsys)
    assert lines[1:6] == ["model cells done failed diverged left", "gru 6 0 0 0 6", "rnn 6 0 0 0 6", "s4 3 0 0 0 3", ""]
    assert lines[6:8] == ["measure cells done failed diverged left", "retain mqar 6 0 0 0 6"]


def test_an_estimate_weighs_every_cell_that_is_left(plan: Plan) -> None:
    """Against a sum over single cells, from records whose seconds are in proportion to their work."""
    records = []
    for number, row in enumerate(plan.rows):
        cell = plan.cell(number)
        seconds = 1e-6 * cell.budget.sequences * (sum(cell.lags) if cell.regime == "learn" else cell.horizon)
        assert inputs(plan.questions[row[1]], plan.efforts[row[2]]) == round(1e6 * seconds)
        host = Host(seconds=seconds, peak_bytes=1, device="cpu", machine="m", versions={}, commit=None, finished="")
        records.append(Record(id=cell.id, cell=cell, status="ok", host=host))
    left = {row[:3]: 3 for row in plan.rows}
    whole = sum(record.host.seconds for record in records)
    for some in (records, records[:1], records[::4]):
        (measured,) = timings(plan, some).values()
        assert estimated(plan, left, measured).seconds == pytest.approx(whole)


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    def facts(path: Path) -> tuple[int, int, bytes]:
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_ino, path.read_bytes() if path.is_file() else b""

    paths: Iterable[Path] = sorted(folder.rglob("*"))
    return {str(path): facts(path) for path in paths}


def test_the_command_writes_nothing_and_does_without_torch(plan: Plan, tmp_path: Path) -> None:
    words = ["table", str(tmp_path / "some.yaml"), "--dry-run", "--output", str(tmp_path / "runs")]
    assert call(words) == 0
    assert not (tmp_path / "runs").exists()
    leave(tmp_path / "runs" / "some", plan.cell(0), 5)
    before = everything(tmp_path)
    code = (
        "import sys; from benchmark.cli import call; assert call(sys.argv[1:]) == 0; "
        "assert not {'torch', 'lightning', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=TOP, capture_output=True, text=True, check=True)
    assert "15 cells, 1 done" in done.stdout
    assert everything(tmp_path) == before


def test_bad_usage_is_said_before_anything_is_listed(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--workers", "0"], ["--model", "gru"]):
        assert call(["table", str(tmp_path / "some.yaml"), "--dry-run", *words]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
