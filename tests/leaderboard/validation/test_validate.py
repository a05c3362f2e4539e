"""A submission from its folder to its findings: whole, bounded in number, in time, and in what is imported for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.validation.validate import ENOUGH, validate
from tests.benchmark.cells import TOP
from tests.leaderboard.boards import ALL, model_named, records_of, suites, tiny_suite, write_submission
from tests.leaderboard.validation.corrupted import DATA, FILES, LEARN, MAIN, SUBMISSION, SUITE, TEXT, found, lines, put


def test_a_submission_as_it_should_be_has_no_findings(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, SUITE)
    checked = validate(folder, suites(SUITE))
    assert checked.findings == []
    assert checked.submission is not None
    assert checked.submission.id == folder.name
    assert {key: [r.cell.seed for r in each] for key, each in checked.records.items()} == {
        cell.key: SUITE.seeds for cell in SUITE.cells
    }


def test_a_folder_is_called_as_its_submission(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, SUITE)
    other = folder.rename(tmp_path / "gru-0000\x1b[31m")
    line = validate(other, suites(SUITE)).findings[0].line()
    assert line == r"submission.json: id: expected the folder's name, gru-0000\x1b[31m"


@pytest.mark.parametrize("name", [MAIN, f"cells/{LEARN}.json", f"cells/{TEXT}.json"])
def test_a_missing_file_is_named(name: str) -> None:
    (line,) = lines({key: data for key, data in FILES.items() if key != name})
    assert line.startswith(f"{name}: expected ")
    assert line.endswith("is missing")


def test_a_cell_of_no_suite_is_named() -> None:
    strange = {"cells/learn-planted-char.json": FILES[f"cells/{LEARN}.json"]}
    assert lines(FILES | strange) == ["cells/learn-planted-char.json: expected a cell of the suite"]


def test_no_cell_stands_for_another() -> None:
    assert lines(FILES | {f"cells/{TEXT}.json": FILES[f"cells/{LEARN}.json"]}) == [
        f"cells/{TEXT}.json: cell: expected {TEXT}"
    ]


def test_no_submission_takes_the_files_of_another() -> None:
    mine = records_of(SUITE, model_named("mine"))
    files = {f"cells/{key}.json": json.dumps({"cell": key, "records": [json.loads(r.model_dump_json()) for r in each]})
             for key, each in mine.items()}  # fmt: skip
    got = lines(FILES | {name: text.encode() for name, text in files.items()})
    assert all("cell.model" in line or ": id: " in line for line in got), got
    assert len(got) > len(SUITE.cells) * len(SUITE.seeds)


def test_a_flood_of_findings_ends() -> None:
    files = {name: json.dumps(data | {f"x{i}": 0 for i in range(900)}).encode() for name, data in DATA.items()}
    for flood in (files, files | {MAIN: FILES[MAIN]}):
        got = lines(flood)
        assert len(got) == ENOUGH + 1
        assert got[-1] == "submission.json: expected fewer findings: there are more than these"
    got = found({f"cells/{TEXT}.json": put("records", 0, "losses", 0, "nats", value=[-1] * 900)})
    assert len(got) == ENOUGH + 1


def test_a_finding_is_one_line_that_commands_nothing() -> None:
    """Neither a terminal nor a workflow, which obeys `::` where a line begins and `##[` anywhere."""
    text = "##[add-mask]x ::set-output name=a::b \u00e9\u5b57 \U0001f600"
    for change in (put(text, value=1), put("weights", text, value={}), put("model", "init_args", text, value=1)):
        for line in found({MAIN: change}):
            assert line.startswith("submission.json: ")
            assert line.isascii()
            assert line.isprintable()
            assert "##[" not in line
    (line,) = lines(FILES | {"::error::x\n::set-env": b""})
    assert line == r'"::error::x\n::set-env": expected a cell of the suite'


def test_a_folder_that_is_not_there_is_the_callers_problem(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        validate(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        validate(tmp_path / "file")


def test_a_whole_submission_takes_less_than_two_seconds(tmp_path: Path) -> None:
    """Start of the interpreter and imports included: no torch, no figures, no more of scipy than is needed."""
    suite = tiny_suite(ALL, n_blocks=288)
    folder = write_submission(tmp_path / "board" / "submissions", suite)
    (tmp_path / "tiny-1.json").write_text(suite.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from leaderboard import suite; suite.SUITES = Path(sys.argv[1]); "
        "from leaderboard.validation.validate import validate; assert not validate(Path(sys.argv[2])).findings; "
        "assert not {'torch', 'lightning', 'matplotlib', 'pandas', 'scipy.stats', 'scipy.optimize'} & set(sys.modules)"
    )
    begin = os.times()
    subprocess.run([sys.executable, "-c", code, tmp_path, folder], check=True, cwd=TOP)
    end = os.times()
    spent = end.children_user + end.children_system - begin.children_user - begin.children_system
    assert 0 < spent < 2.0


def test_the_one_that_all_are_made_from_is_valid() -> None:
    assert lines(FILES, SUBMISSION.id) == []
