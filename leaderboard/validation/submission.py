"""What a submission is made of: `submission.json`, and for every official cell the records of its seeds."""

import hashlib
import re
from datetime import date as Date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from leaderboard.cell import NonNegative, NotTruth, Part, Strict
from leaderboard.record import Record

ID = r"[a-z0-9][a-z0-9-]{2,79}"
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+()-]*( [A-Za-z0-9._+()-]+)*$", max_length=40)
]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,20}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}\+?$")]


def _day(text: str) -> str:
    Date.fromisoformat(text)
    return text


Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
Contact = Annotated[
    str,
    StringConstraints(
        pattern=r"^(@[A-Za-z0-9][A-Za-z0-9-]{0,38}|[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)$",
        max_length=120,
    ),
]
Link = Annotated[
    str,
    StringConstraints(
        pattern=r"^https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/[A-Za-z0-9._~%+@/-]*)?(\?[A-Za-z0-9._~%+=&-]*)?(#[A-Za-z0-9._~-]*)?$",
        max_length=200,
    ),
]
Family = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z -]{0,29}$")]


class Claim(Strict):
    """A raw score in one cell: recall scores or bits per byte, a seed each in the order of the suite (None: none)."""

    cell: str
    seeds: list[NonNegative | None]
    score: NonNegative | None  # their mean; None unless every seed has one


class Submission(Strict):
    """`submission.json`: who submits what, and what it claims; every claim follows from the records beside it.

    Attributes:
        id: the folder's name, `submission_id` of the name and the records
        model: as it was built; a class outside the suite by its file's name alone
        source: sha256 of the file that the class stands in
        weights: sha256 of each file of weights, by record and file name
        argv: the words after `spanbench submit`, without places on the submitter's machine
    """

    schema_version: Annotated[Literal[1], NotTruth] = 1
    id: Annotated[str, StringConstraints(pattern=f"^{ID}$")]
    suite: Word
    revision: PositiveInt
    name: Name
    contact: Contact
    link: Link | None = None
    family: Family
    date: Day
    model: Part
    source: Digest
    commit: Commit | None
    argv: Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=50)]
    weights: dict[str, dict[str, Digest]]
    claims: list[Claim]


class Seeds(Strict):
    """`cells/KEY.json`: the records of one official cell, in the order of the registered seeds."""

    schema_version: Annotated[Literal[1], NotTruth] = 1
    cell: str
    records: list[Record] = Field(min_length=1)


def submission_id(name: str, records: list[Record]) -> str:
    """`gru-1f9a02c4`: the name, and what was run. A record's id covers its model, its source and its options."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    ran = "\n".join(sorted(record.id for record in records))
    return f"{plain}-{hashlib.sha256(ran.encode()).hexdigest()[:8]}"
