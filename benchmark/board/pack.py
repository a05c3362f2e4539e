"""A submission packed from the records of the official cells: written whole, validated, or not at all."""

import hashlib
import inspect
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmark.board.rescore import digests
from benchmark.host import commit
from benchmark.registry import UsageError, load_class
from leaderboard.cell import Part
from leaderboard.record import Record
from leaderboard.suite import Suite
from leaderboard.validation.claims import claims_of
from leaderboard.validation.findings import Finding
from leaderboard.validation.folder import CELLS, MAIN
from leaderboard.validation.submission import Seeds, Submission, submission_id
from leaderboard.validation.validate import validate


@dataclass(frozen=True)
class Author:
    """Who submits, and how the row is to be called."""

    name: str
    contact: str
    link: str | None
    family: str
    argv: list[str]


class Unfit(RuntimeError):  # noqa: N818
    """What was packed does not pass validation; nothing of it was kept."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"{len(findings)} findings, first {findings[0].line()}")
        self.findings = findings


def pack(author: Author, suite: Suite, records: Mapping[str, Sequence[Record]], cells: Path, submissions: Path) -> Path:
    """Write `submissions`/ID and return it. `cells` holds a folder for each record, with its weights.

    Raises ValueError where weights are missing, Unfit where the result is not valid; then nothing is written. A
    submission of the same id is replaced.
    """
    local = next(record.cell.model for each in records.values() for record in each)
    model = public(local)
    shown = {key: [_public_record(record, model) for record in each] for key, each in records.items()}
    everything = [record for each in shown.values() for record in each]
    submission = Submission(
        id=submission_id(author.name, everything),
        suite=suite.name,
        revision=suite.revision,
        name=author.name,
        contact=author.contact,
        link=author.link,
        family=author.family,
        date=datetime.now(UTC).date().isoformat(),
        model=model,
        source=source_digest(local),
        commit=commit(),
        argv=author.argv,
        weights={r.id: found for r in everything if (found := digests(r, cells / r.id))},
        claims=claims_of(shown, suite),
    )
    files = {MAIN: submission.model_dump_json(indent=1)}
    for key, each in shown.items():
        files[f"{CELLS}/{key}.json"] = Seeds(cell=key, records=each).model_dump_json()
    return _write(submissions, submission.id, files)


def _write(submissions: Path, name: str, files: Mapping[str, str]) -> Path:
    """All files under `submissions`/`name`, once they are valid."""
    submissions.mkdir(parents=True, exist_ok=True)
    target = submissions / name
    with tempfile.TemporaryDirectory(dir=submissions.parent, prefix=".packing-") as place:
        folder = Path(place) / name
        for file, text in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() + b"\n")
        findings = validate(folder).findings
        if findings:
            raise Unfit(findings)
        if target.exists():
            shutil.rmtree(target)
        os.replace(folder, target)
    return target


def public(model: Part) -> Part:
    """The model as others see it: where its file lay is the submitter's business."""
    file, colon, name = model.class_path.rpartition(":")
    return model.model_copy(update={"class_path": f"{Path(file).name}:{name}"}) if colon else model


def _public_record(record: Record, model: Part) -> Record:
    """The same with its model as others see it; the id does not depend on where the file lay."""
    return record.model_copy(update={"cell": record.cell.model_copy(update={"model": model})})


def source_digest(model: Part) -> str:
    """sha256 of the file in which the model's class stands. Raises UsageError where it was built from another one."""
    path = inspect.getsourcefile(load_class(model.class_path))
    assert path is not None
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if model.source not in (None, found):
        raise UsageError(f"{path} has changed since it was run: its digest is {found[:12]}…, not {model.source}")
    return found
