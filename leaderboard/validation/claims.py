"""What a submission claims follows from its records, and its records are nobody else's."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from leaderboard.record import Record
from leaderboard.scores import mean_score, raw_score
from leaderboard.suite import Suite
from leaderboard.validation.against_suite import Problem
from leaderboard.validation.findings import Refused
from leaderboard.validation.folder import MAIN, MAX_FILE
from leaderboard.validation.strict_json import parse
from leaderboard.validation.submission import Claim, Submission

EXACT = 1e-9  # relative: another order of summation


def claims_of(records: Mapping[str, Sequence[Record]], suite: Suite) -> list[Claim]:
    """Every cell's scores, from the records of its seeds."""
    found = []
    for official in suite.cells:
        seeds = [raw_score(official, record, suite) for record in records[official.key]]
        found.append(Claim(cell=official.key, seeds=seeds, score=mean_score(seeds)))
    return found


def claim_problems(submission: Submission, records: Mapping[str, Sequence[Record]], suite: Suite) -> Iterator[Problem]:
    """Aggregates are recomputed; what is stated must be what comes out."""
    ours = claims_of(records, suite)
    if [claim.cell for claim in submission.claims] != [claim.cell for claim in ours]:
        yield "claims", "expected the cells of the suite, in its order"
        return
    for number, (claim, own) in enumerate(zip(submission.claims, ours, strict=True)):
        stated, computed = [*claim.seeds, claim.score], [*own.seeds, own.score]
        if len(stated) != len(computed) or not all(map(_same, stated, computed)):
            yield f"claims.{number}", f"expected what the sums of {own.cell} give, {_told(own)}, got {_told(claim)}"


def _same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else math.isclose(a, b, rel_tol=EXACT, abs_tol=EXACT)


def _told(claim: Claim) -> str:
    return ", ".join("none" if score is None else f"{score:.6g}" for score in [*claim.seeds, claim.score])


def weights_problems(submission: Submission, records: Mapping[str, Sequence[Record]]) -> Iterator[Problem]:
    """Digests of the weights of every training that came to an end, and of no other; no two the same."""
    due = {record.id: set(weights_files(record)) for each in records.values() for record in each}
    due = {key: names for key, names in due.items() if names}
    for key in sorted(due.keys() | submission.weights.keys()):
        found = set(submission.weights.get(key, {}))
        if found != due.get(key, set()):
            yield f"weights.{key[:40]}", f"expected {', '.join(sorted(due.get(key, {'nothing'})))}"
    digests = [digest for names in submission.weights.values() for digest in names.values()]
    if len(set(digests)) < len(digests):
        yield "weights", "expected no two files of weights to be the same"


def weights_files(record: Record) -> list[str]:
    """The files of weights that a finished record's trainings left; of one that did not finish, none is needed."""
    if record.status != "ok":
        return []
    if record.cell.regime == "learn":
        return [f"weights-{outcome.lag}.safetensors" for outcome in record.curve]
    return ["weights.safetensors"]


def copies(submission: Submission, records: Mapping[str, Sequence[Record]], folder: Path) -> Iterator[Problem]:
    """Measurements or weights that another submission beside this one has too."""
    weights = {digest for names in submission.weights.values() for digest in names.values()}
    for path in sorted(folder.parent.glob(f"*/{MAIN}")):
        if path.parent.name == folder.name or path.is_symlink() or path.parent.is_symlink():
            continue
        other = _raw(path)
        if not isinstance(other, dict):
            continue
        theirs = {digest for names in _values(other.get("weights")) for digest in _values(names)}
        if weights & {digest for digest in theirs if isinstance(digest, str)}:
            yield "weights", f"expected weights of its own, {path.parent.name} has some of them"
        yield from _copied_records(records, path.parent)


def _copied_records(records: Mapping[str, Sequence[Record]], other: Path) -> Iterator[Problem]:
    """Losses have many digits: no two trainings agree in all of them."""
    for key, mine in records.items():
        own = {tuple(losses.nats) for record in mine for losses in record.losses if not losses.foreign}
        path = other / "cells" / f"{key}.json"
        found = _raw(path) if own and path.is_file() and not path.is_symlink() else None
        if not isinstance(found, dict):
            continue
        rows = (losses for record in found.get("records", []) for losses in record.get("losses", []))
        if any(tuple(losses.get("nats", [])) in own for losses in rows):
            yield "cells", f"expected measurements of its own, {other.name} has the losses of {key} too"


def _raw(path: Path) -> Any:
    """A neighbour's file; None where it is none of ours to judge: it has findings of its own."""
    if path.stat().st_size > MAX_FILE:
        return None
    try:
        return parse(path.read_bytes())
    except Refused:
        return None


def _values(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, dict) else []
