"""What is tried before any work: models that cannot be, or cannot run, are one line."""

from pathlib import Path

import pytest

from benchmark.cli import call

SHORT = ["--budget.sequences", "160", "--budget.batch_size", "16", "--budget.val_every", "10", "--budget.n_test", "32"]
FAULTS = """
from torch import nn
from models.base import SequenceModel

class Raises(SequenceModel):
    def __init__(self, dim: int = 8):
        raise RuntimeError("no\\nway")
    def forward(self, x):
        return x

class NoSuper(Raises):
    def __init__(self, dim: int = 8):
        self.a = nn.Linear(dim, dim)

class Last(Raises):
    def __init__(self, dim: int = 8):
        SequenceModel.__init__(self, dim)
    def forward(self, x):
        return x[:, -1]

class Pair(Last):
    def forward(self, x):
        return x, x

class Peeks(Last):
    def forward(self, x):
        return x + x.mean(1, keepdim=True)

class Short(Last):
    def forward(self, x):
        if x.shape[1] == 65:
            raise KeyError("65")
        return x
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raises", "RuntimeError: no way"),
        ("NoSuper", "cannot assign module before"),
        ("Last", "gave output (3, 8)"),
        ("Pair", "returns a tuple"),
        ("Peeks", "says causal = False"),
        ("Short", "cannot run on 65 inputs"),
        ("Nope", "choices: Last, NoSuper, Pair, Peeks, Raises, Short"),
        ("SequenceModel", "SequenceModel does not define forward"),
    ],
)
def test_a_faulty_model_is_refused_before_any_work(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faults.py").write_text(FAULTS)
    words = ["run", "--model", f"{tmp_path}/faults.py:{name}", "--task", "delayed_recall", "--lags", "64", *SHORT]
    assert call([*words, "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out" / "run" / "records").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "s4", "--precision", "bf16-true"], "cannot run on 3 inputs in precision bf16-true"),
        (["--model", "transformer", "--model.positions", "learned", "--model.max_length", "2"], "end at max_length=2"),
        (["--model", "transformer", "--model.positions", "rotary"], "one of rope, alibi, sinusoidal, learned, none"),
        (["--model", "gru", "--model.dim", "wide"], "--model.dim: Expected a whole number. Got value: wide"),
        (["--model", "gru", "--n-params", "9k", "--model.dim", "8"], "leave --model.dim out"),
        (["--model", "gru", "--n-params", "0"], "--n-params must be at least 1"),
        (["--model", "models/gru.py"], "name the class too, as in models/gru.py:ClassName"),
        (["--model", "unitary_rnn", "--model.dim", "63"], "dim must be even"),
        (["--model", "mamba2", "--model.dim", "50"], "got expand=2, dim=50, head_dim=32"),
        (["--model", "hybrid", "--model.every", "3"], "every must be at most layers"),
        (["--model", "sliding_window", "--model.window", "-3"], "window must be at least 1, got -3"),
    ],
)
def test_a_model_that_cannot_be_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", *words, "--task", "delayed_recall", "--lags", "2", *SHORT, "--output", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_model_that_reads_ahead_is_refused_only_where_the_targets_lie_ahead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "both.py"
    path.write_text(
        "from models.base import SequenceModel\n"
        "from tasks.delayed_recall import DelayedRecall\n"
        "from dataclasses import replace\n"
        "class Mean(SequenceModel):\n    causal = False\n    def __init__(self, dim: int = 8):\n"
        "        super().__init__(dim)\n    def forward(self, x):\n        return x + x.mean(1, keepdim=True)\n"
        "class Forced(DelayedRecall):\n    def __init__(self):\n        super().__init__()\n"
        "        self.spec = replace(self.spec, teacher_forced=True)\n"
    )
    words = ["run", "--model", f"{path}:Mean", *SHORT, "--lags", "1,2", "--output", str(tmp_path), "--task"]
    assert call([*words, f"{path}:Forced"]) == 2
    assert "it would read them; choose a causal model" in capsys.readouterr().err
    assert call([*words, "delayed_recall"]) == 0
