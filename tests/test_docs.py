"""The pages of docs/ keep their word: examples run, errors are quoted as printed, links lead somewhere."""

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tokenizers as library
import torch

from benchmark.cells import corpus_named
from benchmark.cli import COMMANDS, call, cli_parser
from benchmark.compare import what_is_asked
from benchmark.measures.recall import half_octaves
from benchmark.options import cell_parser, make_cell
from benchmark.registry import entry, load_class, names
from leaderboard.record import read_records
from tasks.base import Task
from tasks.tokenizers import Tokenizer
from tests.tasks.checks import assert_baseline, assert_chance, without_the_past

TOP = Path(__file__).resolve().parent.parent
PAGES = {path.relative_to(TOP).as_posix(): path.read_text(encoding="utf-8") for path in (TOP / "docs").glob("*.md")}
EXTEND, FAQ = PAGES["docs/extend.md"], PAGES["docs/faq.md"]
MADE = {  # by who follows a page
    *("tasks/larger.py", "configs/tasks/larger.yaml", "configs/tokenizers/indents.yaml"),
    *("models/my_model.py", "configs/models/my_model.yaml", "leaderboard/submissions/ID/"),
}
TEXT = "The sea was old and cold; nobody knew why it (mostly) sang to them, and few had asked.\n"


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, flags=re.M | re.S)


def files(page: str) -> dict[str, str]:
    """Blocks that begin with a comment that names a file."""
    found = [block for kind in ("python", "yaml") for block in blocks(page, kind)]
    return {match[1]: block for block in found if (match := re.match(r"# ([\w.]+)\n", block))}


def quoted(page: str) -> list[tuple[str, list[str]]]:
    """Each command of the console blocks, with the lines that are quoted of what it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks(page, "console")).splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


@pytest.fixture
def beside_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in files(EXTEND).items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The folder of the FAQ's reader: its commands are run in their order.
@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("reader")
    for name, text in files(FAQ).items():
        (folder / name).write_text(text)
    (folder / "notes").mkdir()
    for number in range(1, 41):
        (folder / "notes" / f"{number}.txt").write_text(f"{number}. {TEXT}" * 40)
    (folder / "short.txt").write_text("".join(f"Note {number}: too short.\n\n" for number in range(40)))
    lower = library.Tokenizer(library.models.BPE())
    lower.normalizer = library.normalizers.Lowercase()
    lower.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    lower.train_from_iterator([TEXT], library.trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False))
    lower.save(str(folder / "lower.json"))
    with contextlib.chdir(folder):
        yield folder


@pytest.mark.parametrize(("command", "lines"), quoted(FAQ), ids=[command for command, _ in quoted(FAQ)])
def test_every_error_is_quoted_as_printed(command: str, lines: list[str], reader: Path) -> None:
    name, *words = shlex.split(command)
    if name != "spanbench":
        subprocess.run(command, shell=True, check=True)
        return
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = call(words)
    found = printed.getvalue().splitlines()
    refused = lines[0].startswith("spanbench: ")
    assert (code == 2) == refused, printed.getvalue()
    for line in lines:
        pattern = ".*".join(map(re.escape, line.split("…")))
        assert any(re.fullmatch(pattern, each) or each == line for each in found), printed.getvalue()
    assert len(found) == 1 or not refused


def test_the_task_keeps_the_contract(beside_the_examples: Path) -> None:
    task: Task = load_class("my_task.py:Larger")(digits=6)
    assert len(files(EXTEND)["my_task.py"].splitlines()) <= 60
    batch = task.examples(0, "test", 8, 0, 500)
    first, last = batch.inputs[:, 0], batch.inputs[:, 8]
    assert torch.equal(batch.targets[:, 0], torch.maximum(first, last))
    assert torch.equal(task.solve(batch.inputs, batch.positions), batch.targets)
    longer = task.shifted(0, "test", 8, 0, 500, 5)
    assert longer is not None
    assert torch.equal(task.solve(longer.inputs, longer.positions), batch.targets)
    assert not torch.equal(task.solve(without_the_past(task, batch), batch.positions), batch.targets)
    assert_chance(task, lambda inputs, positions, rng: inputs[:, -1:], 8)
    assert_baseline(task, lambda inputs, positions, rng: torch.full((len(inputs), 1), 5), 8)
    parts = [task.examples(0, "test", 8, first, 100).inputs for first in range(0, 500, 100)]
    assert torch.equal(torch.cat(parts), batch.inputs)
    assert doctest.testmod(sys.modules[type(task).__module__]) == (0, 2)
    with pytest.raises(ValueError, match="digits must be at least 2, got 1"):
        load_class("my_task.py:Larger")(digits=1)


def test_the_tokenizer_gives_text_back(beside_the_examples: Path) -> None:
    tokenizer: Tokenizer = load_class("my_tokenizer.py:Indents")(longest=8)
    tokenizer.fit(corpus_named("sympy"))
    texts = [b"def f(x):\n        return x\n" + b" " * 20, bytes(range(256)), b""]
    ids = tokenizer.encode(texts)
    assert [tokenizer.decode(row) for row in ids] == texts
    assert [tokenizer.spans(row)[-1, 1] for row in ids[:2]] == [len(text) for text in texts[:2]]
    assert np.concatenate(ids).max() < tokenizer.vocab_size == 263
    assert tokenizer.token_bytes[ids[0][10]] == b" " * 8
    assert tokenizer.digest != load_class("my_tokenizer.py:Indents")(longest=9).digest


def test_the_measure_reads_a_run(beside_the_examples: Path) -> None:
    """A model that was hardly trained is in doubt, by no more than a choice of eight allows."""
    run = "run --model gru --model.dim 8 --task delayed_recall --regime retain --lags 1,2 --measures none"
    tiny = "--budget.sequences 160 --budget.batch_size 16 --budget.val_every 10 --budget.n_val 8 --budget.n_test 8"
    assert call([*run.split(), *tiny.split()]) == 0
    (record,) = read_records(Path("runs/run/records"))
    words = [sys.executable, "my_measure.py", f"runs/run/cells/{record.id}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(TOP)})
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [int(row[0]) for row in rows] == half_octaves(1, 8)
    assert all(1 < float(row[1]) <= 3 for row in rows)


@pytest.mark.parametrize("line", [line for block in blocks(EXTEND, "sh") for line in block.splitlines()])
def test_commands_are_ones_that_work(line: str, beside_the_examples: Path) -> None:
    program, *words = shlex.split(line.partition("#")[0])
    if program == "python":
        assert (beside_the_examples / words[0]).is_file()
    elif program != "spanbench":
        assert words[:3] == ["-m", "pytest", "tests/tasks/test_contract.py"]
        assert (TOP / words[2]).is_file()
    elif words[0] == "run":
        make_cell(words[1:], cell_parser())
    elif words[0] == "compare":
        assert what_is_asked(words[1:])[0].cells()
    else:
        assert call(words) == 0


def test_the_example_task_and_tokenizer_train(beside_the_examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = "--model.dim 8 --budget.sequences 160 --budget.batch_size 16 --budget.val_every 10 --budget.n_test 32"
    assert call(["run", "--model", "gru", "--task", "my_task.py:Larger", "--lags", "1", *tiny.split()]) == 0
    assert "gru on Larger, learn, seed 0: ok" in capsys.readouterr().out
    text = ["--task", "planted", "--tokenizer", "my_tokenizer.py:Indents", "--lags", "16"]
    assert call(["run", "--model", "gru", *text, *tiny.split()]) == 0
    assert "gru on planted@Indents, learn, seed 0: ok" in capsys.readouterr().out


def test_inline_commands_and_names_exist() -> None:
    """`spanbench WORD …` in running text names a command, and its options are that command's."""
    for page in PAGES.values():
        for line in re.findall(r"`spanbench (\w[^`]*)`", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)):
            command, *words = line.split()
            assert command in COMMANDS, line
            if command not in ("run", "compare", "check", "leaderboard"):
                known = {option for action in cli_parser(command)._actions for option in action.option_strings}
                assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", "README.md", "CONTRIBUTING.md"])
def test_links_and_paths_lead_somewhere(page: str) -> None:
    path = TOP / page
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", text):
        where = (path.parent / target) if target else path
        assert where.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", where.read_text(encoding="utf-8"), flags=re.M)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor[1:] in slugs, anchor
    for named in re.findall(r"`((?:benchmark|leaderboard|tasks|models|configs|tests)/[\w./-]*)`", text):
        assert (TOP / named).exists() or named in MADE, named


def test_the_picture_is_what_its_script_draws(tmp_path: Path) -> None:
    subprocess.run([sys.executable, TOP / "docs" / "architecture.py", tmp_path / "drawn.svg"], check=True)
    assert (tmp_path / "drawn.svg").read_bytes() == (TOP / "docs" / "architecture.svg").read_bytes()


def test_the_changelog_counts_what_there_is() -> None:
    text = (TOP / "CHANGELOG.md").read_text(encoding="utf-8")
    classes = {entry("tasks", name)["class_path"] for name in names("tasks")}
    synthetic = {each for each in classes if not each.startswith(("tasks.planted.", "tasks.language."))}
    assert re.search(rf"\b{len(names('models'))} architectures", text)
    assert re.search(rf"\b{len(synthetic)} synthetic memory tasks", text)
