import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmark import training
from benchmark.cells import build_model, build_task
from benchmark.lit_sequence import Diverged, LitSequence
from benchmark.run_options import TrainerOptions
from leaderboard.cell import Budget
from leaderboard.measured import Climbed
from leaderboard.record import read_record, sealed
from models.base import SequenceModel
from models.rnn import Rnn
from tests.benchmark.cells import TINY, cell, run, without_host


@pytest.mark.parametrize("regime", ["learn", "retain"])
def test_the_same_cell_twice_gives_the_same_bits(regime: str, tmp_path: Path) -> None:
    given = cell(regime=regime)
    records = [run(given, tmp_path / name) for name in ("a", "b")]
    assert without_host(records[0]) == without_host(records[1])
    weights = [sorted((tmp_path / name).rglob("weights*.safetensors")) for name in ("a", "b")]
    expected = {"learn": ["weights-2.safetensors", "weights-4.safetensors"], "retain": ["weights.safetensors"]}
    assert [path.name for path in weights[0]] == expected[regime]
    assert [path.read_bytes() for path in weights[0]] == [path.read_bytes() for path in weights[1]]
    metrics = [[path.read_bytes() for path in sorted((tmp_path / name).rglob("metrics.csv"))] for name in ("a", "b")]
    assert metrics[0] == metrics[1] != []


def test_another_seed_gives_other_data_and_weights(tmp_path: Path) -> None:
    a, b = (run(cell(seed=seed), tmp_path) for seed in (0, 1))
    assert a.id != b.id
    assert not torch.equal(build_model(a.cell).cells[0].weight_hh_l0, build_model(b.cell).cells[0].weight_hh_l0)  # pyright: ignore


def test_the_record_on_disk_is_the_one_returned(tmp_path: Path) -> None:
    record = run(cell(), tmp_path)
    assert record.status == "ok"
    assert read_record(tmp_path / "records" / f"{record.id}.json") == record
    assert [point.lag for point in record.curve] == [2, 4]
    assert all(point.n == TINY.n_test for point in record.curve)
    assert record.facts is not None
    rnn = 2 * 8 * 8 + 2 * 8
    assert record.facts.n_params == 5 * 8 + rnn + 2 * 8 + 8 * 2 + 2
    assert record.facts.n_params_non_embedding == rnn
    assert record.facts.flops_per_token == 2 * (rnn - 2 * 8)  # matrix products alone
    assert 0 < record.host.peak_bytes < 4 * 2**30


def test_saved_weights_give_the_recorded_score(tmp_path: Path) -> None:
    """The curve is the test score of the weights on disk, recomputed here by a plain loop."""
    record = run(cell(), tmp_path)
    task = build_task(record.cell)
    lit = LitSequence(build_model(record.cell), task.spec, TINY)
    for point in record.curve:
        lit.load_state_dict(load_file(tmp_path / "cells" / record.id / f"weights-{point.lag}.safetensors"))
        batch = task.examples(0, "test", point.lag, 0, TINY.n_test)
        answers = lit(batch.inputs, batch.positions)[:, -1].argmax(-1)
        assert int((answers == batch.targets[:, -1]).sum()) == point.total


def test_learning_rate_is_logged_as_scheduled(tmp_path: Path) -> None:
    given = cell(budget=Budget(sequences=1600, batch_size=16, val_every=50, n_val=16, n_test=16, warmup=20), lags=[64])
    run(given, tmp_path)
    lines = (tmp_path / "cells" / given.id / "metrics-64" / "metrics.csv").read_text().splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]
    rates = {int(row["step"]): float(row["train/lr@64"]) for row in rows if row["train/lr@64"]}
    assert sorted(rates) == [24, 49, 74, 99]
    cosine = [(1 + math.cos(math.pi * (step - 20) / 80)) / 2 for step in sorted(rates)]
    assert [rates[step] for step in sorted(rates)] == pytest.approx([3e-3 * (0.05 + 0.95 * c) for c in cosine])


def test_the_best_validation_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights after training are those of the highest validation, though later ones were worse."""
    scores, snapshots = iter([0.2, 0.9, 0.4, 0.3]), []

    def on_end(self: LitSequence) -> None:
        for sums in self.val_sums:
            sums.reset()  # pyright: ignore
        self.strengths = [next(scores)]
        snapshots.append({name: tensor.clone() for name, tensor in self.state_dict().items()})
        self.log("val/strength@2", self.strengths[0])

    monkeypatch.setattr(LitSequence, "on_validation_epoch_end", on_end)
    record = run(cell(lags=[2], budget=TINY.model_copy(update={"sequences": 640})), tmp_path)
    kept = load_file(tmp_path / "cells" / record.id / "weights-2.safetensors")
    assert len(snapshots) == 4
    assert all(torch.equal(kept[name], tensor) for name, tensor in snapshots[1].items())
    assert any(not torch.equal(kept[name], tensor) for name, tensor in snapshots[3].items())


def test_training_stops_when_solved_twice_in_a_row(tmp_path: Path) -> None:
    budget = Budget(sequences=16_000, batch_size=16, val_every=10, n_val=64, n_test=64, warmup=5, lr=1e-2)
    record = run(cell(lags=[1], budget=budget), tmp_path)
    (point,) = record.curve
    assert point.solved
    assert point.sequences is not None
    assert 2 * 160 <= point.sequences < 8_000
    assert point.sequences % 160 == 0
    assert point.total >= 0.99 * 64


def test_what_fails_is_recorded_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fit(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise Diverged("training loss is nan at step 25")
        return original(*args, **kwargs)

    original = training.fit
    monkeypatch.setattr("benchmark.running.fit", fit)
    record = run(cell(), tmp_path)
    assert (record.status, record.reason) == ("diverged", "training loss is nan at step 25")
    assert [point.lag for point in record.curve] == [2]
    monkeypatch.setattr("benchmark.running.fit", lambda *a, **k: 1 / 0)
    record = run(cell(seed=1), tmp_path)
    assert (record.status, record.reason) == ("failed", "ZeroDivisionError: division by zero")
    assert "Traceback" in (tmp_path / "cells" / record.id / "error.txt").read_text()
    assert read_record(tmp_path / "records" / f"{record.id}.json") == record


def test_numbers_that_are_not_finite_are_a_divergence(tmp_path: Path) -> None:
    record = run(cell(budget=TINY.model_copy(update={"lr": 1e38, "clip": 1e38})), tmp_path)
    assert record.status == "diverged"
    assert "finite" in str(record.reason) or "nan" in str(record.reason)


def test_an_interrupted_climb_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = run(cell(), tmp_path / "whole")
    folder = tmp_path / "cut" / "cells" / whole.id
    folder.mkdir(parents=True)
    (folder / "outcome-2.json").write_bytes(sealed(Climbed(outcome=whole.curve[0])))
    resumed = run(cell(), tmp_path / "cut")
    assert without_host(resumed) == without_host(whole)
    assert not (folder / "weights-2.safetensors").exists()  # that lag was not trained again
    assert json.loads((folder / "outcome-4.json").read_text())["outcome"]["lag"] == 4


def test_an_outcome_changed_by_hand_is_not_gone_on_from(tmp_path: Path) -> None:
    whole = run(cell(), tmp_path / "whole")
    path = tmp_path / "cut" / "cells" / whole.id / "outcome-2.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed(Climbed(outcome=whole.curve[0])).replace(b'"solved": false', b'"solved": true'))
    assert b'"solved": true' in path.read_bytes()
    assert without_host(run(cell(), tmp_path / "cut")) == without_host(whole)


def test_compile_runs_the_model_through_torchs_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[type] = []
    monkeypatch.setattr(SequenceModel, "compile", lambda self: compiled.append(type(self)), raising=False)
    run(cell(lags=[2]), tmp_path / "plain")
    assert compiled == []
    run(cell(lags=[2]), tmp_path / "compiled", trainer=TrainerOptions(compile=True))
    assert compiled == [Rnn]


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_half_precision_trains(precision: str, tmp_path: Path) -> None:
    record = run(cell(lags=[2], precision=precision), tmp_path)
    assert (record.status, record.reason) == ("ok", None)
