"""The ledger: what maintainers did with submissions, a line an event, never changed and never removed.

Every line holds the digest of the one before, so that a line cannot be altered without all that follow showing it.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt, ValidationError

from leaderboard.cell import Strict
from leaderboard.record import write_atomically
from leaderboard.validation.findings import Refused
from leaderboard.validation.strict_json import parse
from leaderboard.validation.submission import Day, Digest

LEDGER = Path(__file__).parent.parent / "ledger.jsonl"
Event = Literal["rescored", "rerun", "disputed", "withdrawn"]
Tier = Literal["self-reported", "rescored", "rerun", "disputed", "withdrawn"]
FIRST = "0" * 64  # the digest before the first line
HEIGHT: dict[str, int] = {"self-reported": 0, "rescored": 1, "rerun": 2}
UNRANKED = ("disputed", "withdrawn")


class Entry(Strict):
    """One event. `digest` is that of the submission as it was then, `attestation` that of the file that tells more."""

    number: PositiveInt
    previous: Digest
    date: Day
    id: str
    digest: Digest
    event: Event
    by: str
    note: str
    attestation: Digest | None = None

    def line(self) -> bytes:
        """As it stands in the file."""
        return self.model_dump_json().encode() + b"\n"


def read_ledger(path: Path = LEDGER) -> list[Entry]:
    """Every entry, oldest first; none where there is no file. Raises ValueError where a line is not what it was."""
    if not path.exists():
        return []
    entries: list[Entry] = []
    previous = FIRST
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        raise ValueError(f"{path}: the last line is cut off")
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        try:
            parse(line)
            entry = Entry.model_validate_json(line)
        except (Refused, ValidationError) as error:
            raise ValueError(f"{path}: line {number}: not an entry: {' '.join(str(error).split())[:200]}") from None
        if (entry.number, entry.previous) != (number, previous):
            raise ValueError(f"{path}: line {number}: does not follow the line before it: the ledger was altered")
        entries.append(entry)
        previous = hashlib.sha256(line).hexdigest()
    return entries


def append(
    id: str, digest: str, event: Event, by: str, note: str, attestation: str | None = None, path: Path = LEDGER
) -> Entry:
    """Add an event of today. Raises ValueError where the ledger is damaged, or could not be read again."""
    entries = read_ledger(path)
    previous = hashlib.sha256(entries[-1].line()).hexdigest() if entries else FIRST
    entry = Entry(
        number=len(entries) + 1,
        previous=previous,
        date=datetime.now(UTC).date().isoformat(),
        id=id,
        digest=digest,
        event=event,
        by=by,
        note=note,
        attestation=attestation,
    )
    refuse_unreadable(by, note)
    write_atomically(path, b"".join(each.line() for each in [*entries, entry]))
    return entry


def refuse_unreadable(*texts: str | None) -> None:
    """Raise ValueError for a text that strict JSON refuses: a long one, or one that does not show all it holds."""
    for text in texts:
        try:
            parse(json.dumps(text).encode())
        except Refused as error:
            raise ValueError(f"{error.expected}, which the ledger could not hold") from None


def tier(events: Sequence[Entry]) -> Tier:
    """What a submission has come to: the highest check passed, unless it was disputed or withdrawn since.

    A dispute ends with a check passed after it; a withdrawal does not end.
    """
    found: Tier = "self-reported"
    for entry in events:
        if found == "withdrawn":
            break
        if entry.event in UNRANKED or found == "disputed" or HEIGHT[entry.event] > HEIGHT[found]:
            found = entry.event
    return found


def submission_digest(folder: Path) -> str:
    """The sha256 over the names and contents of a submission's files."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*.json"))
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
