"""What a submission is made of: `submission.json`, and for every official cell the records of its seeds."""

import hashlib
import re
from datetime import date as Date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from leaderboard.cell import NonNegative, Part, Strict, Whole
from leaderboard.record import Record

ID = r"[a-z0-9][a-z0-9-]{2,79}"
HEX = "[0-9a-f]"
HOST = r"([A-Za-z0-9-]+\.)+[A-Za-z]{2,24}"


def _like(pattern: str, expected: str, longest: int = 100) -> AfterValidator:
    """All of a text is as `pattern` has it; `expected` says so in words."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > longest or not compiled.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _day(text: str) -> str:
    Date.fromisoformat(text)
    return text


Digest = Annotated[str, _like(f"{HEX}{{64}}", "a sha256, 64 hex digits")]
Commit = Annotated[str, _like(rf"{HEX}{{40}}\+?", "40 hex digits, with + for uncommitted changes")]
Identifier = Annotated[str, _like(ID, "small letters, digits and hyphens, 3 to 80 of them")]
Word = Annotated[str, _like("[a-z]{1,20}", "small letters, at most 20")]
Name = Annotated[
    str,
    _like(
        r"[A-Za-z0-9][A-Za-z0-9._+()-]*( [A-Za-z0-9._+()-]+)*",
        "letters, digits, single spaces and . _ + ( ) -, at most 40, a letter or digit first",
        longest=40,
    ),
]
Day = Annotated[str, _like(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", "a day, as 2026-01-31"), AfterValidator(_day)]
Contact = Annotated[
    str,
    _like(
        rf"@[A-Za-z0-9][A-Za-z0-9-]{{0,38}}|[A-Za-z0-9._+-]{{1,64}}@{HOST}",
        "an e-mail address or @handle",
        longest=120,
    ),
]
Link = Annotated[
    str,
    _like(
        rf"https://(?!.*xn--){HOST}(/[A-Za-z0-9._~%+@/-]*)?(\?[A-Za-z0-9._~%+=&-]*)?(#[A-Za-z0-9._~-]*)?",
        "an https:// address: a host in plain letters, no user and no port, at most 200 characters",
        longest=200,
    ),
]
Family = Annotated[str, _like("[a-z][a-z -]{0,29}", "a few words in small letters, as state space")]


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

    schema_version: Annotated[Literal[1], Whole] = 1
    id: Identifier
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

    schema_version: Annotated[Literal[1], Whole] = 1
    cell: str
    records: list[Record] = Field(min_length=1)


def submission_id(name: str, records: list[Record]) -> str:
    """`gru-1f9a02c4`: the name, and what was run. A record's id covers its model, its source and its options."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    ran = "\n".join(sorted(record.id for record in records))
    return f"{plain}-{hashlib.sha256(ran.encode()).hexdigest()[:8]}"
