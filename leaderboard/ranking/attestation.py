"""What a maintainer checked of a submission, and what was found: a file that the ledger names by its digest."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from leaderboard.cell import NonNegative, Strict
from leaderboard.record import write_atomically
from leaderboard.validation.submission import Day, Digest

ATTESTATIONS = Path(__file__).parent.parent / "attestations"


class Compared(Strict):
    """One cell: what was submitted and what was found, both raw scores, and whether they are near enough.

    `apart` may be `allowed` at most. Of a rerun it is how much worse the new seed is than the mean submitted; of a
    rescoring how far apart all figures of the record are, be they part of the score or not.
    """

    cell: str
    seed: NonNegativeInt
    submitted: float | None  # None: no seed finished
    found: float | None  # None: the run did not finish
    apart: float | None
    allowed: NonNegative
    passed: bool


class Attestation(Strict):
    """One verification. `value` is the public value that chose the cells of a rerun."""

    schema_version: Literal[1] = 1
    id: str
    digest: Digest
    kind: Literal["rescore", "rerun"]
    date: Day
    by: str
    value: str | None
    compared: list[Compared]
    commit: str | None
    machine: str
    versions: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every cell did."""
        return all(each.passed for each in self.compared)


def write_attestation(attestation: Attestation, folder: Path = ATTESTATIONS) -> tuple[Path, str]:
    """Write it under its date and kind, never over another one; its path and its sha256."""
    data = (attestation.model_dump_json(indent=1) + "\n").encode()
    stem = f"{attestation.date}-{attestation.kind}"
    place, number = folder / attestation.id, 1
    while (path := place / f"{stem}{f'-{number}' * (number > 1)}.json").exists():
        number += 1
    write_atomically(path, data)
    return path, hashlib.sha256(data).hexdigest()
