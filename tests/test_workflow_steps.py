"""The steps of validate.yml as they run: their shell scripts, in a repository and on a board."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.leaderboard.boards import edited, model_named, records_of, tiny_suite, write_submission

TOP = Path(__file__).resolve().parent.parent
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "PYTHONDONTWRITEBYTECODE": "1",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}  # fmt: skip
OF = "leaderboard/submissions/gru-1f9a02c4"


def step(name: str) -> dict[str, Any]:
    tree = yaml.safe_load((TOP / ".github" / "workflows" / "validate.yml").read_text(encoding="utf-8"))
    return next(each for job in tree["jobs"].values() for each in job["steps"] if each.get("name") == name)


class Runner:
    """A workspace with base/ and head/, where steps of validate.yml run as a runner runs them."""

    def __init__(self, place: Path) -> None:
        self.place, self.temp = place / "work", place / "temp"
        self.head, self.report = self.place / "head", self.temp / "report" / "report.txt"
        self.output = self.temp / "output"
        for each in (self.head, self.temp):
            each.mkdir(parents=True)
        shutil.copytree(TOP / ".github", self.place / "base" / ".github")

    def run(self, name: str, **env: str) -> int:
        told = step(name)
        script = self.temp / "script.sh"
        script.write_text(told["run"])
        env |= GIT | {"RUNNER_TEMP": str(self.temp), "GITHUB_OUTPUT": str(self.output)}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(command, env=env, cwd=self.place / told.get("working-directory", "")).returncode

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.head, env=os.environ | GIT, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self) -> str:
        self.git("commit", "--quiet", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD")

    def write(self, name: str | bytes, text: str = "{}\n") -> None:
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.head), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.git("add", "--all")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """With a history: a main branch that went on after the pull request had left it."""
    made = Runner(tmp_path)
    made.git("init", "--quiet", "--initial-branch=main")
    made.write("leaderboard/ledger.jsonl", "one\n")
    made.write("leaderboard/submissions/lstm-00000000/submission.json")
    made.write(".gitmodules", f'[submodule "s"]\n\tpath = {OF}/cells/learn-planted.json\n\turl = ./s\n\tignore = all\n')
    made.commit()
    made.git("switch", "--quiet", "--create", "theirs")
    return made


def added(runner: Runner, prepare: Callable[[Runner], object]) -> tuple[int, str]:
    """Exit code and report of the first step, after `prepare` has changed the branch of the pull request."""
    prepare(runner)
    head = runner.commit()
    runner.git("switch", "--quiet", "--force", "main")
    runner.write("leaderboard/ledger.jsonl", "one\ntwo\n")
    code = runner.run("It adds one submission and nothing else", BASE=runner.commit(), HEAD=head)
    return code, runner.report.read_text()


def test_a_submission_goes_on_to_the_validator(runner: Runner) -> None:
    def prepare(it: Runner) -> None:
        it.write(f"{OF}/submission.json")
        it.write(f"{OF}/cells/learn-planted.json")

    assert added(runner, prepare) == (0, f"{OF}\n")
    assert runner.output.read_text() == f"folder={OF}\n"


def link(it: Runner) -> None:
    it.write(f"{OF}/submission.json")
    (it.head / OF / "cells").mkdir()
    (it.head / OF / "cells" / "learn-planted.json").symlink_to("/etc/passwd")
    it.git("add", "--all")


def executable(it: Runner) -> None:
    it.write(f"{OF}/submission.json")
    it.git("update-index", "--chmod=+x", f"{OF}/submission.json")


def submodule(it: Runner) -> None:
    it.write(f"{OF}/submission.json")
    it.git("update-index", "--add", "--cacheinfo", f"160000,{'5' * 40},{OF}/cells/learn-planted.json")


def moved(it: Runner) -> None:
    (it.head / OF).mkdir()
    it.git("mv", "leaderboard/submissions/lstm-00000000/submission.json", f"{OF}/submission.json")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (link, "is a link"),
        (executable, "is an executable file"),
        (submodule, "is a submodule"),
        (moved, "is deleted"),
        (lambda it: None, "nothing is added"),
        (lambda it: it.git("rm", "--quiet", "leaderboard/ledger.jsonl"), "is deleted"),
        (lambda it: it.write("leaderboard/ledger.jsonl", "two\n"), "is changed"),
        (lambda it: it.write("leaderboard/submissions/lstm-00000000/submission.json", "[]"), "is changed"),
        (lambda it: it.write(".github/workflows/validate.yml"), 'got ".github/workflows/validate.yml"'),
        (lambda it: it.write(".gitattributes", f"{OF}/** -diff\n"), 'got ".gitattributes"'),
        (lambda it: it.write(f"{OF}/submission.json\n::error::x"), 'submission.json\\n::error::x"'),
        (lambda it: it.write(OF.encode() + b"/\xff.json"), '/\\\\xff.json"'),
        (lambda it: it.write(f'{OF}/"$(id)`'), '/"$(id)`"'),
    ],
)  # fmt: skip
def test_anything_else_does_not(runner: Runner, prepare: Callable[[Runner], object], said: str) -> None:
    code, report = added(runner, prepare)
    assert code == 1
    assert report.startswith("expected ")
    assert report.rstrip("\n").endswith(said)
    assert not runner.output.exists()


@pytest.fixture
def board(runner: Runner) -> Runner:
    """With the validator in base/, a suite, a submission on the board and another one in head/."""
    base, suite = runner.place / "base", tiny_suite(tokenizers=("byte",))
    shutil.copytree(TOP / "leaderboard", base / "leaderboard", ignore=shutil.ignore_patterns("*.jsonl", "submissions"))
    for name in ("benchmark", "configs"):
        (base / name).symlink_to(TOP / name)
    (base / "leaderboard" / "suites" / "tiny-1.json").write_text(suite.model_dump_json())
    write_submission(base / "leaderboard" / "submissions", suite, "Lstm")
    runner.report.parent.mkdir()
    return runner


def submitted(board: Runner, name: str = "Gru") -> Path:
    suite = tiny_suite(tokenizers=("byte",))
    records = records_of(suite, model_named("Gru"), span=40.0, salt=1)
    return write_submission(board.head / "leaderboard" / "submissions", suite, name, records)


def validated(board: Runner, folder: Path) -> tuple[int, str]:
    """Exit code and report of the validator's step."""
    code = board.run("Validate", FOLDER=f"leaderboard/submissions/{folder.name}")
    return code, board.report.read_text()


def test_a_valid_submission_is_found_valid(board: Runner) -> None:
    folder = submitted(board)
    code, report = validated(board, folder)
    assert (code, report.splitlines()[-1]) == (0, "2 submissions and the ledger are valid")
    assert report.startswith(f"{folder.name}: valid, ")


def test_a_finding_is_reported(board: Runner) -> None:
    folder = submitted(board)
    edited(folder / "submission.json", lambda data: data.update(contact="<script>alert(1)</script>\n::error::x"))
    code, report = validated(board, folder)
    assert code == 1
    assert report.startswith("submission.json: ")
    assert "\n::error" not in report


def test_a_name_that_is_taken_is_refused(board: Runner) -> None:
    code, report = validated(board, submitted(board, "Lstm"))
    assert code == 2
    assert "have one name, Lstm" in report.splitlines()[-1]


def test_a_submission_is_not_replaced(board: Runner) -> None:
    folder = submitted(board)
    shutil.copytree(folder, board.place / "base" / "leaderboard" / "submissions" / folder.name)
    assert validated(board, folder) == (1, "expected a new submission, one of this id is there\n")
