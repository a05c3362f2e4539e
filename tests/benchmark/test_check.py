"""`spanbench check`: sound models pass, each broken one is caught by its own clause, with the place of its fault."""

import re
from pathlib import Path

import pytest
import torch

from benchmark.cli import call
from benchmark.pinpoint import farthest
from benchmark.registry import entry, load_class
from benchmark.tables import table_named
from benchmark.verdicts import OFFICIAL
from models.base import SequenceModel

FAULTS = """
import random
import torch
from torch import nn
from models.base import SequenceModel, StreamingModel

class Sound(SequenceModel):
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        self.scale = nn.Parameter(torch.ones(dim))
    def forward(self, x):
        return self.scale * x

class Streams(StreamingModel):
    rho = 0.9
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        self.scale = nn.Parameter(torch.ones(dim))
    def forward(self, x):
        h, outputs = x[:, 0] * 0, []
        for x_t in x.unbind(1):
            h = self.rho * h + x_t
            outputs.append(self.scale * h)
        return torch.stack(outputs, 1)
    def init_state(self, batch):
        return self.zeros(batch, self.dim)
    def step(self, x_t, state):
        h = self.rho * state + x_t
        return self.scale * h, h

class NoModel(nn.Module):
    def __init__(self, dim: int = 16):
        super().__init__()

class Abstract(StreamingModel):
    def forward(self, x):
        return x

class NoDim(Sound):
    def __init__(self, width: int = 16):
        super().__init__(width)

class Needs(Sound):
    def __init__(self, dim: int, layers: int):
        super().__init__(dim)

class Refuses(Sound):
    def __init__(self, dim: int = 16):
        raise ValueError("dim is never right")  # Refuses

class NoSuper(Sound):
    def __init__(self, dim: int = 16):
        self.scale = nn.Parameter(torch.ones(dim))  # NoSuper

class OtherDim(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(dim + 1)

class TakesNone(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(max(dim, 1))

class OneWidth(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(min(dim, 16))

class Divides(Sound):
    def __init__(self, dim: int = 16):
        self.heads = 16 // dim  # Divides
        super().__init__(dim)

class Looks(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        self.total = float(self.scale.detach().sum())  # Looks

class Drops(Sound):
    def forward(self, x):
        return super().forward(x)[:, :-1] if x.shape[1] == 2 else super().forward(x)

class Pair(Sound):
    def forward(self, x):
        return super().forward(x), x

class Leaks(Sound):
    def forward(self, x):
        y = super().forward(x)
        if x.shape[1] > 50:
            y = y + 0.03 * x[:, 50:51] * (torch.arange(x.shape[1], device=x.device) == 49)[:, None]
        return y

class Averages(Sound):
    def forward(self, x):
        return super().forward(x) - x.mean(1, keepdim=True)

class LeaksLate(Sound):
    def forward(self, x):
        y = super().forward(x)
        if x.shape[1] > 200:
            y = y + 0.03 * x[:, 140:141] * (torch.arange(x.shape[1], device=x.device) == 122)[:, None]
        return y

class SaysItLeaks(Sound):
    causal = False

class OneLate(Sound):
    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 0, 1, -1)))

class StepsApart(Streams):
    def step(self, x_t, state):
        self.t = 0 if not state.any() else self.t + 1
        return super().step(x_t, state if self.t != 17 else 0.99 * state)

class FirstStep(Streams):
    def step(self, x_t, state):
        y, h = super().step(x_t, state)
        return 1.01 * y, h

class Grows(Streams):
    def init_state(self, batch):
        return []
    def step(self, x_t, state):
        past = [*state, x_t]
        return self.scale * sum(self.rho ** (len(past) - 1 - i) * each for i, each in enumerate(past)), past

class Halves(Streams):
    def step(self, x_t, state):
        y, h = super().step(x_t, state.float())
        return y, h.half()

class Stays(Streams):
    def step(self, x_t, state):
        return super().step(x_t, state)[0], state

class Flat(Streams):
    def step(self, x_t, state):
        y, h = super().step(x_t, state)
        return y[:, None], h

class OddState(Streams):
    def step(self, x_t, state):
        y, h = super().step(x_t, state.h if isinstance(state, Holder) else state)
        return y, Holder(h)

class Holder:
    def __init__(self, h):
        self.h = h

class Stumbles(Streams):
    def step(self, x_t, state):
        return self.scale * (state @ x_t), state  # Stumbles

class NoStreamer(Sound):
    def step(self, x_t, state):
        return x_t, state

class Idle(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        self.unused = nn.Linear(2, 2)

class Detaches(Sound):
    def forward(self, x):
        return super().forward(x.detach())

class Overflows(Sound):
    def forward(self, x):
        return super().forward(x) / (torch.arange(x.shape[1], device=x.device) != 3000)[:, None]

class Roots(Sound):
    def forward(self, x):
        return super().forward(x) + (0 * self.scale).sqrt()

class Mixes(Sound):
    def forward(self, x):
        return super().forward(x) + x.mean(0) * (torch.arange(x.shape[1], device=x.device) == 20)[:, None]

class Counts(Sound):
    calls = 0
    def forward(self, x):
        self.calls += not self.training
        return super().forward(x) * (1 + 1e-6 * self.calls)

class Unseeded(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        nn.init.constant_(self.scale, 1 + random.random())

class Gathers(Sound):
    level = 1.0
    def forward(self, x):
        if self.training:
            self.level = float(x.detach().cpu().square().mean()) if x.device.type == "cpu" else 1.0
            return super().forward(x)
        return super().forward(x) * self.level

class Window(Sound):
    claim = 3
    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 0, 2, 0)).unfold(1, 3, 1).mean(-1))
    def receptive_field(self, length):
        return self.claim

class TooLittle(Window):
    claim = 2

class TooMuch(Window):
    claim = 5

class Nothing(Window):
    claim = 0

class Coarse(Sound):
    def forward(self, x):
        return super().forward(x) + 5 * torch.is_autocast_enabled("cpu") * x.flip(-1)

class TwoTypes(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        self.out = nn.Linear(dim, dim)
    def forward(self, x):
        return super().forward(x).lerp(self.out(x), 0.5)  # TwoTypes

class Branches(Sound):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(x + 0)  # Branches

class Unregistered(Sound):
    def __init__(self, dim: int = 16):
        super().__init__(dim)
        self.shift = torch.zeros(dim)

    def forward(self, x):
        return super().forward(x) + self.shift

class Sometimes(Sound):
    def forward(self, x):
        if x.shape[1] > 2 and x.shape[1] % 10 == 0:
            return x @ x  # Sometimes
        return super().forward(x)
"""
CAUGHT = [  # class, clause, what is said, what is said to be done
    ("NoModel", "constructor", "NoModel is no SequenceModel", "derive it from"),
    ("Abstract", "constructor", "does not define init_state, step", "define init_state, step"),
    ("NoDim", "constructor", "it takes no dim", "def __init__(self, dim: int"),
    ("Needs", "constructor", "it needs a value for dim, layers", "a default"),
    ("Refuses", "constructor", "ValueError: dim is never right", "super().__init__(dim)"),
    ("NoSuper", "constructor", "AttributeError: cannot assign parameters before Module.__init__()", "super().__init__"),
    ("OtherDim", "constructor", "built with dim = 16, its dim is 17", "hand dim on"),
    ("TakesNone", "width", "dim = 0 is taken", "ValueError"),
    ("OneWidth", "width", "built with dim = 32, its dim is 16", "hand dim on"),
    ("Divides", "width", "dim = 0 raises ZeroDivisionError", "ValueError"),
    ("Looks", "width", "RuntimeError", "meta device"),
    ("Drops", "shape", "input (3, 2, 16) gave output (3, 1, 16)", "input's shape"),
    ("Pair", "shape", "it returns a tuple", "return one tensor"),
    ("Leaks", "causality", "output 49 changes by # of its scale with input 50,", "causal = False"),
    ("Averages", "causality", "output 0 changes by # of its scale with input 1,", "mean"),
    ("LeaksLate", "causality", "output 122 changes by # of its scale with input 140,", "mask"),
    ("SaysItLeaks", "causality", "no output depends on a later input", "leave causal = False out"),
    ("OneLate", "causality", "output 41 does not depend on input 41", "one late"),
    ("StepsApart", "step = forward", "first differs at step 17 by # of the output's scale", "the first step is right"),
    ("FirstStep", "step = forward", "first differs at step 0 by # of", "already the first step"),
    ("Grows", "step = forward", "the state grows from 0 to 64 bytes at step 0", "fixed size"),
    ("Halves", "step = forward", "the state is kept in torch.float16", "self.zeros"),
    ("Stays", "step = forward", "first differs at step 1 by # of the output's scale; step hands its state on", "next"),
    ("Flat", "step = forward", "step 0 gave an output (3, 1, 16), where (3, 16) is due", "(B, D)"),
    ("OddState", "step = forward", "the state holds a Holder after step 0", "lists, tuples or dicts"),
    ("Stumbles", "step = forward", "RuntimeError: mat1 and mat2", "every batch"),
    ("NoStreamer", "step = forward", "is no StreamingModel", "derive it"),
    ("Idle", "gradients", "reaches unused.weight, unused.bias", "register_buffer"),
    ("Detaches", "gradients", "reaches the input", "without detach"),
    ("Overflows", "long inputs", "output 3000 of 4096 is not finite", "exceed 1"),
    ("Roots", "long inputs", "the gradient is not finite at scale", "root"),
    ("Mixes", "independent sequences", "output 20 differs by #", "BatchNorm"),
    ("Counts", "determinism", "gave two outputs, first at position 0", "call to call"),
    ("Unseeded", "determinism", "built twice from one seed", "torch's own generator"),
    ("Gathers", "reloading", "reloaded weights give another output", "register_buffer"),
    ("TooLittle", "receptive field", "says 2 inputs, but an output depends on 3", "return 3"),
    ("TooMuch", "receptive field", "says 5 inputs, but no output depends on more than 3", "return 3"),
    ("Nothing", "receptive field", "receptive_field gave 0", "from 1 on"),
    ("Coarse", "mixed precision", "off by", "float32"),
    ("TwoTypes", "mixed precision", "RuntimeError", "cast"),
    ("Branches", "operations", "RuntimeError", "override flops"),
    ("Unregistered", "operations", "is not registered", "nn.Parameter, register_buffer or nn.ModuleList"),
    ("Sometimes", "causality", "RuntimeError: Expected size", "every batch and length"),
]


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    (tmp_path / "faults.py").write_text(FAULTS)
    return tmp_path / "faults.py"


def checked(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = call(["check", *words])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out.splitlines()


@pytest.mark.parametrize("name", ["Sound", "Streams", "Window"])
def test_a_sound_model_keeps_every_clause(name: str, faults: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = checked([f"{faults}:{name}"], capsys)
    assert code == 0
    assert {line[:4].strip() for line in lines[1:14]} == {"ok", "–"}
    assert "it keeps the contract" in lines[-1]


@pytest.mark.parametrize(("name", "clause", "said", "hint"), CAUGHT, ids=[row[0] for row in CAUGHT])
def test_each_fault_is_caught_by_its_own_clause_alone(
    name: str, clause: str, said: str, hint: str, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = checked([f"{faults}:{name}"], capsys)
    assert code == 1
    ((at, line),) = [(i, line) for i, line in enumerate(lines) if line.startswith("FAIL")]
    assert line[5:].startswith(clause)
    assert re.search(re.escape(said).replace(r"\#", r"\d\.\de[+-]\d\d"), line)
    assert lines[at + 1].strip().startswith("→")
    assert hint in lines[at + 1]
    assert "Traceback" not in "".join(lines)
    here = [i for i, text in enumerate(FAULTS.splitlines(), 1) if text.endswith(f"# {name}")]
    assert ("faults.py:" in line) == bool(here)
    assert not here or f"faults.py:{here[0]}" in line


def test_a_leak_is_as_large_as_it_says(faults: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: 0.03 of the largest change of input 50, over the largest output of 70."""
    _, lines = checked([f"{faults}:Leaks"], capsys)
    x, fresh = (torch.randn(1, 70, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    y = x.clone()
    y[:, 49] += 0.03 * x[:, 50]
    size = 0.03 * (fresh[0, 50] - x[0, 50]).abs().max() / y.abs().max()
    assert f"output 49 changes by {size:.1e} of its scale" in "\n".join(lines)


def test_what_raises_the_same_is_said_once(faults: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = checked([f"{faults}:Sometimes"], capsys)
    again = [line for line in lines if "RuntimeError" in line and line.endswith(", as causality does")]
    assert [line[5:28].strip() for line in again] == [
        "gradients",
        "long inputs",
        "independent sequences",
        "determinism",
        "reloading",
        "mixed precision",
    ]
    assert all(line.startswith("–") for line in again)
    assert lines[-1] == "it breaks the contract: causality"


def test_what_does_not_apply_says_why(faults: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = checked([f"{faults}:Sound"], capsys)
    assert "–    step = forward         it has no step" in lines
    _, lines = checked(["bidirectional", "--model.dim", "16"], capsys)
    (line,) = [line for line in lines if "causality" in line]
    assert line.startswith("–    causality              causal = False, rightly: output 0 changes by")
    assert "state           does not stream" in lines
    assert "causal          no, it reads ahead" in lines


def test_it_says_what_the_model_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = checked(["gru", "--model.dim", "20"], capsys)
    fitted = max(d for d in range(1, 99) if 2 * (6 * d * d + 6 * d) <= 25_000)
    assert code == 0
    assert lines[0] == "Gru, gru.py"
    assert (
        f"parameters      {2 * (6 * 400 + 120):,} at dim 20; with --n-params 25k: "
        f"{2 * (6 * fitted**2 + 6 * fitted):,} at dim {fitted}"
    ) in lines
    assert f"FLOPs           {24 * 400:,} a position, over 256 positions" in lines
    assert f"state           {2 * 20 * 4} bytes" in lines
    assert {"causal          yes", "an output sees  all inputs"} <= set(lines)


def test_a_yaml_beside_the_model_and_its_arguments(faults: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = faults.parent / "mine.yaml"
    path.write_text("class_path: faults.py:Needs\ninit_args: {dim: 8, layers: 2}\nlr: 0.01\n")
    code, lines = checked([str(path)], capsys)
    assert code == 0
    assert lines[1] == "ok   constructor            builds with dim = 8, 8 parameters"
    _, lines = checked([str(path), "--model.dim", "24"], capsys)
    assert lines[1] == "ok   constructor            builds with dim = 24, 24 parameters"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a model comes first"),
        (["--model", "gru"], "a model comes first"),
        (["gur"], "did you mean gru"),
        (["gru", "rnn"], 'expected an option, got "rnn"'),
        (["gru", "--model.dmi", "3"], "did you mean dim"),
        (["gru", "--model.dim", "wide"], "--model.dim: Expected a whole number"),
        (["gru", "--n-params", "3"], 'unknown option "--n-params"'),
        (["{}/faults.py:Soun"], "did you mean Sound"),
        (["{}/faults.py"], "name the class too"),
        (["{}/none.py:Sound"], "no such file"),
        (["{}/broken.py:Sound"], "NameError: name 'nothing' is not defined (line 3)"),
        (["{}/bad.yaml"], "clas_path"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], said: str, faults: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (faults.parent / "broken.py").write_text("import torch\n\nnothing()\n")
    (faults.parent / "bad.yaml").write_text("class_path: models.gru.Gru\nclas_path: x\n")
    assert call(["check", *(word.format(faults.parent) for word in words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err


@pytest.mark.parametrize("reach", [190, 700])
def test_a_reach_too_long_to_try_everywhere_is_still_found(reach: int) -> None:
    """A sum over the last `reach` inputs; beyond WORK positions not every first input is tried."""

    class Sum(SequenceModel):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            total = x.cumsum(1)
            return total - torch.nn.functional.pad(total, (0, 0, reach, 0))[:, : x.shape[1]]

    for claimed, found in ((reach, reach), (reach - 1, reach), (reach + 5, reach)):
        most, tried, of = farthest(Sum(4).double(), claimed)
        assert most == found
        assert (tried == of) == (reach < 200)


def test_official_parameters_are_those_of_the_official_cells() -> None:
    assert {row["n-params"] for row in table_named("small").rows} == {OFFICIAL}
    assert issubclass(load_class(entry("models", "gru")["class_path"]), SequenceModel)
