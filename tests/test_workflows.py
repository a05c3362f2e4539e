"""The safety rules of .github/workflows, and that each of them would notice when it is broken."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = Path(__file__).resolve().parent.parent / ".github" / "workflows"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(WORKFLOWS.iterdir())}
PINNED = re.compile(r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+")
EVENTS = {
    "ci": {"push", "pull_request"},
    "publish": {"push", "workflow_dispatch"},
    "report": {"workflow_run"},
    "validate": {"pull_request"},
}
WRITES = {
    ("publish", "deploy"): {"pages": "write", "id-token": "write"},
    ("report", "comment"): {"actions": "read", "pull-requests": "write"},
}
EXPRESSIONS = {  # commits, numbers and what GitHub or we ourselves wrote; nothing that a stranger words
    "github.event.pull_request.base.sha",
    "github.event.pull_request.head.sha",
    "github.event.pull_request.number",
    "github.event.pull_request.number || github.sha",
    "github.event.workflow_run.head_sha",
    "github.event.workflow_run.id",
    "github.token",
    "runner.temp",
    "steps.added.outputs.folder",
    "steps.deployment.outputs.page_url",
    "!cancelled()",
}
CONDITIONS = {
    "github.ref == 'refs/heads/main'",
    "github.event.workflow_run.event == 'pull_request' && "
    'contains(fromJSON(\'["success", "failure"]\'), github.event.workflow_run.conclusion)',
    "${{ !cancelled() }}",
}


def parsed(name: str, text: str) -> dict[str, Any]:
    """A workflow, with its events under `on`, which YAML 1.1 takes for a truth value."""
    tree = yaml.safe_load(text)
    assert tree["name"] == name
    return tree | {"on": tree.pop(True)}


def steps_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in tree["jobs"].values() for step in job["steps"]]


def problems(name: str, text: str) -> Iterator[str]:
    """The rules that hold for every workflow, a word or two for each that is broken."""
    tree = parsed(name, text)
    if set(tree["on"]) != EVENTS[name]:
        yield "events"
    if tree.get("permissions") not in ({}, {"contents": "read"}):
        yield "permissions"
    if "group" not in tree.get("concurrency", {}):
        yield "concurrency"
    if len(re.findall(r"uses:", text)) != len(PINNED.findall(text)):
        yield "pins"
    if not set(re.findall(r"\$\{\{\s*(.*?)\s*\}\}", text)) <= EXPRESSIONS or text.count("${{") != text.count("}}"):
        yield "expressions"
    if re.search(r"\bsecrets\b|head_ref|\.title|\.login \}\}|toJSON", text):
        yield "words of strangers"
    for key, job in tree["jobs"].items():
        if job.get("permissions") != WRITES.get((name, key)):
            yield "permissions of a job"
        if not 0 < job.get("timeout-minutes", 0) <= 90:
            yield "timeout"
        if not {str(each["if"]) for each in (job, *job["steps"]) if "if" in each} <= CONDITIONS:
            yield "conditions"
    for step in steps_of(tree):
        told = step.get("with", {})
        if "actions/checkout" in step.get("uses", "") and told.get("persist-credentials") is not False:
            yield "credentials"
        if "${{" in step.get("run", "") + str(told.get("script", "")):
            yield "interpolated scripts"


@pytest.mark.parametrize("name", EVENTS)
def test_workflows_keep_the_rules(name: str) -> None:
    assert list(problems(name, TEXTS[name])) == []


def test_there_is_no_other_workflow_and_one_digest_an_action() -> None:
    assert set(TEXTS) == set(EVENTS)
    pins = {pin for text in TEXTS.values() for pin in PINNED.findall(text)}
    assert len({action for action, _ in pins}) == len(pins) == 7


@pytest.mark.parametrize(
    ("name", "old", "new", "broken"),
    [
        ("validate", "on:\n  pull_request:", "on:\n  pull_request_target:", "events"),
        ("validate", "permissions:\n  contents: read\n", "", "permissions"),
        ("validate", "contents: read", "contents: write", "permissions"),
        ("validate", "    timeout-minutes: 10\n", "    permissions: write-all\n", "permissions of a job"),
        ("validate", "    timeout-minutes: 10\n", "", "timeout"),
        ("validate", "concurrency:\n  group", "env:\n  group", "concurrency"),
        ("validate", "5447ce83dd # v6.0.2", "5447ce83dd", "pins"),
        ("validate", "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6 # v6.0.2", "pins"),
        ("validate", "          persist-credentials: false\n", "", "credentials"),
        ("validate", 'token=$(openssl rand -hex 16)', "echo '${{ github.event.pull_request.title }}'", "expressions"),
        ("validate", 'token=$(openssl rand -hex 16)', "echo '${{ runner.temp }}'", "interpolated scripts"),
        ("validate", "${{ github.event.pull_request.head.sha }}", "${{ github.head_ref }}", "words of strangers"),
        ("validate", "BASE: ${{ github.event.pull_request.base.sha", "BASE: ${{ toJSON(github)", "expressions"),
        ("report", "permissions: {}", "permissions: write-all", "permissions"),
        ("report", "      pull-requests: write", "      contents: write", "permissions of a job"),
        ("report", "const MOST = 60000", "const MOST = '${{ github.event.workflow_run.id }}'", "interpolated scripts"),
        ("report", "github.event.workflow_run.event == 'pull_request' &&", "", "conditions"),
        ("publish", "if: github.ref == 'refs/heads/main'", "if: always()", "conditions"),
        ("publish", "    needs: build\n", "    needs: build\n    env: {T: '${{ secrets.T }}'}\n", "words of strangers"),
        ("ci", "          persist-credentials: false\n", "          fetch-depth: 0\n", "credentials"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_noticed(name: str, old: str, new: str, broken: str) -> None:
    assert old in TEXTS[name]
    assert broken in list(problems(name, TEXTS[name].replace(old, new)))


def test_the_validator_is_that_of_the_base() -> None:
    """Of the pull request nothing but one folder is copied, and no program runs from it."""
    tree = parsed("validate", TEXTS["validate"])
    (job,) = tree["jobs"].values()
    checkouts = {
        step["with"]["path"]: step["with"]["ref"] for step in job["steps"] if "checkout" in step.get("uses", "")
    }
    assert checkouts == {it: f"${{{{ github.event.pull_request.{it}.sha }}}}" for it in ("base", "head")}
    runs = [(step.get("working-directory", ""), step["run"]) for step in job["steps"] if "run" in step]
    for place, script in runs:
        assert place in ("", "base")
        programs = re.findall(r"\bpython\b.*", script)
        expected = r"python -m benchmark leaderboard validate " if place == "base" else r"python (-m pip|-I base/)"
        assert all(re.match(expected, each) for each in programs)
        assert "head" not in re.sub(
            r"git -C head (merge-base|diff-tree) |\.\./head/\$FOLDER|\bhead -c 50000\b", "", script
        )
    text = "\n".join(script for _, script in runs)
    assert text.count("benchmark leaderboard validate") == 2
    assert "-c base/constraints.txt" in text
    assert "install -e" not in text
    assert [step["timeout-minutes"] for step in job["steps"] if step.get("name") == "Validate"] == [5]


def test_the_report_is_only_read() -> None:
    """The job that may write has no checkout and no shell; it follows the workflow that makes the report."""
    tree = parsed("report", TEXTS["report"])
    assert tree["on"]["workflow_run"] == {"workflows": ["validate"], "types": ["completed"]}
    download, comment = steps_of(tree)
    assert "actions/download-artifact@" in download["uses"]
    assert "actions/github-script@" in comment["uses"]
    assert set(comment["with"]) == {"script"}
    assert not re.search(r"\b(eval|exec|spawn|Function|child_process|import)\b", comment["with"]["script"])
    kept = next(step for step in steps_of(parsed("validate", TEXTS["validate"])) if "upload" in step.get("uses", ""))
    assert kept["with"]["name"] == download["with"]["name"]


def test_only_a_validated_board_is_published() -> None:
    tree = parsed("publish", TEXTS["publish"])
    assert tree["on"]["push"] == {"branches": ["main"], "paths": ["leaderboard/**"]}
    assert tree["jobs"]["deploy"]["needs"] == "build"
    runs = [step["run"] for step in tree["jobs"]["build"]["steps"] if "run" in step]
    assert [script.split()[4] for script in runs[1:]] == ["validate", "render"]
    assert len(tree["jobs"]["deploy"]["steps"]) == 1
