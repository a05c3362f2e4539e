"""The command line: what it does, and the one line it says when it cannot."""

import itertools
import re
import shutil
from pathlib import Path

import pytest

from benchmark.cli import COMMANDS, LISTINGS, call
from benchmark.options import cell_parser, make_cell
from benchmark.registry import CONFIGS, UsageError, names
from benchmark.tables import expand, table_named
from leaderboard.cell import Cell
from leaderboard.record import read_records

RUN = ["run", "--model", "rnn", "--model.dim", "8", "--task", "delayed_recall", "--task.symbols", "2"]
SHORT = ["--budget.sequences", "160", "--budget.batch_size", "16", "--budget.val_every", "10", "--budget.n_test", "32"]
MODEL = """
from models.base import SequenceModel

class Identity(SequenceModel):
    def __init__(self, dim: int = 8, scale: float = 1.0):
        super().__init__(dim)
        self.scale = scale

    def forward(self, x):
        return self.scale * x

class Other:
    pass
"""


def made(*words: str) -> Cell:
    return make_cell(words, cell_parser())[0]


def test_overview_and_every_commands_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--help"]) == 0
    overview = capsys.readouterr().out
    for command in COMMANDS:
        assert f"  {command} " in overview
        assert call([command, "--help"]) == 0
        assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize("kind", LISTINGS)
def test_listings_are_one_line_a_thing_its_name_first(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == names(kind)
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models", "gru"], "h_t = (1 − z_t)"),
        (["tasks", "planted"], "--task.cue"),
        (["tokenizers", "bpe-512"], "vocab"),
        (["corpora", "sympy"], "digest"),
        (["tables", "quick"], "cells:"),
    ],
)
def test_a_name_shows_the_whole_thing(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(words) == 0
    assert said in capsys.readouterr().out


def test_run_then_done_before_then_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*RUN, *SHORT, "--lags", "1,2", "--output", str(tmp_path)]
    assert call(words) == 0
    assert "learning span" in capsys.readouterr().out
    (record,) = read_records(tmp_path / "run" / "records")
    assert record.cell.lags == [1, 2]
    assert record.cell.model.init_args["dim"] == 8
    assert call(words) == 0
    assert "done before" in capsys.readouterr().out
    assert read_records(tmp_path / "run" / "records") == [record]
    assert call([*words, "--fresh"]) == 0
    (again,) = read_records(tmp_path / "run" / "records")
    assert again != record
    assert again.curve == record.curve
    assert call(["report", str(tmp_path / "run")]) == 0
    made_files = {path.name for path in (tmp_path / "run").iterdir() if path.is_file()}
    figures = {f"{name}.{kind}" for name in ("recall", "learning_cost") for kind in ("png", "svg")}
    assert made_files == {"table.md", "table.csv", "costs.csv"} | figures


WRONG = [
    (["tabel"], ["tabel", "did you mean table"]),
    (["table", "qick"], ["qick", "did you mean quick"]),
    (["table", "--workrs", "2"], ["--workrs", "did you mean --workers"]),
    (["table", "--workers", "0"], ["--workers", "0"]),
    (["table", "--workers", "two"], ["--workers", "whole number"]),
    (["table", "quick", "extra"], ["extra"]),
    (["table", "--wandb", "on"], ["--wandb", "offline"]),
    (["table", "/no/such.yaml"], ["/no/such.yaml"]),
    (["report", "/no/such"], ["/no/such"]),
    (["report"], ["FOLDER is needed"]),
    (["models", "gur"], ["gur", "did you mean gru"]),
    (["run", "--model", "gur", "--task", "mqar"], ["gur", "did you mean gru"]),
    (["run", "--model", "gru", "--task", "mqra"], ["mqra", "did you mean mqar"]),
    (["run", "--model", "gru"], ["task"]),
    (["run", "gru"], ["gru"]),
    (["run", "--model"], ["--model", "value"]),
    ([*RUN, "--model.dmi", "3"], ["dmi", "did you mean dim"]),
    ([*RUN, "--model.dim", "abc"], ["--model", "dim", "abc"]),
    ([*RUN, "--model.dim", "-3"], ["dim", "-3"]),
    ([*RUN, "--task.simbols", "3"], ["simbols", "did you mean symbols"]),
    ([*RUN, "--task.symbols", "1"], ["symbols", "at least 2"]),
    ([*RUN, "--budgte.lr", "1"], ["--budgte.lr", "did you mean --budget.lr"]),
    ([*RUN, "--budget.lr", "-1"], ["--budget.lr", "greater than 0"]),
    ([*RUN, "--budget.sequences", "1000"], ["multiple of batch_size"]),
    ([*RUN, "--lags", "a,b"], ["--lags", "whole number"]),
    ([*RUN, "--lags", "0,2"], ["lags", "greater than 0"]),
    ([*RUN, "--lags", "8,4"], ["lags", "ascending"]),
    ([*RUN, "--regime", "retain", "--lags", "1,2,3"], ["lags", "two"]),
    ([*RUN, "--regime", "lern"], ["--regime", "learn", "retain"]),
    ([*RUN, "--seed", "-1"], ["seed"]),
    (["run", "--model", "rnn", "--task", "delayed_recall", "--n-params", "lots"], ["--n-params", "lots"]),
    ([*RUN, "--tokenizer", "byte"], ["delayed_recall", "no --tokenizer"]),
    ([*RUN, "--tokenizer.vocab", "300"], ["--tokenizer.vocab", "needs --tokenizer"]),
    ([*RUN, "--precision", "8"], ["--precision", "32-true"]),
    ([*RUN, "--trainer.devices", "0"], ["--trainer", "devices=0"]),
    ([*RUN, "--trainer.accelerator", "cpuu"], ["--trainer", "cpuu"]),
    ([*RUN, "--trainer.strategy", "dpp"], ["--trainer", "dpp"]),
    ([*RUN, "--output", "/proc/nope"], ["--output", "/proc/nope"]),
    (["table", "--output", "/proc/nope"], ["--output", "/proc/nope"]),
    (["run", "--model", "transformer", "--model.dim", "9", "--task", "mqar"], ["dim=9", "head_dim=16"]),
    (["run", "--model", "gru", "--task", "planted"], ["planted", "--tokenizer"]),
    (["run", "--model", "gru", "--task", "planted", "--tokenizer", "bpe-9", "--corpus", "files:{}"], ["257", "9"]),
    (["run", "--model", "gru", "--task", "planted", "--tokenizer", "bite"], ["bite", "did you mean byte"]),
    (["run", "--model", "gru", "--task", "planted", "--tokenizer", "byte", "--corpus", "files:/no"], ["/no"]),
    (
        ["run", "--model", "gru", "--task", "planted", "--tokenizer", "byte", "--corpus", "sumpy"],
        ["did you mean sympy"],
    ),
    (["run", "--model", "{}/none.py:Net", "--task", "mqar"], ["none.py", "no such file"]),
    (["run", "--model", "{}/mine.py:Identiti", "--task", "mqar"], ["Identiti", "did you mean Identity"]),
    (["run", "--model", "{}/mine.py:Other", "--task", "mqar"], ["Other", "SequenceModel"]),
    (["run", "--model", "{}/broken.py:Net", "--task", "mqar"], ["broken.py", "SyntaxError"]),
    (["run", "--model", "{}/bad.yaml", "--task", "mqar"], ["bad.yaml", "clas_path"]),
    (["run", "--model", "{}/key.yaml", "--task", "mqar"], ["dmi", "did you mean dim"]),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=lambda value: " ".join(value))
def test_bad_usage_is_one_line_and_leaves_nothing(
    words: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = tmp_path / "given"
    given.mkdir()
    (given / "mine.py").write_text(MODEL)
    (given / "broken.py").write_text("def (")
    (given / "bad.yaml").write_text("class_path: models.gru.Gru\nclas_path: x\n")
    (given / "key.yaml").write_text("class_path: models.gru.Gru\ninit_args: {dmi: 3}\n")
    (given / "text.txt").write_text("some words and lines\n\n" * 400)
    assert call([word.format(given) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    for word in said:
        assert word in captured.err
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_selectors_come_before_overrides_whatever_their_order() -> None:
    options = ["--model.dim", "16", "--task", "mqar", "--budget.lr", "0.01", "--model=transformer", "--task.pairs=8"]
    cells = {made(*words).id for words in (options, [*options[2:4], *options[6:], *options[:2], *options[4:6]])}
    assert len(cells) == 1
    cell = made(*options)
    assert (cell.model.init_args["dim"], cell.task.init_args["pairs"], cell.budget.lr) == (16, 8, 0.01)
    assert made(*[word for word in options if word not in ("--budget.lr", "0.01")]).budget.lr == 0.002  # the YAML's


def test_names_paths_and_files_mean_the_same(tmp_path: Path) -> None:
    by_name = made("--model", "gru", "--task", "mqar")
    shutil.copy(CONFIGS / "models" / "gru.yaml", tmp_path / "other.yaml")
    by_path = made("--model", str(tmp_path / "other.yaml"), "--task", "mqar")
    assert by_path.model.name == "other"
    assert by_path.id == by_name.id


def test_a_model_outside_the_checkout_runs_and_is_known_by_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = []
    for folder, source in (("a", MODEL), ("b", MODEL), ("c", MODEL.replace("scale * x", "scale * x + 1"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(source)
        cell = made("--model", f"{tmp_path / folder / 'mine.py'}:Identity", "--task", "mqar", "--model.scale", "2")
        assert cell.model.init_args == {"dim": 8, "scale": 2.0}
        ids.append(cell.id)
    assert ids[0] == ids[1] != ids[2]
    words = ["run", "--model", f"{tmp_path / 'a' / 'mine.py'}:Identity", *RUN[5:], *SHORT, "--lags", "1"]
    assert call([*words, "--output", str(tmp_path)]) == 0
    assert "Identity on delayed_recall" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("table quick --dry", "--dry"),
        ("run --model gru --tas adding", "--tas"),
        ("compare --mode gru --tokenizer byte", "--mode"),
        ("leaderboard rank --outp x", "--outp"),
    ],
)
def test_the_beginning_of_an_option_is_no_option(words: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(words.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(rf"{option}(?![\w-])", line)


def test_names_with_a_pattern_and_no_others() -> None:
    words = ["--model", "gru", "--task", "planted", "--corpus", "sympy", "--tokenizer"]
    assert made(*words, "bpe-700").tokenizer.init_args == {"vocab": 700}  # pyright: ignore
    for name, said in {"bpe-": "unknown", "bpe-x": "unknown", "bpe-N": "257 to 65536", "file:": "file:PATH"}.items():
        with pytest.raises(UsageError, match=said):
            made(*words, name)


def test_a_number_of_parameters_chooses_the_width() -> None:
    assert made("--model", "gru", "--task", "mqar", "--n-params", "100k").model.init_args["dim"] == 90


@pytest.mark.parametrize("name", names("tables"))
def test_every_table_is_made_of_cells_that_exist(name: str) -> None:
    table = table_named(name)
    cells = table.cells(["gru"] if table.is_open else [])
    assert len(cells) == sum(len(expand({"model": "gru"} | row)) for row in table.rows)
    assert len({cell.id for cell in cells}) == len(cells)
    assert len({cell.seed for cell in cells}) >= 3
    assert table.core_seconds > 0


def test_a_table_at_a_path_and_what_is_wrong_with_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\ncells:\n- {model: [rnn, gru], task: mqar, seed: [0, 1, 2]}\n")
    assert len(table_named(str(path)).cells()) == 6
    for text, said in (
        ("cells: 3\n", "a list under cells"),
        ("cells: []\ntitel: x\n", "did you mean title"),
        ("cells: [3]\n", "row 1"),
        ("cells:\n- {model: gru, task: mqar}\n- {model: gur, task: mqar}\n", "row 2.*did you mean gru"),
        ("cells:\n- {model: [gru, gru], task: mqar}\n", "the same"),
        ("cells: [\n", "not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=said):
            table_named(str(path)).cells()


def test_a_table_without_models_asks_for_them(tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text("cells:\n- {task: mqar, seed: [0, 1]}\n")
    assert {cell.model.name for cell in table_named(str(path)).cells(["rnn", "gru"])} == {"rnn", "gru"}
    with pytest.raises(UsageError, match="add --model"):
        table_named(str(path)).cells()
    with pytest.raises(UsageError, match="leave --model out"):
        table_named("quick").cells(["gru"])


def test_expand_is_the_grid_of_its_lists() -> None:
    row = {"model": ["a", "b"], "task": "t", "seed": [0, 1, 2]}
    expected = [["--model", m, "--task", "t", "--seed", str(s)] for m, s in itertools.product("ab", range(3))]
    assert expand(row) == expected


def test_models_stand_side_by_side_at_a_budget(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["models", "--n-params", "20k", "--length", "64"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == names("models")
    dim = max(d for d in range(1, 99) if 2 * (6 * d * d + 6 * d) <= 20_000)
    gru = f"recurrence  arXiv:1406.1078  dim {dim}  parameters {2 * (6 * dim * dim + 6 * dim):,}  "
    assert gru + f"FLOPs/token {24 * dim * dim:,}  state {8 * dim} B  sees all  causal  streams" in lines["gru"]
    assert "sees 63" in lines["sliding_window"]
    assert "not causal" in lines["bidirectional"]
    assert call(["models", "gru", "--n-params", "20k", "--length", "64"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == lines["gru"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--n-params", "many"], '--n-params: expected a count like 50000, 100k or 1M, got "many"'),
        (["--length", "0"], "--length must be at least 1, got 0"),
        (["--lenght", "3"], "did you mean --length?"),
    ],
)
def test_a_budget_that_is_none_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["models", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["tasks", "configs/models/gru.yaml"], ["models", "configs/tasks/adding.yaml"]])
def test_listings_show_their_own_kind(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(words) == 2
    assert "is not a" in capsys.readouterr().err


def test_models_beyond_the_budget_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["models", "transformer", "--n-params", "5k"]) == 0
    assert "parameters too many" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "lags"),
    [
        (["--task", "mqar"], [16, 32, 64, 128]),
        (["--task", "mqar", "--regime", "retain"], [2, 64]),
        (["--task", "copy", "--task.tokens", "20"], [32, 64, 128]),
        (["--task", "copy", "--task.tokens", "20", "--regime", "retain"], [21, 84]),
        (["--task", "copy", "--task.tokens", "200"], [201]),
        (["--task", "adding-600"], [600]),
        (["--task", "adding-600", "--lags", "100"], [100]),
        (["--lags", "100", "--task", "adding-600"], [100]),
    ],
)
def test_default_lags_are_the_tasks_own(words: list[str], lags: list[int]) -> None:
    assert made("--model", "gru", *words).lags == lags
