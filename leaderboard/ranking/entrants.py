"""The submissions of a folder, each validated, with what the ledger says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leaderboard.ranking.ledger import Entry, Tier, read_ledger, submission_digest, tier
from leaderboard.record import Record
from leaderboard.suite import Suite
from leaderboard.validation.submission import Submission
from leaderboard.validation.validate import Checked, ReadSuite, read_suite, validate

SUBMISSIONS = Path(__file__).parent.parent / "submissions"


@dataclass(frozen=True)
class Entrant:
    """A valid submission, its records by the key of their cell, and its events."""

    submission: Submission
    suite: Suite
    records: dict[str, list[Record]]
    digest: str
    events: tuple[Entry, ...]
    tier: Tier

    @property
    def id(self) -> str:
        """The submission's id: unique in a folder."""
        return self.submission.id

    @property
    def every_record(self) -> list[Record]:
        """All of them, in the suite's order."""
        return [record for official in self.suite.cells for record in self.records[official.key]]

    @property
    def seconds(self) -> float:
        """What all its cells took, on whatever machine."""
        return sum(record.host.seconds for record in self.every_record)

    @property
    def n_params(self) -> int:
        """Of the model itself."""
        return max((r.facts.n_params_non_embedding for r in self.every_record if r.facts), default=0)

    def flops_per_byte(self, key: str) -> float | None:
        """Of the forward pass in one cell, for each byte of text, or each step."""
        facts = next((record.facts for record in self.records[key] if record.facts), None)
        return None if facts is None else facts.flops_per_token / (facts.bytes_per_token or 1.0)


def read_entrants(
    folder: Path = SUBMISSIONS, ledger: Path | None = None, suites: ReadSuite = read_suite
) -> list[Entrant]:
    """Every submission of a folder, by id. Raises ValueError with the first finding, or what is wrong with the ledger.

    `ledger` is by default the file beside the folder.
    """
    checked = {path: validate(path, suites) for path in sorted(folder.iterdir()) if path.is_dir()}
    return gathered(checked, ledger or folder.parent / "ledger.jsonl")


def gathered(checked: Mapping[Path, Checked], ledger: Path) -> list[Entrant]:
    """Submissions that were validated, each with its events. Raises ValueError as `read_entrants` does."""
    entries = read_ledger(ledger)
    found = [_entrant(path, each, entries) for path, each in checked.items()]
    strangers = {entry.id for entry in entries} - {entrant.id for entrant in found}
    if strangers:
        raise ValueError(f"the ledger speaks of {', '.join(sorted(strangers))}, which is not there")
    names: dict[tuple[str, str], str] = {}
    for entrant in found:
        other = names.setdefault((entrant.suite.title, entrant.submission.name.casefold()), entrant.id)
        if other != entrant.id:
            raise ValueError(f"{other} and {entrant.id} have one name, {entrant.submission.name}: a row needs its own")
    return found


def _entrant(path: Path, checked: Checked, entries: list[Entry]) -> Entrant:
    if checked.findings:
        more = f" (and {len(checked.findings) - 1} more)" if len(checked.findings) > 1 else ""
        raise ValueError(f"{path.name}: {checked.findings[0].line()}{more}")
    assert checked.submission is not None
    assert checked.suite is not None
    digest = submission_digest(path)
    events = tuple(entry for entry in entries if entry.id == path.name)
    changed = next((entry for entry in events if entry.digest != digest), None)
    if changed:
        raise ValueError(f"{path.name}: has changed since line {changed.number} of the ledger, {changed.event}")
    return Entrant(checked.submission, checked.suite, checked.records, digest, events, tier(events))
