"""A choice of learning rates: made on validation, tested once, its trials recorded."""

import math
from pathlib import Path

import pytest

from benchmark import training
from benchmark.cells import build_task
from benchmark.cli import call
from benchmark.options import cell_parser, make_cell
from benchmark.registry import UsageError
from benchmark.tables import table_named
from leaderboard.record import read_records
from tests.benchmark.cells import TINY, cell, run, without_host


def test_the_best_of_the_validation_is_kept_and_it_alone_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[int] = []
    original = training.Trained.test
    monkeypatch.setattr(training.Trained, "test", lambda self, *words: tested.append(1) or original(self, *words))
    rates = [1e-5, 1e-2, 3e-2]
    budget = TINY.model_copy(update={"sequences": 1600, "lr": rates[0]})
    record = run(cell(lags=[2], lrs=rates, budget=budget), tmp_path / "choice")
    assert record.status == "ok", record.reason
    assert len(tested) == 1
    assert [trial.lr for trial in record.trials] == rates
    alone = [run(cell(lags=[2], budget=budget.model_copy(update={"lr": lr})), tmp_path / f"{lr}") for lr in rates]
    strengths = [trial.strength or 0.0 for trial in record.trials]
    assert strengths[0] < max(strengths)
    best = strengths.index(max(strengths))
    assert record.curve == alone[best].curve
    assert [trial.sequences for trial in record.trials] == [each.curve[0].sequences for each in alone]


def test_a_rate_that_diverges_loses_and_does_not_end_the_cell(tmp_path: Path) -> None:
    budget = TINY.model_copy(update={"lr": 3e-3, "clip": 1e38})
    record = run(cell(regime="retain", lrs=[3e-3, 1e38], budget=budget), tmp_path)
    assert record.status == "ok", record.reason
    good, bad = record.trials
    assert good.strength is not None
    assert math.isfinite(good.strength)
    assert (bad.lag, bad.lr, bad.strength, bad.sequences) == (None, 1e38, None, None)


def test_where_every_rate_diverges_so_does_the_cell(tmp_path: Path) -> None:
    budget = TINY.model_copy(update={"lr": 1e37, "clip": 1e38})
    record = run(cell(regime="retain", lrs=[1e37, 1e38], budget=budget), tmp_path)
    assert record.status == "diverged"
    assert [trial.strength for trial in record.trials] == [None, None]


def test_a_cell_without_a_choice_is_the_cell_it_was(tmp_path: Path) -> None:
    """Its id leaves the choice out, so that records of before are its own."""
    assert cell(lrs=[]).id == cell().id != cell(lrs=[3e-3, 1e-2]).id
    assert build_task(cell()) is build_task(cell(lrs=[3e-3, 1e-2]))


def test_a_tables_list_of_rates_is_a_choice_and_not_an_axis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.yaml").write_text(
        "cells:\n"
        "- {model: [rnn, gru], model.dim: 8, task: delayed_recall, regime: retain, lags: '2,4', measures: none,\n"
        "   lr: [3e-3, 1e-2], budget.sequences: 1600, budget.n_test: 32}\n"
    )
    cells = table_named(str(tmp_path / "some.yaml")).cells()
    assert [(each.model.name, each.lrs, each.budget.lr) for each in cells] == [
        (name, [3e-3, 1e-2], 3e-3) for name in ("rnn", "gru")
    ]
    assert call(["table", str(tmp_path / "some.yaml"), "--output", str(tmp_path), "--workers", "1"]) == 0
    for record in read_records(tmp_path / "some" / "records"):
        assert [trial.lr for trial in record.trials] == [3e-3, 1e-2]
    words = ["--model", "rnn", "--model.dim", "8", "--task", "delayed_recall", "--regime", "retain", "--lags", "2,4"]
    words += ["--measures", "none", "--lr", "1e-2,3e-3", "--budget.sequences", "1600", "--budget.n_test", "32"]
    capsys.readouterr()
    assert call(["run", *words, "--output", str(tmp_path)]) == 0
    assert "learning rates on validation: 0.003 s=" in capsys.readouterr().out
    (alone,) = read_records(tmp_path / "run" / "records")
    (same,) = (each for each in read_records(tmp_path / "some" / "records") if each.id == alone.id)
    assert without_host(alone) == without_host(same)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lr", "1e-3", "--budget.lr", "1e-3"], "--lr sets the learning rate: leave --budget.lr out"),
        (["--lr", "0"], "expected distinct learning rates above 0, got 0"),
        (["--lr", "1e-3,fast"], "Expected a number"),
        (["--lr", "1e-3,1e-3"], "expected distinct learning rates above 0, got 0.001,0.001"),
    ],
)
def test_a_wrong_choice_is_one_line(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_cell(["--model", "rnn", "--task", "delayed_recall", *words], cell_parser())
