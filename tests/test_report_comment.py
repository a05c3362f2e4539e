"""The JavaScript of report.yml, on Node, against a GitHub of four lists: which comment it writes, and where."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = Path(__file__).resolve().parent.parent / ".github" / "workflows" / "report.yml"
NODE = shutil.which("node")
HARNESS = """
const { script, data } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const done = [];
const listed = (name) => async (asked) => (done.push([name, asked]), data[name]);
const github = {
  paginate: (ask, asked) => ask(asked),
  rest: {
    pulls: { list: listed('pulls'), listFiles: listed('files') },
    issues: {
      listComments: listed('comments'),
      createComment: async (asked) => done.push(['create', asked]),
      updateComment: async (asked) => done.push(['update', asked]),
    },
  },
};
const context = { repo: { owner: 'o', repo: 'r' }, payload: data.payload };
const body = Object.getPrototypeOf(async () => {}).constructor('require', 'github', 'context', 'core', script);
body(require, github, context, { notice: (text) => done.push(['notice', text]) }).then(
  () => console.log(JSON.stringify(done)),
  (error) => { console.error(error); process.exit(1); },
);
"""
COMMIT, OTHER = "5" * 40, "6" * 40
PULL = {"number": 7, "head": {"sha": COMMIT, "repo": {"id": 1}}}
FILE = {"status": "added", "filename": "leaderboard/submissions/gru-1f9a02c4/submission.json"}
MARKER = "<!-- the report of validate.yml -->"
BOT = "github-actions[bot]"

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def run(place: Path, conclusion: str = "failure", **data: Any) -> subprocess.CompletedProcess[str]:
    """What Node says after the script has read `place`/report/report.txt."""
    tree = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    script = tree["jobs"]["comment"]["steps"][1]["with"]["script"]
    told = {"head_sha": COMMIT, "head_repository": {"id": 1}, "conclusion": conclusion, "html_url": "https://run"}
    payload = {"workflow_run": told, "repository": {"default_branch": "main"}}
    given = {"pulls": [PULL], "files": [FILE], "comments": [], "payload": payload} | data
    return subprocess.run(
        [str(NODE), "-e", HARNESS],
        input=json.dumps({"script": script, "data": given}),
        env={"RUNNER_TEMP": str(place), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(place: Path, conclusion: str = "failure", **data: Any) -> list[list[Any]]:
    """What it asked of GitHub, in order."""
    ran = run(place, conclusion, **data)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.txt").write_text("submission.json: id: expected something else\n")
    return tmp_path


def body_of(place: Path, text: str | bytes, conclusion: str = "failure") -> str:
    """The comment on a report of this text."""
    data = text.encode() if isinstance(text, str) else text
    (place / "report" / "report.txt").write_bytes(data)
    name, asked = calls(place, conclusion)[-1]
    assert (name, asked["issue_number"]) == ("create", 7)
    body = asked["body"]
    assert body.startswith(f"{MARKER}\n**")
    assert len(body) < 65_536  # what GitHub takes
    return body


def fenced(body: str) -> tuple[str, str]:
    """Fence and text of the only code block, as CommonMark closes it: by as many backticks, or more, on a line."""
    lines = body.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("```"))
    fence = lines[start].removesuffix("text")
    assert set(fence) == {"`"}
    end = next(i for i in range(start + 1, len(lines)) if re.fullmatch(f" {{0,3}}{fence}`*\\s*", lines[i]))
    assert lines[end + 1 :] == ["", "[The run](https://run), of 555555555555."]
    return fence, "\n".join(lines[start + 1 : end])


def test_a_report_is_put_under_its_pull_request(place: Path) -> None:
    listed, files, comments, (name, asked) = calls(place, "success", pulls=[{**PULL, "number": 8}, PULL])
    assert listed == ["pulls", {"owner": "o", "repo": "r", "per_page": 100, "state": "open", "base": "main"}]
    assert (files[0], files[1]["pull_number"], comments[1]["issue_number"]) == ("files", 8, 8)
    assert (name, asked["issue_number"]) == ("create", 8)
    assert "**The submission is valid.**" in asked["body"]
    assert "**Not valid as it is**" in body_of(place, "a finding")


def test_the_verdict_is_the_run_s_and_not_the_report_s(place: Path) -> None:
    body = body_of(place, "**The submission is valid.**\n")
    assert body.splitlines()[1].startswith("**Not valid as it is**")


@pytest.mark.parametrize(
    "pull",
    [
        {**PULL, "head": {"sha": OTHER, "repo": {"id": 1}}},  # pushed to since
        {**PULL, "head": {"sha": COMMIT, "repo": {"id": 2}}},  # somebody else's, of the same commit
        {**PULL, "head": {"sha": COMMIT, "repo": None}},
    ],
)
def test_no_other_pull_request_is_spoken_to(place: Path, pull: dict[str, Any]) -> None:
    assert [name for name, _ in calls(place, pulls=[pull])] == ["pulls", "notice"]


def test_its_own_comment_is_brought_up_to_date_and_no_other(place: Path) -> None:
    strangers = [
        {"id": 1, "user": {"login": "someone"}, "body": MARKER},
        {"id": 2, "user": {"login": BOT}, "body": f"of another workflow {MARKER}"},
        {"id": 3, "user": None, "body": MARKER},
        {"id": 4, "user": {"login": BOT}, "body": None},
    ]
    assert calls(place, comments=strangers)[-1][0] == "create"
    name, asked = calls(place, comments=[*strangers, {"id": 5, "user": {"login": BOT}, "body": f"{MARKER}\nold"}])[-1]
    assert (name, asked["comment_id"], asked["owner"]) == ("update", 5, "o")


@pytest.mark.parametrize(
    "file",
    [
        {"status": "modified", "filename": ".github/workflows/validate.yml"},
        {"status": "added", "filename": "leaderboard/submissions.py"},
        {"status": "removed", "filename": FILE["filename"]},
        {"status": "renamed", "filename": FILE["filename"], "previous_filename": "leaderboard/ledger.jsonl"},
    ],
)
def test_who_may_have_changed_the_workflow_is_not_believed(place: Path, file: dict[str, Any]) -> None:
    body = calls(place, "success", files=[FILE, file])[-1][1]["body"]
    assert "**Not validated:** this does more than add files." in body
    assert "valid.**" not in body
    assert "```" not in body


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cells/x.json: a: expected 1\ncells/y.json: b\n", "cells/x.json: a: expected 1\ncells/y.json: b"),
        ("```\n@everyone [x](javascript:1)\n", "```\n@everyone [x](javascript:1)"),
        ("``` `````\n````\n", "``` `````\n````"),
        ("a\x1b[31m\x00\r\u202eb\u200b\u2028c\td…", "a?[31m???b??c?d…"),
        ("${{ github.token }} $(id) `id`", "${{ github.token }} $(id) `id`"),
        (b"\xff\xfe\x80", "???"),
        ("`" * 80_000, "`" * 9),
        ("", ""),
    ],
)  # fmt: skip
def test_a_report_is_cleaned_and_fenced(place: Path, text: str | bytes, shown: str) -> None:
    fence, found = fenced(body_of(place, text))
    assert found == shown
    assert len(fence) > max((len(ticks) for ticks in re.findall("`+", found)), default=2)


def test_a_long_report_is_cut(place: Path) -> None:
    _, found = fenced(body_of(place, "0123456789" * 1_000_000))
    assert found == "0123456789" * 6_000
    _, found = fenced(body_of(place, ("`" * 9 + "\n") * 100_000))
    assert len(found) == 59_999  # but for the last line's end


def test_a_run_without_a_report_is_said(place: Path) -> None:
    (place / "report" / "report.txt").unlink()
    assert "the run ended without a report" in calls(place)[-1][1]["body"]


def test_a_link_is_not_followed(place: Path) -> None:
    report = place / "report" / "report.txt"
    report.unlink()
    report.symlink_to("/proc/self/environ")
    assert run(place).returncode == 1
    report.unlink()
    report.mkdir()
    assert "not a plain file" in run(place).stderr
