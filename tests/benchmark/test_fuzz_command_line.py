"""Command lines and YAMLs that nobody should write: an exit code and one line, no traceback, nothing left behind."""

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.cli import call

MODEL = """
from models.base import SequenceModel

class Identity(SequenceModel):
    def __init__(self, dim: int = 8, scale: float = 1.0):
        super().__init__(dim)

    def forward(self, x):
        return x
"""
TEXT = ["--tokenizer", "byte", "--corpus", "files:given/text.txt"]
BASES = [
    ["run", "--model", "rnn", "--task", "delayed_recall", "--lags", "1,2", "--output", "out"],
    ["run", "--model", "rnn", "--task", "delayed_recall", "--regime", "retain", "--lags", "2,8", "--output", "out"],
    ["run", "--model", "gru", "--task", "planted", "--lags", "16", *TEXT, "--output", "out"],
    ["run", "--model", "given/mine.py:Identity", "--task", "adding", "--lags", "4", "--output", "out"],
    ["run", "--model", "given/entry.yaml", "--task", "mqar", "--seed", "1", "--output", "out"],
    ["table", "given/table.yaml", "--output", "out"],
    ["table", "given/open.yaml", "--model", "rnn,gru", "--output", "out"],
    ["compare", "--model", "rnn", *TEXT, "--lags", "16", "--horizon", "32", "--context", "16", "--output", "out"],
    ["profile", "given", "--output", "out"],
    ["report", "given"],
    ["check", "given/entry.yaml"],
    ["new", "my_model", "--output", "out", "--family", "recurrence"],
    ["models", "gru"],
    ["tasks", "mqar"],
    ["tokenizers", *TEXT[1:]],
    ["corpora", TEXT[-1]],
    ["tables", "quick"],
    ["leaderboard", "validate", "given"],
    ["leaderboard", "rank", "--board", "given"],
    ["leaderboard", "verify", "gru", "--rerun", "1", "--after", "x", "--output", "out"],
]
OPTIONS = [
    "--model", "--task", "--tokenizer", "--corpus", "--seed", "--n-params", "--precision", "--regime", "--lags",
    "--measures", "--c-max", "--bisect", "--budget.sequences", "--budget.batch_size", "--budget.lr", "--budget.n_test",
    "--trainer.devices", "--trainer", "--budget", "--output", "--fresh", "--wandb", "--workers", "--model.dim",
    "--model.layers", "--model.init_args", "--model.class_path", "--model.", "--task.symbols", "--task.corpus",
    "--tokenizer.vocab", "--config", "--print_config", "--seeds", "--arm", "--learn.lags", "--learn.", "--json",
]  # fmt: skip
WORDS = [
    "", " ", "-1", "0", "3", "0.1", "1e400", "nan", "-inf", "null", "~", "true", "[]", "{}", "[1,2", "[[1]]", "1,,2",
    "2,1", "a,b", "{a: {b: [1, {c: 2}]}}", "a: b: c", "{class_path: os.system, init_args: {command: id}}", "&a [*a]",
    "!!python/object/apply:os.system [id]", "!!int x", "2020-13-45", "a\nb", "\u2028", "e\u0301", "\U0001f4a9",
    "\x1b[2J", "\udcff", "9" * 400, "9" * 5000, "1" + "0" * 18, str(2**63), "1e18",
    "5e-324", "0x10",
    "1_000", "9" * 20 + "M", "..", "/", "/dev/null", "~/x", "*", "%s", "%(default)s", "[/red]", "{0}", "--", "-x",
    "--x=", "=", "a=b", "x" * 300, "x" * 300 + ".yaml", ".py:", "x.py", "x.py:", ".yaml", "file:", "file:/dev/null",
    "files:",
    "files:[", "files:given", "bpe-", "bpe-9", "bpe-٣٠٠", "bpe-" + "9" * 20, "byte", "models.gru.Gru",
    "..Gru", "Gru", "gru,gru", "learn", "none,influence", "cuda", "bf16-true", "gur", "given/list.yaml", "given",
]  # fmt: skip
words = (
    st.sampled_from(WORDS) | st.text(st.characters(exclude_characters="\0"), max_size=8) | st.integers(-5, 2).map(str)
)


class Accepted(BaseException):
    """The words came as far as training."""


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, and no training."""
    patch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("fuzz")

    def reached(*_: object, **__: object) -> None:
        raise Accepted

    for runner in ("benchmark.commands.run_cell", "benchmark.launch.missing.run_cells"):
        patch.setattr(runner, reached)
    patch.setenv("WANDB_MODE", "disabled")
    patch.chdir(folder)
    made = folder / "given"
    made.mkdir()
    (made / "mine.py").write_text(MODEL)
    (made / "text.txt").write_text("".join(f"line {n} of words {n * 7 % 13}\n\n" for n in range(900)))
    (made / "entry.yaml").write_text("class_path: models.rnn.Rnn\ninit_args: {dim: 8}\n")
    (made / "list.yaml").write_text("- a\n")
    (made / "table.yaml").write_text("cells: [{model: [rnn, gru], task: delayed_recall, lags: '1,2', seed: [0, 1]}]\n")
    (made / "open.yaml").write_text("cells: [{task: delayed_recall, lags: '1,2'}]\n")
    yield folder
    patch.undo()


def held(argv: Sequence[str]) -> int | None:
    """The exit code, None where training would begin. What is refused says so in one line and leaves nothing."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)  # as strict as a terminal's
    err = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = call(argv)
    except Accepted:
        code = None
    left = [path for path in Path.cwd().iterdir() if path.name != "given"]
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert code in (0, 1, 2, None), argv
    if code == 2 and argv != ["leaderboard"]:
        assert err.getvalue().count("\n") == 1, argv
        assert not left, argv
    return code


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A good one with one to three words changed, put in or left out; its first stays."""
    found = list(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        how, at = draw(st.sampled_from(["change", "option", "put in", "leave out"])), draw(st.integers(1, len(found)))
        if how == "option":
            found += [draw(st.sampled_from(OPTIONS)), draw(words)]
        elif how == "put in" or at == len(found):
            found.insert(at, draw(words))
        elif how == "leave out":
            del found[at]
        else:
            found[at] = draw(words)
    return found if found[0] != "new" else [*found, "--output", "out"]  # never into the checkout


@given(command_lines())
@example(["table", "quick", ""])
@settings(max_examples=120, derandomize=True, database=None, deadline=None)
def test_command_lines(argv: list[str]) -> None:
    held(argv)


@pytest.mark.parametrize("argv", BASES, ids=lambda argv: " ".join(argv[:2]))
def test_what_they_are_made_from_is_understood(argv: list[str]) -> None:
    assert held(argv) in ((None, 0) if argv[0] not in ("profile", "report", "leaderboard") else (2,))


scalars = st.sampled_from(
    [
        *WORDS,
        "\0",
        "\0.yaml",
        "\0.py:X",
        None,
        True,
        0,
        3,
        -1,
        1.5,
        float("nan"),
        2**70,
        "rnn",
        "mqar",
        "delayed_recall",
    ]
)
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3))
GOOD_ROW = {"model": "rnn", "task": "delayed_recall", "lags": "1,2"}
rows = trees | st.dictionaries(
    st.sampled_from(
        ["model", "task", "seed", "lags", "corpus", "output", "help", "", "--model", "a b", "model.dim", 1]
    ),
    trees,
    max_size=3,
).map(lambda more: GOOD_ROW | more)
tables = st.fixed_dictionaries(
    {"cells": st.lists(rows, max_size=3) | trees},
    optional={"title": trees, "core_seconds": trees, "sed": trees},
)


@given(tables)
@example({"cells": []})
@example({"cells": [GOOD_ROW | {"seed": []}]})
@example({"cells": [GOOD_ROW], "core_seconds": "long"})
@example({"cells": [GOOD_ROW], "core_seconds": 10**400})
@example({"cells": [GOOD_ROW], "title": ["a"]})
@example({"cells": [GOOD_ROW], "title": "[/red]"})
@settings(max_examples=60, derandomize=True, database=None, deadline=None)
def test_tables_of_any_shape(table: dict[str, Any]) -> None:
    path = Path("given/broken.yaml")
    path.write_text(yaml.safe_dump(table))
    held(["table", str(path), "--output", "out"])


NO_YAML = [
    "[" * 5000, "[" * 10**5, "- " * 10**5, "{a: " * 2000, "a: !!int x", "a: !!float x", "a: !!bool x",
    "a: !!timestamp x", "a: 2020-13-45", "a: " + "9" * 5000, "a: !!binary '*'",
    "!!python/object/apply:os.system [id]", "a: *b",
    "? [a]\n: b", "\tcells: []", "a: \x07", "a: []\n---\nb: []", "&a [*a]", "", "null", "3",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_YAML, ids=lambda text: repr(text[:20]))
def test_what_is_no_mapping_is_refused(text: str) -> None:
    path = Path("given/broken.yaml")
    path.write_text(text)
    for argv in (["table", str(path)], ["run", "--model", str(path), "--task", "mqar"], ["corpora", str(path)]):
        assert held([*argv, "--output", "out"][: 4 if argv[0] == "table" else None]) == 2


ENTRIES = [
    "class_path: 5", "class_path:", "class_path: [a]", "class_path: {a: b}", "class_path: ''", "class_path: Gru",
    "class_path: .Gru", "class_path: ..a.Gru", "class_path: a..b", "class_path: nope.Nope", "class_path: os.system",
    "class_path: builtins.int", 'class_path: "a\\0.b"', 'class_path: "a\\0.py:b"', "class_path: mine.py:",
    "class_path: a:b:c", "class_path: benchmark.lit_sequence.LitSequence", "class_path: " + "a." * 3000 + "b",
    "class_path: given.broken.X",
]  # fmt: skip
ARGUMENTS = [
    "[1]", "", "dim", "3", "{1: 2}", "{null: 2}", "{dim: 2020-01-01}", "{dim: !!set {a}}", "{dim: !!binary aGVsbG8=}",
    "{dim: .nan}", "{dim: .inf}", "{dim: 0x" + "f" * 5000 + "}", "{dim: 9" + "9" * 400 + "}", "{dim: 8.5}", "{dim: 0}",
    "{dim: " + "[" * 50 + "]" * 50 + "}", "&a {dim: *a}", "{dmi: 8}",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [*ENTRIES, *(f"class_path: models.rnn.Rnn\ninit_args: {each}" for each in ARGUMENTS)],
    ids=lambda text: text[:60],
)
def test_entries_of_any_shape(text: str) -> None:
    path = Path("given/broken.yaml")
    path.write_text(text)
    assert held(["run", "--model", str(path), "--task", "delayed_recall", "--output", "out"]) == 2
    assert held(["check", str(path)]) in (1, 2)  # what is wrong with a class is a verdict
    assert held(["models", str(path)]) == 2
    for kind, listing in (("tasks.mqar.Mqar", "tasks"), ("tasks.files.Files", "corpora")):
        path.write_text(text.replace("models.rnn.Rnn", kind).replace("dim", "pairs" if listing == "tasks" else "path"))
        held([listing, str(path)])


def test_nothing_of_the_users_was_touched() -> None:
    """The last test of the file: what was given is still there, and nothing else but what was written here."""
    assert sorted({*os.listdir("given")} - {"__pycache__"}) == [
        "broken.yaml", "entry.yaml", "list.yaml", "mine.py", "open.yaml", "table.yaml", "text.txt",
    ]  # fmt: skip
