"""Where a row comes from: digests, versions, machines, what failed and why, and the events of the ledger."""

import hashlib
import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from leaderboard.ranking.entrants import Entrant
from leaderboard.ranking.ledger import Entry
from leaderboard.ranking.wording import amount, duration
from leaderboard.record import Record

Fact = tuple[str, list[str]]  # name, and a line for each thing


@dataclass(frozen=True)
class Lost:
    """A training that did not finish."""

    title: str
    seed: int
    status: str
    reason: str


@dataclass(frozen=True)
class Attested:
    """An event of the ledger; `file` is its attestation's place in the site, None where that is not to be had."""

    entry: Entry
    file: str | None


def facts(entrant: Entrant) -> list[Fact]:
    """What was run, on what data and on what machine, a line for each thing."""
    submission, records = entrant.submission, entrant.every_record
    part = submission.model
    options = ", ".join(f"{key}={json.dumps(value)}" for key, value in sorted(part.init_args.items()))
    rates = _distinct(f"{record.cell.budget.lr:g}" for record in records)
    found: list[Fact] = [
        ("model", [f"{part.class_path}({options})", f"peak learning rate {', '.join(rates)}"]),
        ("source", [f"sha256 {submission.source}"]),
        ("commit", _distinct(record.host.commit or "unknown" for record in records)),
        ("corpus", _distinct(f"{c.name}, sha256 {c.digest}" for record in records if (c := record.cell.corpus))),
        ("splits", _distinct(line for record in records for line in _splits(record))),
        ("tokenizers", _distinct(line for record in records for line in _tokenizer(record))),
        ("versions", _distinct(_versions(record) for record in records)),
        ("hardware", _distinct(f"{record.host.device} on {record.host.machine}" for record in records)),
        ("finished", _range([record.host.finished for record in records])),
        ("spent", [f"{duration(entrant.seconds)} in all, at most {_most(records)} at once"]),
        ("submission", [f"sha256 {entrant.digest}"]),
    ]
    return [(name, lines) for name, lines in found if any(lines)]


def _distinct(lines: Iterable[str]) -> list[str]:
    return sorted(set(lines))


def _splits(record: Record) -> list[str]:
    told = (record.facts.splits if record.facts else None) or {}
    return [f"{name}: {s.n_documents:,} documents, {s.n_bytes:,} bytes, sha256 {s.digest}" for name, s in told.items()]


def _tokenizer(record: Record) -> list[str]:
    facts, tokenizer = record.facts, record.cell.tokenizer
    if facts is None or tokenizer is None:
        return []
    kappa = f", {facts.bytes_per_token:.3f} bytes per token" if facts.bytes_per_token else ""
    digest = f", sha256 {facts.tokenizer_digest}" if facts.tokenizer_digest else ""
    return [f"{tokenizer.name}{kappa}{digest}"]


def _versions(record: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(record.host.versions.items()))


def _range(times: list[str]) -> list[str]:
    return [" to ".join(dict.fromkeys((min(times), max(times))))]


def _most(records: list[Record]) -> str:
    return f"{amount(max(record.host.peak_bytes for record in records))}B of memory"


def lost(entrant: Entrant) -> list[Lost]:
    """Every training that diverged or failed, with its reason."""
    return [
        Lost(official.title, record.cell.seed, record.status, record.reason or "no reason given")
        for official in entrant.suite.cells
        for record in entrant.records[official.key]
        if record.status != "ok"
    ]


def weights(entrant: Entrant) -> list[tuple[str, int, str, str]]:
    """Cell, seed, file and sha256 of all weights."""
    return [
        (official.title, record.cell.seed, file, digest)
        for official in entrant.suite.cells
        for record in entrant.records[official.key]
        for file, digest in sorted(entrant.submission.weights.get(record.id, {}).items())
    ]


def command(entrant: Entrant) -> str:
    """What was typed to make the submission."""
    return shlex.join(["spanbench", "submit", *entrant.submission.argv])


def attested(entrant: Entrant, folder: Path) -> tuple[list[Attested], dict[str, bytes]]:
    """The events with their attestations, and the files of those that lie in `folder`/ID, by their place in the site.

    A file is found by the digest that the ledger holds.
    """
    files = {}
    for path in sorted((folder / entrant.id).glob("*.json")):
        data = path.read_bytes()
        files[hashlib.sha256(data).hexdigest()] = (f"attestations/{entrant.id}/{path.name}", data)
    events, copied = [], {}
    for entry in entrant.events:
        name, data = files.get(entry.attestation or "", (None, b""))
        events.append(Attested(entry, name))
        copied |= {} if name is None else {name: data}
    return events, copied
