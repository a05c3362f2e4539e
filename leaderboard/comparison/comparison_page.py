"""A comparison as one page: HTML that asks the network for nothing."""

from collections.abc import Iterable

from leaderboard.comparison.cautions import cautions
from leaderboard.comparison.compared import Comparison
from leaderboard.comparison.comparison_tables import sheets
from leaderboard.comparison.findings import findings, open_questions
from leaderboard.record import Record
from leaderboard.reports.page import inline, template
from leaderboard.reports.tables import MARKS

Fact = tuple[str, list[str]]


def page(found: Comparison, title: str, svg: bytes | None) -> str:
    """index.html. Every name in it is escaped; `svg` is the figure, put inline."""
    return template("page.html").render(
        title=title,
        arm=found.arm,
        findings=findings(found),
        questions=open_questions(found),
        cautions=cautions(found),
        figure=inline(svg) if svg else None,
        sheets=sheets(found),
        marks=MARKS.replace("`", ""),
        facts=provenance(found),
    )


def provenance(found: Comparison) -> list[Fact]:
    """What the numbers are made from: name, and a line for each thing."""
    records = found.records
    corpora = sorted({(c.name, c.digest) for r in records if (c := r.cell.corpus)})
    seeds = sorted({r.cell.seed for r in records})
    facts: list[Fact] = [
        ("records", [f"{len(records)} cells, seeds {', '.join(map(str, seeds))}, context fixed in {found.arm}"]),
        ("corpus", [f"{name}, sha256 {digest}" for name, digest in corpora]),
        ("splits", _splits(found)),
        ("tokenizers", [_tokenizer(found, name) for name in found.tokenizers]),
        ("models", _distinct(f"{r.cell.model.name}: {_part(r)}" for r in records)),
        ("budgets", _distinct(f"{r.cell.regime} {r.cell.task.name}: {_budget(r)}" for r in records)),
        ("code", _distinct(f"commit {r.host.commit}" if r.host.commit else "commit unknown" for r in records)),
        ("versions", _distinct(_versions(r.host.versions) for r in records)),
        ("devices", _distinct(r.host.device for r in records)),
    ]
    return [(name, lines) for name, lines in facts if any(lines)]


def _distinct(lines: Iterable[str]) -> list[str]:
    return sorted(set(lines) - {""})


def _splits(found: Comparison) -> list[str]:
    told = next((r.facts.splits for r in found.records if r.facts and r.facts.splits), {})
    return [f"{name}: {s.n_documents:,} documents, {s.n_bytes:,} bytes, sha256 {s.digest}" for name, s in told.items()]


def _tokenizer(found: Comparison, name: str) -> str:
    told = [r.facts for r in found.records if r.facts and r.cell.tokenizer and r.cell.tokenizer.name == name]
    kappa = f", {found.kappa[name]:.3f} bytes per token" if name in found.kappa else ""
    size = next((f", {facts.vocab_size:,} ids" for facts in told if facts.vocab_size), "")
    digests = _distinct(f"sha256 {facts.tokenizer_digest}" for facts in told if facts.tokenizer_digest)
    return ", ".join([f"{name}{size}{kappa}", *digests])


def _part(record: Record) -> str:
    options = ", ".join(f"{key}={value}" for key, value in sorted(record.cell.model.init_args.items()))
    return f"{record.cell.model.class_path}({options})"


def _budget(record: Record) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in record.cell.budget.model_dump().items())


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
