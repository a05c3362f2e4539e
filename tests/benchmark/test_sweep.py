"""Sweeps of a table: what W&B's own agent makes of them is what the table is made of, chosen by validation alone."""

import itertools
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from benchmark.cli import call
from benchmark.options import cell_parser, make_cell
from benchmark.tables import table_named
from benchmark.wandb_process import drop
from leaderboard.cell import Cell
from leaderboard.record import read_records
from tests.benchmark.cells import cell, run

TINY = """
title: Tiny
cells:
- &first
  {model: [rnn, gru], model.dim: 8, task: delayed_recall, task.symbols: 2, regime: learn, lags: "1,2", seed: [0, 1],
   bisect: true, budget.sequences: 160, budget.batch_size: 16, budget.val_every: 10, budget.n_test: 32}
- {<<: *first, regime: retain, lags: "1,8", bisect: false, model: rnn}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def swept(folder: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("sweep*.yaml"))]


def agents_words(made: dict[str, Any]) -> list[list[str]]:
    """What W&B puts in place of ${args}, for every point of the grid."""
    parameters = made["parameters"]
    choices = [each.get("values", [each.get("value")]) for each in parameters.values()]
    points = (dict(zip(parameters, point, strict=True)) for point in itertools.product(*choices))
    return [create_sweep_command_args({"args": {k: {"value": v} for k, v in p.items()}})["args"] for p in points]


def cells_of(folder: Path) -> list[Cell]:
    parser = cell_parser()
    return [make_cell(words, parser)[0] for made in swept(folder) for words in agents_words(made)]


@pytest.mark.parametrize("name", ["quick", "standard"])
def test_an_agent_runs_the_cells_of_the_table(name: str, tmp_path: Path) -> None:
    assert call(["sweep", name, "--output", str(tmp_path)]) == 0
    assert [each.id for each in cells_of(tmp_path / name)] == [each.id for each in table_named(name).cells()]


def test_an_open_table_takes_models(tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text("cells:\n- {task: mqar, seed: [0, 1]}\n")
    assert call(["sweep", str(path), "--model", "gru,tcn", "--output", str(tmp_path)]) == 0
    assert [each.id for each in cells_of(tmp_path / "open")] == [
        each.id for each in table_named(str(path)).cells(["gru", "tcn"])
    ]


def test_a_choice_of_learning_rates_stays_one(tmp_path: Path) -> None:
    """A row's cells choose from them; only --lr makes a run of each."""
    path = tmp_path / "choice.yaml"
    path.write_text("cells:\n- {model: gru, task: mqar, lr: [1.0e-3, 3.0e-3], seed: [0, 1]}\n")
    assert call(["sweep", str(path), "--output", str(tmp_path)]) == 0
    found = cells_of(tmp_path / "choice")
    assert [each.lrs for each in found] == [[0.001, 0.003]] * 2
    assert [each.id for each in found] == [each.id for each in table_named(str(path)).cells()]


def test_learning_rates_are_one_more_axis(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["sweep", str(tiny), "--lr", "1e-3,3e-3,1e-5", "--output", str(tmp_path)]) == 0
    found = cells_of(tmp_path / "tiny")
    assert len(found) == 3 * 6
    table = {each.id for each in table_named(str(tiny)).cells()}
    assert {each.id for each in found if each.budget.lr == 0.003} == table
    for rate in (1e-3, 1e-5):
        same = [each.model_copy(update={"budget": each.budget.model_copy(update={"lr": 0.003})}) for each in found]
        assert {each.id for each, made in zip(same, found, strict=True) if made.budget.lr == rate} == table
    said = capsys.readouterr().out
    assert f"wandb sweep {tmp_path / 'tiny' / 'sweep-1.yaml'}    # 12 runs" in said
    assert "wandb agent SWEEP" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quik"], "did you mean quick"),
        ([], "TABLE is needed"),
        (["small"], "add --model"),
        (["quick", "--model", "gru"], "leave --model out"),
        (["quick", "--lr", "1e-3,fast"], "--lr: expected numbers"),
        (["quick", "--lr", "1e-3,0.001"], "distinct"),
        (["quick", "--lr", "0"], "greater than 0"),
        (["quick", "--lr", "nan"], "greater than 0"),
        (["{}/own.yaml", "--lr", "1e-3"], "row 1: it has its own budget.lr"),
        (["{}/none.yaml"], "no cells"),
    ],
)
def test_bad_usage_is_one_line_and_leaves_nothing(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text("cells:\n- {model: gru, task: mqar, budget.lr: 0.1}\n")
    (tmp_path / "none.yaml").write_text("cells:\n- {model: gru, task: mqar, seed: []}\n")
    given = [word.format(tmp_path) for word in words]
    assert call(["sweep", *given, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_metric_is_logged_and_is_one_of_validation(tiny: Path, tmp_path: Path) -> None:
    assert call(["sweep", str(tiny), "--output", str(tmp_path)]) == 0
    made = swept(tmp_path / "tiny")
    (metric,) = {each["metric"]["name"] for each in made}
    assert metric.startswith("val/")
    record = run(cell(), tmp_path, wandb="offline")
    drop()
    (log,) = (tmp_path / "cells" / record.id / "wandb").glob("offline-run-*/*.wandb")
    assert metric.encode() in log.read_bytes()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_wandbs_own_agent_runs_a_point_of_the_grid(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's code from a server's command to our process; the server alone is not there."""
    from wandb.wandb_agent import Agent

    assert call(["sweep", str(tiny), "--output", str(tmp_path)]) == 0
    made, _ = swept(tmp_path / "tiny")
    for key, value in {"SWEEP_ID": "abcd1234", "RUN_ID": "", "SWEEP_PARAM_PATH": "", "DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"WANDB_{key}", value)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    agent: Any = Agent(api=None, queue=None, sweep_id="abcd1234")
    agent._sweep_command = made["command"]
    first = {key: {"value": each.get("values", [each.get("value")])[0]} for key, each in made["parameters"].items()}
    agent._command_run({"args": first, "program": made["program"], "run_id": "efgh5678"})
    assert agent._run_processes["efgh5678"].wait() == 0
    (record,) = read_records(tmp_path / "tiny" / "sweep" / "run" / "records")
    assert record.id == table_named(str(tiny)).cells()[0].id
    (log,) = (tmp_path / "tiny" / "sweep").rglob("*.wandb")
    assert log.name == "run-efgh5678.wandb"  # the sweep's own run, not one beside it
    assert made["metric"]["name"].encode() in log.read_bytes()
