"""`spanbench leaderboard verify`: a submission scored again from its weights, or cells of it run again.

What is found goes into an attestation, and an event into the ledger.
"""

import getpass
import platform
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark.board.again import (
    Draw,
    Submitted,
    allowance,
    apart,
    cell_of,
    draws,
    folder_of,
    read_submitted,
    rescoring_allowance,
    shortfall,
)
from benchmark.board.rescore import digests, rescored
from benchmark.host import describe
from benchmark.launch.finish import finish
from benchmark.launch.manner import Manner
from benchmark.registry import UsageError
from benchmark.run_options import RunOptions
from leaderboard.ranking.attestation import Attestation, Compared, write_attestation
from leaderboard.ranking.ledger import append, read_ledger, refuse_unreadable, submission_digest
from leaderboard.record import Record
from leaderboard.scores import raw_score


def verify(
    id: str,
    rescore: bool = False,
    rerun: int | None = None,
    after: str | None = None,
    model: str | None = None,
    weights: str | None = None,
    by: str | None = None,
    output: str = "runs",
    workers: int | None = None,
) -> int:
    """Check one submission, print the comparison, and write attestation and ledger. 1: it did not pass."""
    if rescore == (rerun is not None):
        raise UsageError("leaderboard verify: choose one of --rescore and --rerun K")
    if rerun is not None and not after:
        raise UsageError(
            "--rerun needs --after VALUE: a public value that was fixed after the submission, as a beacon's"
        )
    if rescore and after:
        raise UsageError("--after belongs to --rerun: rescoring looks at every cell")
    submitted, console = read_submitted(id, model), Console(highlight=False, soft_wrap=True)
    digest = submission_digest(submitted.folder)
    by = by or maintainer()
    _refuse_unwritable(submitted.folder, by, after)
    if rescore:
        place = Path(weights or Path(output) / submitted.suite.name / "cells")
        compared = list(_rescored(submitted, place, console))
    else:
        drawn = draws(digest, after or "", submitted.suite, rerun or 0)
        compared = _rerun(submitted, drawn, Path(output), workers, console)
    console.print(_table(compared))
    host = describe(0.0, "cpu")
    attestation = Attestation(
        id=submitted.submission.id,
        digest=digest,
        kind="rescore" if rescore else "rerun",
        date=datetime.now(UTC).date().isoformat(),
        by=by,
        value=after,
        compared=compared,
        commit=host.commit,
        machine=host.machine,
        versions=host.versions,
    )
    return _attested(submitted, attestation, console)


def _rescored(submitted: Submitted, place: Path, console: Console) -> Iterator[Compared]:
    """Every finished record scored again, from weights whose digests are the submitted ones."""
    _refuse_other_weights(submitted, place)
    for official in submitted.suite.cells:
        console.print(f"{official.key}: scored again")
        for record in submitted.records[official.key]:
            if record.status != "ok":
                continue
            try:
                again = rescored(_here(record, submitted), place / record.id)
            except ValueError as error:
                raise UsageError(str(error)) from None
            before, found = (raw_score(official, each, submitted.suite) for each in (record, again))
            assert before is not None
            assert found is not None
            allowed = rescoring_allowance(official, record, submitted.suite)
            far = apart(record, again, submitted.suite)
            yield Compared(
                cell=official.key, seed=record.cell.seed, submitted=before, found=found, apart=far, allowed=allowed,
                passed=far <= allowed,
            )  # fmt: skip


def _refuse_other_weights(submitted: Submitted, place: Path) -> None:
    """Before anything is scored. Raises UsageError where weights are missing, or not those submitted."""
    for records in submitted.records.values():
        for record in records:
            try:
                found = digests(record, place / record.id)
            except ValueError as error:
                raise UsageError(str(error)) from None
            if found != submitted.submission.weights.get(record.id, {}):
                raise UsageError(f"{place / record.id}: not the weights that were submitted: their digests differ")


def _here(record: Record, submitted: Submitted) -> Record:
    """The record with its model where it lies on this machine."""
    return record.model_copy(update={"cell": record.cell.model_copy(update={"model": submitted.model})})


def _rerun(
    submitted: Submitted, drawn: Sequence[Draw], output: Path, workers: int | None, console: Console
) -> list[Compared]:
    """The drawn cells trained with fresh seeds; none may be worse than the submitted seeds allow."""
    cells = [cell_of(submitted, draw.official, draw.seed) for draw in drawn]
    name = submitted.submission.id
    options = RunOptions(output / "verify" / name, "disabled", "verify")
    records, _ = finish(
        console, cells, options, Manner(workers=workers), f"{name}: {len(cells)} cells with fresh seeds"
    )
    compared = []
    for draw, record in zip(drawn, records, strict=True):
        own = [raw_score(draw.official, each, submitted.suite) for each in submitted.records[draw.official.key]]
        finished = [score for score in own if score is not None]
        found = raw_score(draw.official, record, submitted.suite)
        allowed = allowance(draw.official, max(1, len(finished)), len(drawn))
        short = shortfall(draw.official, finished, found) if finished and found is not None else None
        compared.append(
            Compared(
                cell=draw.official.key,
                seed=draw.seed,
                submitted=sum(finished) / len(finished) if finished else None,
                found=found,
                apart=short,
                allowed=allowed,
                passed=not finished or (short is not None and short <= allowed),
            )
        )
    return compared


def _table(compared: Sequence[Compared]) -> Table:
    table = Table("cell", "seed", "submitted", "found", "apart", "allowed", "", box=None, pad_edge=False)
    for each in compared:
        figures = (each.submitted, each.found, each.apart, each.allowed)
        shown = ("–" if figure is None else f"{figure:.4f}" for figure in figures)
        table.add_row(each.cell, str(each.seed), *shown, "pass" if each.passed else "FAIL")
    return table


def _attested(submitted: Submitted, attestation: Attestation, console: Console) -> int:
    """Write the attestation, then the event that names it."""
    board = board_of(submitted.folder)
    n, failed = len(attestation.compared), [each for each in attestation.compared if not each.passed]
    path, sha256 = write_attestation(attestation, board / "attestations")
    done = "rescored" if attestation.kind == "rescore" else "rerun"
    note = f"{attestation.kind}: {n - len(failed)} of {n} passed" + (f", not {failed[0].cell}" if failed else "")
    event = "disputed" if failed else done
    entry = append(attestation.id, attestation.digest, event, attestation.by, note, sha256, board / "ledger.jsonl")
    console.print(f"{attestation.id}: {entry.event} ({note}), line {entry.number} of the ledger; {path}")
    return 1 if failed else 0


def withdraw(id: str, note: str, by: str | None = None) -> int:
    """Take a submission off the ranking for good; it stays to be seen."""
    folder, by = folder_of(id), by or maintainer()
    _refuse_unwritable(folder, by, note)
    ledger, digest = board_of(folder) / "ledger.jsonl", submission_digest(folder)
    entry = append(folder.resolve().name, digest, "withdrawn", by, note, path=ledger)
    Console(highlight=False, soft_wrap=True).print(f"{entry.id}: withdrawn, line {entry.number} of the ledger")
    return 0


def _refuse_unwritable(submission: Path, *texts: str | None) -> None:
    """Before any work. Raises UsageError where the ledger is damaged, or could not hold these texts."""
    try:
        read_ledger(board_of(submission) / "ledger.jsonl")
        refuse_unreadable(*texts)
    except ValueError as error:
        raise UsageError(str(error)) from None


def board_of(submission: Path) -> Path:
    """The folder that holds submissions/, ledger.jsonl and attestations/."""
    return submission.resolve().parents[1]


def maintainer() -> str:
    """Who is at work, as git knows them."""
    git = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False).stdout.strip()
    return git or f"{getpass.getuser()} on {platform.node()}"
