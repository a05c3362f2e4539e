"""`spanbench profile`: from where a user points to a figure, a page and a table, or one line about why not."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import call
from leaderboard.record import Record, write_record
from tests.leaderboard.profile_records import model_records
from tests.leaderboard.synthetic_records import part, record

FILES = ["profile.md", "profile.png", "profile.svg"]


def written(folder: Path, records: list[Record]) -> Path:
    for each in records:
        write_record(folder / "records", each)
        (folder / "cells" / each.id).mkdir(parents=True)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return written(tmp_path / "run", model_records(2))


def test_a_folder_gives_figure_page_and_plain_lines(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["profile", str(run)]) == 0
    place = run / "profiles" / "gru@bpe-512"
    assert sorted(path.name for path in place.iterdir()) == FILES
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("gru@bpe-512 on prose: 1,000 parameters · 2.00 bytes a token · T 128")
    assert "last lag above 1%, retain planted: 44 [37, 52] bytes, 22 [19, 26] tokens (2 seeds, 20 documents)" in said
    assert said[-1] == f"written to {place}: profile.png, profile.svg, profile.md"
    page = (place / "profile.md").read_text()
    assert "| last lag above 1% | retain planted | 44 [37, 52] | 22 [19, 26] | 2 seeds, 20 documents |" in page
    assert (place / "profile.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_records_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call(["profile", str(run), "--output", str(tmp_path / name)]) == 0
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("where", ["records/{}.json", "cells/{}"])
def test_a_record_or_its_runs_folder_is_that_cell_alone(
    run: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = model_records(1)[1]
    assert call(["profile", str(run / where.format(one.id))]) == 0
    assert (run / "profiles" / f"gru@bpe-512-{one.id}" / "profile.svg").is_file()
    out = capsys.readouterr().out
    assert "retention span, retain planted: " in out
    assert "language: " not in out
    assert "Not among these records: learning span (--regime learn), context span (--task language)." in out


def test_several_models_or_tokenizers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = model_records(1) + model_records(1, tokenizer="byte") + [record({16: 1.0}, model=part("rnn"))]
    run = written(tmp_path, both)
    assert call(["profile", str(run)]) == 2
    assert capsys.readouterr().err == f"spanbench: {run}: 2 models here: choose one with --model: gru, rnn\n"
    assert call(["profile", str(run), "--model", "gru"]) == 2
    assert "choose one with --tokenizer: bpe-512, byte" in capsys.readouterr().err
    assert call(["profile", str(run), "--model", "gru", "--tokenizer", "char"]) == 2
    assert 'no tokenizer "char" here: choose from bpe-512, byte' in capsys.readouterr().err
    assert call(["profile", str(run), "--model", "rnn"]) == 0
    assert (run / "profiles" / "rnn" / "profile.png").is_file()


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (failed,) = written_one = [record(status="diverged")]
    run = written(tmp_path / "run", written_one)
    (run / "cells" / "unborn").mkdir()
    (tmp_path / "empty" / "records").mkdir(parents=True)
    junk = tmp_path / "junk.json"
    junk.write_text("{}")
    for place, said in {
        run: "nothing has finished: learn adding diverged: loss is not finite",
        run / "records" / f"{failed.id}.json": "nothing has finished",
        run / "cells" / "unborn": "no record yet",
        tmp_path / "empty": "no record in its records/ yet",
        tmp_path: "no records/ in it",
        tmp_path / "nowhere": "no such file or folder",
        junk: "not a record",
    }.items():
        assert call(["profile", str(place)]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"spanbench: {place}: ")
        assert said in err
        assert err.count("\n") == 1
    assert not list(tmp_path.rglob("profile.png"))


def test_a_profile_waits_for_no_torch(run: Path) -> None:
    code = (
        "import sys; import benchmark.cli; "
        f"assert benchmark.cli.call(['profile', {str(run)!r}]) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
