"""`spanbench new`: what it writes keeps the contract and trains, and what it refuses leaves nothing behind."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import models
from benchmark import new, registry
from benchmark.budget import part_named
from benchmark.cells import build
from benchmark.cli import call
from benchmark.registry import entry, load_class
from leaderboard.record import read_records

TOP = Path(__file__).resolve().parents[2]
CONTRIBUTING = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = [
    block for block in re.findall(r"^```sh\n(.*?)^```$", CONTRIBUTING, flags=re.M | re.S) if "spanbench new" in block
]
TINY = "--model.dim 8 --budget.sequences 160 --budget.batch_size 16 --budget.val_every 10 --budget.n_test 32"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, as far as `new` and names go."""
    for folder in ("models", "configs/models"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "configs" / "tasks").symlink_to(TOP / "configs" / "tasks")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "models" / "scans.py").touch()
    (tmp_path / "configs" / "models" / "gru.yaml").touch()
    for module in (new, registry):
        monkeypatch.setattr(module, "CONFIGS", tmp_path / "configs")
    monkeypatch.setattr(new, "TOP", tmp_path)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "models")])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_outside_the_tree_it_is_checked_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my models"
    assert call(["new", "my_model", "--output", str(folder), "--family", "state space"]) == 0
    said = capsys.readouterr().out
    config = folder / "my_model.yaml"
    assert sorted(files(folder)) == ["my_model.py", "my_model.yaml"]
    assert f"wrote {folder / 'my_model.py'}\nwrote {config}\n" in said
    found = entry("models", str(config))
    assert found["class_path"] == f"{folder / 'my_model.py'}:MyModel"
    assert found["family"] == "state space"
    check, run, submit = [shlex.split(line) for line in said.splitlines() if line.startswith("  spanbench")]
    assert check == ["spanbench", "check", str(config)]
    assert submit[:3] == ["spanbench", "submit", str(config)]
    assert call(check[1:]) == 0
    assert "it keeps the contract: 12 of 13 clauses" in capsys.readouterr().out
    assert call([*run[1:], *shlex.split(TINY), "--lags", "1,2", "--output", str(tmp_path)]) == 0
    (record,) = read_records(tmp_path / "run" / "records")
    assert record.status == "ok"
    assert record.cell.model.name == "my_model"


def test_in_a_checkout_it_is_known_by_its_name(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(tree)
    assert call(["new", "leaky_thing_2"]) == 0
    said = capsys.readouterr().out
    paths = ["models/leaky_thing_2.py", "configs/models/leaky_thing_2.yaml"]
    assert set(files(tree)) - set(before) == set(paths)
    assert said.startswith("".join(f"wrote {path}\n" for path in paths))
    assert "spanbench check leaky_thing_2\n" in said
    assert entry("models", "leaky_thing_2")["class_path"] == "models.leaky_thing_2.LeakyThing2"
    assert call(["check", "leaky_thing_2", "--model.layers", "1"]) == 0
    assert "LeakyThing2, leaky_thing_2.py" in capsys.readouterr().out


def test_it_is_its_equation(tmp_path: Path) -> None:
    assert call(["new", "equation", "--output", str(tmp_path)]) == 0
    mixer = build(part_named(str(tmp_path / "equation.yaml"))).double().blocks[0].mixer
    x = torch.randn(2, 40, 64, dtype=torch.float64)
    a, h, expected = torch.sigmoid(mixer.leak), torch.zeros(2, 64, dtype=torch.float64), []
    torch.testing.assert_close(a.float(), torch.exp(-1 / 512 ** (torch.arange(64) / 63)))
    for x_t in x.unbind(1):
        h = a * h + (1 - a**2).sqrt() * mixer.value(x_t)
        expected.append(mixer.out(torch.sigmoid(mixer.gate(x_t)) * h))
    torch.testing.assert_close(mixer(x), torch.stack(expected, 1))
    with pytest.raises(ValueError, match="longest must be at least 2"):
        load_class(f"{tmp_path / 'equation.py'}:Equation")(longest=1)


@pytest.mark.parametrize("name", ["a", "the_longest_name_that_fits_into_a_leaderboard"])
def test_it_keeps_the_house_rules(name: str, tmp_path: Path) -> None:
    assert call(["new", name, "--output", str(tmp_path)]) == 0
    ruff = [str(Path(sys.executable).parent / "ruff"), "--config", str(TOP / "pyproject.toml"), "--no-cache"]
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run([*ruff[:1], *words, *ruff[1:], str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gru", "there is a model gru already"),
        ("scans", "models/scans.py is there already"),
        ("class", "a word of Python itself"),
        ("torch", "an installed Python module"),
        ("json", "an installed Python module"),
        ("MyModel", "cannot be a module's name"),
        ("my-model", "cannot be a module's name"),
        ("2fast", "cannot be a module's name"),
        ("../up", "cannot be a module's name"),
        ("", "cannot be a module's name"),
    ],
)
@pytest.mark.parametrize("output", [[], ["--output", "mine"]], ids=["tree", "outside"])
def test_a_name_that_cannot_be_is_refused(
    name: str, said: str, output: list[str], tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(tree)
    assert call(["new", name, *output]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err
    assert files(tree) == before
    assert not (tree / "mine").exists()


@pytest.mark.parametrize("taken", ["mine/fresh.py", "mine/fresh.yaml"])
def test_what_is_there_stays(taken: str, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "mine").mkdir()
    (tree / taken).write_text("mine")
    before = files(tree)
    assert call(["new", "fresh", "--output", "mine"]) == 2
    assert f"{taken} is there already, and stays" in capsys.readouterr().err
    assert files(tree) == before


def test_where_the_second_file_cannot_be_written_the_first_is_gone(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "mine").mkdir()
    (tree / "mine" / "fresh.yaml").symlink_to(tree / "nowhere" / "at_all")  # it does not exist, and cannot be made
    before = files(tree)
    assert call(["new", "fresh", "--output", "mine"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot write" in line
    assert "fresh.yaml" in line
    assert files(tree) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "NAME is needed"),
        (["one", "two"], 'one argument too many: "two"'),
        (["one", "--outptu", "x"], "did you mean --output"),
        (["one", "--family", "State 2"], "--family: expected"),
        (["one", "--output", "pyproject.toml"], "--output: cannot write to pyproject.toml"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], said: str, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(tree)
    assert call(["new", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert files(tree) == before


def test_without_a_checkout_it_asks_where(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "pyproject.toml").unlink()
    assert call(["new", "fresh"]) == 2
    assert "say where to write with --output DIR" in capsys.readouterr().err
    assert call(["new", "fresh", "--output", "mine"]) == 0


@pytest.mark.parametrize("block", BLOCKS, ids=["tree", "outside"])
def test_what_contributing_says_of_a_new_model_works(block: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree / "home"))
    for line in block.splitlines():
        name, *words = map(os.path.expanduser, shlex.split(line, comments=True))
        assert name == "spanbench"
        small = [*shlex.split(TINY), "--lags", "1", "--output", str(tree)] if words[0] == "run" else []
        assert call([*words, *small]) == 0, line
