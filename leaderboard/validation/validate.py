"""A submission from its folder to findings. Nothing of it is run, no path of it is followed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from leaderboard.record import Record
from leaderboard.suite import OF_THE_MODEL, OfficialCell, Suite, read_suite
from leaderboard.validation.against_suite import cell_problems, facts_problems, model_problems
from leaderboard.validation.claims import claim_problems, weights_problems
from leaderboard.validation.copies import copies, repeated
from leaderboard.validation.findings import Finding, Refused
from leaderboard.validation.folder import CELLS, MAIN, read_folder
from leaderboard.validation.plausible import curve_problems, losses_problems
from leaderboard.validation.strict_json import parse
from leaderboard.validation.submission import Seeds, Submission, submission_id

M = TypeVar("M", bound=BaseModel)
ENOUGH = 100  # findings that are worth reading; more are neither sought nor shown
ReadSuite = Callable[[str, int], Suite]


@dataclass
class Checked:
    """A submission as read, and what is wrong with it; without findings it is whole."""

    submission: Submission | None = None
    suite: Suite | None = None
    records: dict[str, list[Record]] = field(default_factory=dict)  # by the key of their cell
    findings: list[Finding] = field(default_factory=list)


def validate(folder: Path, suites: ReadSuite = read_suite) -> Checked:
    """Read `folder` and hold it against the suite it names. Raises OSError where it cannot be listed."""
    files, findings = read_folder(folder)
    if findings:
        return Checked(findings=_first(findings))
    checked = validated(files, folder.resolve().name, suites)
    if checked.submission and not checked.findings:
        found = copies(checked.submission, checked.records, folder)
        checked.findings += _first([Finding(MAIN, where, expected) for where, expected in found])
    return checked


def validated(files: Mapping[str, bytes], name: str, suites: ReadSuite = read_suite) -> Checked:
    """The files of a folder called `name`, by themselves."""
    checked = Checked()
    _validate(files, name, suites, checked)
    checked.findings = _first(checked.findings)
    return checked


def _validate(files: Mapping[str, bytes], name: str, suites: ReadSuite, checked: Checked) -> None:
    findings = checked.findings
    checked.submission = _model(files, MAIN, Submission, findings)
    if checked.submission is None:
        return
    try:
        checked.suite = suites(checked.submission.suite, checked.submission.revision)
    except ValueError as error:
        findings.append(Finding(MAIN, "suite", f"expected a suite there is: {error}"))
        return
    findings += [Finding(MAIN, *problem) for problem in model_problems(checked.submission, checked.suite)]
    if not findings:
        _read_cells(files, checked, checked.suite)
    if not findings:
        findings += _problems(name, checked, checked.submission, checked.suite)


def _first(findings: list[Finding]) -> list[Finding]:
    more = [Finding(MAIN, "", "expected fewer findings: there are more than these")]
    return findings if len(findings) <= ENOUGH else findings[:ENOUGH] + more


def _read_cells(files: Mapping[str, bytes], checked: Checked, suite: Suite) -> None:
    """The records of every official cell, a seed each."""
    names = {f"{CELLS}/{official.key}.json": official for official in suite.cells}
    for name in sorted(files.keys() - names.keys() - {MAIN}):
        checked.findings.append(Finding(name, "", "expected a cell of the suite"))
    for name, official in names.items():
        if len(checked.findings) > ENOUGH:
            return
        if name not in files:
            checked.findings.append(Finding(name, "", f"expected the records of {official.title}, the file is missing"))
            continue
        seeds = _model(files, name, Seeds, checked.findings)
        if seeds is None:
            continue
        found = [record.cell.seed for record in seeds.records]
        if seeds.cell != official.key:
            checked.findings.append(Finding(name, "cell", f"expected {official.key}"))
        elif found != suite.seeds:
            expected = f"expected the seeds {', '.join(map(str, suite.seeds))}, each once, in this order"
            checked.findings.append(Finding(name, "records", expected))
        else:
            checked.records[official.key] = seeds.records


def _model(files: Mapping[str, bytes], name: str, kind: type[M], findings: list[Finding]) -> M | None:
    """A file as what it should be; None, and findings, where it is not."""
    if name not in files:
        findings.append(Finding(name, "", "expected this file, it is missing"))
        return None
    try:
        return kind.model_validate(parse(files[name]))  # parsed once: two parsers might read two things
    except Refused as error:
        findings.append(Finding(name, error.field[:60], error.expected))
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            where = ".".join(str(key) for key in each["loc"])
            findings.append(Finding(name, where, each["msg"].removeprefix("Value error, ")))
    return None


def _problems(name: str, checked: Checked, submission: Submission, suite: Suite) -> Iterator[Finding]:
    """Everything that takes more than one file to know."""
    found: list[Finding] = []
    for official in suite.cells:
        found += _record_findings(official, checked.records[official.key], submission, suite)
    yield from found
    everything = [record for records in checked.records.values() for record in records]
    yield from (Finding(MAIN, where, expected) for where, expected in _agreement(everything))
    if submission.id != submission_id(submission.name, everything):
        expected = f"expected {submission_id(submission.name, everything)}, from the name and the records"
        yield Finding(MAIN, "id", expected)
    if submission.id != name:
        yield Finding(MAIN, "id", f"expected the folder's name, {name}")
    if not found:  # sums that cannot be have no scores
        for where, expected in claim_problems(submission, checked.records, suite):
            yield Finding(MAIN, where, expected)
        for where, expected in [*weights_problems(submission, checked.records), *repeated(checked.records)]:
            yield Finding(MAIN, where, expected)


def _record_findings(
    official: OfficialCell, records: list[Record], submission: Submission, suite: Suite
) -> Iterator[Finding]:
    name = f"{CELLS}/{official.key}.json"
    for number, (record, seed) in enumerate(zip(records, suite.seeds, strict=True)):
        problems = [
            *cell_problems(official, record, seed, submission),
            *facts_problems(official, record, suite),
            *curve_problems(official, record),
            *losses_problems(official, record, suite),
        ]
        for where, expected in problems:
            yield Finding(name, f"records.{number}.{where}", expected)
    told = {tuple(getattr(record.facts, fact) for fact in OF_THE_MODEL) for record in records if record.facts}
    if len(told) > 1:
        yield Finding(name, "records", f"expected the same {', '.join(OF_THE_MODEL)} whatever the seed")


def _agreement(records: list[Record]) -> Iterator[tuple[str, str]]:
    """One model has one learning rate and one number of parameters, wherever it was run."""
    if len({record.cell.budget.lr for record in records}) > 1:
        yield "cells", "expected one learning rate in all cells"
    if len({record.facts.n_params_non_embedding for record in records if record.facts}) > 1:
        yield "cells", "expected one number of parameters, without embedding and head, in all cells"
