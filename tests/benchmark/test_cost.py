"""The stopwatch, and the command around it."""

import json
from pathlib import Path

import pytest
import torch

from benchmark.cli import call
from benchmark.stopwatch import Subject, peak_bytes
from leaderboard.reports.costs import CostStudy, exponents
from models.linear import Linear
from models.lstm import Lstm
from models.tcn import Tcn


def test_peak_memory_is_what_tensors_hold_at_once() -> None:
    def work() -> None:
        b = torch.ones(500)  # 2,000 bytes
        for _ in range(3):
            a = torch.zeros(1000)  # 4,000
            b = torch.ones(500)
            del a
        del b

    torch.zeros(1)
    assert peak_bytes(work, torch.device("cpu")) == pytest.approx(8000, abs=300)  # the last b beside a new a and b


def test_a_subject_measures_its_model() -> None:
    subject = Subject("linear", 32, Linear(dim=4), torch.randn(2, 32, 4))
    subject.warm_up()
    for _ in range(3):
        subject.round()
    point = subject.point()
    assert len(point.step_seconds) == 3
    assert len(point.token_seconds or []) == 3
    assert point.state_bytes == 4 * 4
    assert isinstance(subject.state, torch.Tensor)
    torch.testing.assert_close(subject.state, subject.model(subject.x[:1])[:, -1])  # the state after the whole input


@pytest.mark.parametrize("model", [Tcn(dim=8, levels=3), Lstm(dim=8)])
def test_memory_of_training_grows_with_the_length(model: Tcn | Lstm) -> None:
    found = []
    for length in (256, 512, 1024, 2048):
        subject = Subject("x", length, model, torch.randn(2, length, 8))
        subject.warm_up()
        subject.round()
        found.append(subject.point())
    memory = exponents(found)["memory"]
    assert memory is not None
    assert memory.value == pytest.approx(1, abs=0.05)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cost", "--model", "lstm,transformer", "--dim", "16,32", "--length", "64", "--rounds", "2", "--batch", "2"]
    assert call([*words, "--output", str(tmp_path)]) == 0
    assert "| lstm |" in capsys.readouterr().out
    study = CostStudy.model_validate(json.loads((tmp_path / "cost" / "costs.json").read_text()))
    assert [(point.model, point.at) for point in study.points] == [
        ("lstm", 16),
        ("lstm", 32),
        ("transformer", 16),
        ("transformer", 32),
    ]
    assert study.fixed == {"length": 64, "batch": 2}
    assert all((point.token_seconds is None) == (point.model == "transformer") for point in study.points)
    assert {path.name for path in (tmp_path / "cost").iterdir()} == {
        "costs.json", "table.md", "table.csv", "cost.png", "cost.svg"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "lstn"], ["lstn", "did you mean lstm?"]),
        (["--model", "lstm", "--length", "64,128", "--dim", "16,32"], ["one axis at a time", "--length and --dim"]),
        (["--model", "lstm", "--length", "64,x"], ["--length", "64,x"]),
        (["--model", "lstm", "--length", "0"], ["--length", "at least 1"]),
        (["--model", "lstm", "--state", "16,32", "--length", "64"], ["--state", "lstm has no state"]),
        (["--model", "transformer", "--dim", "20"], ["transformer", "head_dim"]),
        (["--model", "lstm", "--rounds", "0"], ["--rounds"]),
        (["--model", "lstm", "--device", "tpu"], ["tpu", "choices: cpu"]),
    ],
)
def test_bad_usage_is_one_line(words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["cost", *words, "--output", "/proc/nowhere"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in said)
