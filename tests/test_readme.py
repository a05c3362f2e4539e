"""The README keeps its word: every command in it parses, the model in it runs, the table in it is the one in docs/."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from benchmark.board.command import leaderboard_parser
from benchmark.board.submit import official_cells, official_suite
from benchmark.cli import COMMANDS, call, cli_parser
from benchmark.compare import what_is_asked
from benchmark.options import cell_parser, make_cell
from benchmark.registry import load_class, names
from benchmark.tables import table_named
from models.base import SequenceModel

TOP = Path(__file__).resolve().parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.M | re.S)
LINES = [line.partition("#")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
SPANBENCH = [line for line in LINES if line.startswith("spanbench ")]
(MODEL,) = [block for kind, block in BLOCKS if kind == "python"]


@pytest.fixture
def beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", SPANBENCH)
def test_every_command_is_one_that_works(line: str, beside_the_model: Path) -> None:
    _, command, *words = shlex.split(line)
    assert command in COMMANDS
    if command == "run":
        make_cell(words, cell_parser())
    elif command == "table" and "--dry-run" in words:
        assert call([command, *words, "--output", str(beside_the_model)]) == 0
    elif command == "table":
        assert table_named(words[0]).cells()
    elif command == "submit":
        options = cli_parser(command).parse_args(words)
        assert official_cells(options.model, official_suite(options.suite))
    elif command == "leaderboard" and words[0] == "serve":
        leaderboard_parser("serve")[0].parse_args(words[1:])
    elif command == "compare":
        assert what_is_asked(words)[0].cells()
    elif command in ("report", "profile"):  # of what an earlier line made
        assert any(f"runs/{made}" == words[0] for made in ("run", *names("tables")))
    elif command == "calibrate":
        small = ["--reduced", "--only", "gradient", "--output", str(beside_the_model)]
        assert call([command, *words, *small]) == 0
    elif command == "cost":  # the README's, made small
        small = ["--length", "32", "--dim", "16", "--rounds", "1", "--output", str(beside_the_model)]
        assert call([command, *words, *small]) == 0
    else:
        assert call([command, *words]) == 0


def test_make_knows_its_targets() -> None:
    targets = [line.split()[1] for line in LINES if line.startswith("make ")]
    assert targets == ["table", "test"]
    for target in {*targets, *re.findall(r"`make (\w+)`", README)}:
        assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(), flags=re.M)


def test_the_model_does_what_it_says_and_runs(beside_the_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model: SequenceModel = load_class("my_model.py:MovingAverage")(dim=8, window=5)
    x = torch.randn(2, 12, 8)
    expected = [model.out(x[:, max(0, t - 4) : t + 1].sum(1) / 5) for t in range(12)]  # pyright: ignore
    torch.testing.assert_close(model(x), torch.stack(expected, 1))
    assert model.receptive_field(12) == 5
    line = next(line for line in SPANBENCH if line.startswith("spanbench run") and "my_model.py" in line)
    tiny = "--model.dim 8 --lags 1 --budget.sequences 160 --budget.batch_size 16 --budget.val_every 10"
    assert call([*shlex.split(line)[1:], *tiny.split()]) == 0
    assert "MovingAverage on delayed_recall" in capsys.readouterr().out


def test_the_table_shown_is_the_one_that_was_made() -> None:
    def rows(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("| ")]

    shown = rows(README.partition("## The quick table")[2].partition("## Three jobs")[0])
    made = rows((TOP / "docs" / "quick" / "table.md").read_text(encoding="utf-8").partition("## Recall scores")[0])
    assert shown == made != []


def test_what_it_lists_is_what_there_is() -> None:
    listed = README.partition("## What there is")[2].partition("## The house")[0]
    for kind in ("models", "tasks", "tables"):
        (row,) = re.findall(rf"^\| {kind} \| (.*) \|$", listed, flags=re.M)
        assert sorted(re.findall(r"`([\w-]+)`", row)) == names(kind)


def test_pictures_and_files_it_points_at_exist() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (TOP / path).is_file(), path
