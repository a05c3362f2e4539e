"""`spanbench corpora NAME`: its figures against the texts, and a sample that shows text as it is."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark.corpusview import show
from benchmark.registry import UsageError
from tasks.files import Files

SPLITS = ("train", "val", "test")


def shown(name: str, terminal: bool = False) -> str:
    out = io.StringIO()
    show(Console(file=out, width=60, force_terminal=terminal, color_system=None), name)
    return out.getvalue()


def folder(path: Path, n: int, text: str = "text") -> str:
    path.mkdir()
    for number in range(n):
        (path / f"{number}.txt").write_text(f"{text} {'x' * number}", newline="")
    (path / "again.txt").write_text(f"{text} ", newline="")
    return f"files:{path}"


def test_the_figures_are_those_of_the_text(tmp_path: Path):
    name = folder(tmp_path / "books", 50)
    text = shown(name)
    corpus = Files(str(tmp_path / "books"))
    assert f"digest  {corpus.digest}\n" in text
    for split in SPLITS:
        row = f"{split} {corpus.n_documents(split)} {corpus.n_bytes(split):,} {corpus.split_digest(split)[:12]}"
        assert row in [" ".join(line.split()) for line in text.splitlines()]
    lengths = sorted(len(document) for split in SPLITS for document in corpus.documents(split))
    assert f"documents have {np.median(lengths):,.0f} bytes in the median, {lengths[-1]} at most\n" in text
    assert "1 duplicate left out\n" in text
    assert "fewer than" not in text
    assert f"  path  {tmp_path}/books\n" in text  # not wrapped, however long


def test_few_documents_are_said_to_be_cut(tmp_path: Path):
    text = shown(folder(tmp_path / "books", 3))
    assert "fewer than 40 documents: each is cut 70/10/20\n" in text
    assert "split        parts" in text
    assert re.search(r"^part [123] of the test split begins$", text, flags=re.M)


def test_the_sample_is_fixed_and_begins_a_document_of_the_test_split(tmp_path: Path):
    name = folder(tmp_path / "books", 60, "\n".join(f"line {n}" for n in range(30)))
    text = shown(name)
    assert shown(name) == text
    (number,) = re.findall(r"^document (\d+) of the test split begins$", text, flags=re.M)
    document = list(Files(str(tmp_path / "books")).documents("test"))[int(number) - 1].decode()
    assert text.endswith("\n\n" + "".join(f"  {line}\n" for line in document.splitlines()[:12]))


@pytest.mark.parametrize("terminal", [False, True])
def test_text_is_shown_as_it_is(tmp_path: Path, terminal: bool):
    text = "[red]no markup[/red] :smile: a\tb \x1b[2J \x00 \u202e \ud7ff é 中\\n " + "w" * 300
    place = tmp_path / "a.txt"
    place.write_text("line\n" * 200 + text, encoding="utf-8")
    last = shown(f"files:{place}", terminal).splitlines()
    assert not any(ord(char) < 32 or char == "\u202e" for line in last for char in line)
    place.write_text(text, encoding="utf-8")
    (tmp_path / "many").mkdir()
    for number in range(45):
        (tmp_path / "many" / f"{number}.txt").write_text(f"{text}{number}", encoding="utf-8")
    line = shown(f"files:{tmp_path / 'many'}", terminal).splitlines()[-1]
    assert line.startswith("  [red]no markup[/red] :smile: a\\tb \\x1b[2J \\x00 \\u202e \\ud7ff é 中\\n www")
    assert len(line) == 2 + 160 + 1
    assert line.endswith("w…")


def test_long_lines_and_cut_characters_do_no_harm(tmp_path: Path):
    (tmp_path / "a.txt").write_text("é" + "中" * 100_000, encoding="utf-8")
    line = shown(f"files:{tmp_path / 'a.txt'}").splitlines()[-1]
    assert line == "  " + "中" * 160 + "…"


def test_what_goes_wrong_is_said_in_one_line(tmp_path: Path):
    (tmp_path / "own.py").write_text("class Other:\n    pass\n")
    for name, message in {
        "sympi": r'unknown corpus "sympi": did you mean sympy\? choices: .*wikitext-2-raw',
        f"files:{tmp_path}/void": r"--corpus files:.*/void: .*/void does not exist",
        f"{tmp_path}/own.py:Other": r"own\.py:Other: Other is not a Corpus$",
    }.items():
        with pytest.raises(UsageError, match=message) as error:
            shown(name)
        assert "\n" not in str(error.value)


def test_sympy_is_shown_with_where_it_comes_from():
    text = shown("sympy")
    assert text.startswith("sympy  tasks.sympy_source.Sympy\n\nThe Python source of the installed sympy distribution")
    assert "\n  version  1.14.0\n" in text
    assert "\ntrain        1,017        18,697,620  7f545baf3905\n" in text
