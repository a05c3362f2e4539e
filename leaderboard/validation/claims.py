"""What a submission claims follows from its records."""

import math
from collections.abc import Iterator, Mapping, Sequence

from leaderboard.record import Record
from leaderboard.scores import mean_score, raw_score
from leaderboard.suite import Suite
from leaderboard.validation.against_suite import Problem
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
