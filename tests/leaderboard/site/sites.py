"""Entrants for the tests of the site: of every tier, some with lost seeds, one whose words are hostile."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from leaderboard.ranking.entrants import Entrant
from leaderboard.ranking.ledger import Entry, Event, Tier
from leaderboard.suite import Suite
from tests.leaderboard.boards import ALL, entrants_of, model_named, records_of, tiny_suite, write_submission

SUITE = tiny_suite(ALL)
MODELS = [("Gru", 60.0, 2.9), ("Lstm", 45.0, 3.0), ("Tcn", 90.0, 2.8), ("Rnn", 9.0, 3.4), ("S4d", 120.0, 2.7)]
LOST = ["Failing", "Diverging", "Disputed", "Withdrawn"]
EVIL = """"><script>hit()</script><img src=x onerror=hit()><a href='javascript:hit()'>{{ 7*7 }}</a>"""
FORMULA = '=HYPERLINK("https://evil.example","x")'
ATTESTATION = b'{"found": "</script><script>hit()</script>"}\n'


def event(entrant: Entrant, kind: Event, note: str = "as found", attestation: str | None = None) -> Entrant:
    """With one event of the ledger; the tier is that of the event."""
    entry = Entry(
        number=1, previous="0" * 64, date="2026-03-01", id=entrant.id, digest=entrant.digest, event=kind,
        by="a maintainer", note=note, attestation=attestation,
    )  # fmt: skip
    tier: Tier = kind
    return replace(entrant, events=(entry,), tier=tier)


def hostile(entrant: Entrant) -> Entrant:
    """Words that no validation would let in, wherever a submission has words of its own."""
    changes = {"name": EVIL, "contact": EVIL, "link": f"javascript:hit()//{EVIL}", "family": FORMULA, "argv": [EVIL]}
    records = {
        key: [
            r.model_copy(update={"host": r.host.model_copy(update={"machine": EVIL, "versions": {EVIL: EVIL}})})
            for r in each
        ]
        for key, each in entrant.records.items()
    }
    return replace(entrant, submission=entrant.submission.model_copy(update=changes), records=records)


def _written(folder: Path, suite: Suite) -> list[Entrant]:
    lost = {"Failing": {("learn-planted-byte", 101): "failed"}, "Diverging": {("language-byte", 102): "diverged"}}
    for i, (name, span, bits) in enumerate([*MODELS, *((name, 50.0, 3.1) for name in LOST), ("Evil", 30.0, 3.2)]):
        records = records_of(suite, model_named(name), span, bits, lost.get(name))  # pyright: ignore
        changes = {"family": "convolution" if name == "Tcn" else "recurrence", "date": f"2026-02-{1 + i:02}"}
        write_submission(folder, suite, name, records, **changes)
    return entrants_of(folder, suite)


@cache
def entrants() -> tuple[Entrant, ...]:
    """Ten submissions to the suite."""
    with TemporaryDirectory() as folder:
        found = {entrant.submission.name: entrant for entrant in _written(Path(folder), SUITE)}
    found["Disputed"] = event(found["Disputed"], "disputed", f"does not reproduce {EVIL}")
    found["Withdrawn"] = event(found["Withdrawn"], "withdrawn", "by its author")
    found["Gru"] = event(found["Gru"], "rerun")
    found["Evil"] = hostile(found["Evil"])
    return tuple(found.values())


def of_revision(entrant: Entrant, revision: int) -> Entrant:
    """The same records as a submission to another revision."""
    suite = entrant.suite.model_copy(update={"revision": revision})
    changes = {"revision": revision, "id": f"{entrant.id}-again"}
    return replace(entrant, suite=suite, submission=entrant.submission.model_copy(update=changes))
