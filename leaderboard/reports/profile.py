"""One trained model's profile: which records it is made of, every curve they hold, and why one is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from leaderboard.groups import Group, group
from leaderboard.record import Record
from leaderboard.statistics.audit import Verdict, audit_verdict
from leaderboard.statistics.bits import document_sums, kept_blocks, losses_of
from leaderboard.statistics.context import ContextCurve, context_curve
from leaderboard.statistics.curves import Array, finished
from leaderboard.statistics.gradient import Profile, gradient_profile
from leaderboard.statistics.influence import InfluenceCurve, faint_span, influence_curve, mass_span
from leaderboard.statistics.simultaneous import simultaneous
from leaderboard.statistics.spans import Span, failures

PANELS = {  # name and, after a colon, what is drawn
    "recall": "recall s(ℓ): of what lies ℓ back",
    "context": "loss L(c): bits per byte given the last c alone; × L(T) + R(c), before c another text",
    "gain": "gain G(c): L(c/2) − L(c), bits per byte",
    "influence": "influence I(ℓ): √KL when what lies ℓ back is changed",
    "gradient": "gradient J(ℓ): E‖∂ loss / ∂ input ℓ back‖",
    "gates": "forget gates: their product over ℓ steps",
}


@dataclass(frozen=True)
class Line:
    """All that the seeds of one cell left behind; what was not measured is None. `name` is unique in a profile."""

    name: str
    group: Group

    @property
    def records(self) -> Sequence[Record]:
        """Its seeds."""
        return self.group.records

    @property
    def regime(self) -> str:
        """Learn, retain or language."""
        return self.group.measure.regime

    @property
    def unit(self) -> str:
        """What its own lags are counted in."""
        return next((r.facts.lag_unit for r in [*finished(self.records), *self.records] if r.facts), "steps")

    @property
    def scale(self) -> float:
        """How many bytes one unit of its lags has; 1 where lags are bytes, steps or lengths already."""
        return (self.group.bytes_per_token or 1.0) if self.unit == "tokens" else 1.0

    @property
    def bound(self) -> float | None:
        """The receptive field in bytes, or steps."""
        field = next((r.facts.receptive_field for r in finished(self.records) if r.facts), None)
        return None if field is None else field * (self.group.bytes_per_token or 1.0)

    @cached_property
    def context(self) -> ContextCurve | None:
        """L(c) and G(c)."""
        curve = context_curve(self.records) if self.regime == "language" else None
        return curve if curve is not None and curve.n_blocks else None

    @cached_property
    def margins(self) -> Array | None:
        """Half-widths (K,) of L(c) that hold at all contexts at once, over documents and seeds."""
        ok = finished(self.records)
        if self.context is None or ok[0].blocks is None:
            return None
        kept = kept_blocks(ok)
        sums = [document_sums([losses_of(r, c) for c in self.context.contexts], ok[0].blocks, kept) for r in ok]
        return simultaneous(np.array([bits for bits, _ in sums]), sums[0][1])[2]

    @cached_property
    def influence(self) -> InfluenceCurve | None:
        """I(ℓ)."""
        return influence_curve(self.records)

    @cached_property
    def faint(self) -> Span:
        """The last lag above 1% of the greatest influence."""
        return faint_span(self.records)

    @cached_property
    def mass(self) -> Span:
        """The lag within which 95% of the influence lies."""
        return mass_span(self.records)

    @cached_property
    def gradient(self) -> Profile | None:
        """J(ℓ) before and after training, and the gates."""
        return gradient_profile(self.records)

    @cached_property
    def audit(self) -> Verdict | None:
        """Whether what recalls is a memory."""
        return audit_verdict(self.records)

    def has(self, panel: str) -> bool:
        """Whether there is anything to draw in a panel."""
        if panel == "recall":
            return self.regime != "language" and bool(finished(self.records))
        if panel == "gain":
            return self.context is not None and bool(self.context.gain_contexts)
        if panel == "gates":
            return self.gradient is not None and self.gradient.gates is not None
        return getattr(self, panel) is not None

    def basis(self, panel: str) -> str:
        """`3 seeds, 251 documents; failed 1/4`: what a panel's numbers rest on."""
        measured = getattr(self, {"gain": "context", "gates": "gradient"}.get(panel, panel), None)
        n = measured.n_seeds if measured is not None else len(finished(self.records))
        counts = [f"{n} seed{'s' * (n != 1)}"]
        if measured is not None:
            counts.append(f"{measured.n_documents} {'documents' if self.unit == 'bytes' else 'examples'}")
        lost = [sum(r.status == status for r in self.records) for status in ("diverged", "failed")]
        return "; ".join([", ".join(counts), *failures(len(finished(self.records)), *lost)])


def choose(
    records: Sequence[Record], model: str | None = None, tokenizer: str | None = None, corpus: str | None = None
) -> list[Record]:
    """The records of one model, one tokenizer ("none" for synthetic tasks) and one corpus.

    Raises ValueError where there are several to choose from, or no such one, naming them.
    """
    digests: dict[str, set[str]] = {}
    for given in (r.cell.corpus for r in records):
        if given:
            digests.setdefault(given.digest, set()).add(given.name)

    def named(record: Record, what: str) -> str:
        if what == "corpus" and record.cell.corpus:  # a corpus is its text, whatever it was called
            digest = record.cell.corpus.digest
            first = min(digests[digest])
            return first if sum(first in names for names in digests.values()) == 1 else f"{first}:{digest[:8]}"
        part = getattr(record.cell, what)
        return part.name if part else "none"

    found, plurals = list(records), {"model": "models", "tokenizer": "tokenizers", "corpus": "corpora"}
    for what, asked in {"model": model, "tokenizer": tokenizer, "corpus": corpus}.items():
        choices = sorted({named(r, what) for r in found})
        if asked is None and len(choices) > 1:
            raise ValueError(f"{len(choices)} {plurals[what]} here: choose one with --{what}: {', '.join(choices)}")
        if asked is not None and asked not in choices:
            raise ValueError(f'no {what} "{asked}" here: choose from {", ".join(choices) or "none"}')
        found = [r for r in found if asked is None or named(r, what) == asked]
    return found


def lines_of(records: Sequence[Record]) -> list[Line]:
    """A line for each cell, seeds together, named by what is asked (and, of several models, by what differs).

    Raises ValueError where nothing has finished.
    """
    if not finished(records):
        said = "; ".join(dict.fromkeys(f"{r.cell.regime} {r.cell.task.name} {r.status}: {r.reason}" for r in records))
        raise ValueError(f"nothing has finished: {said}")
    groups = group(records)
    panels = [g.measure.panel for g in groups]
    differs = [g.model.removeprefix(g.records[0].cell.model.name) for g in groups]
    names = [panel + how * (panels.count(panel) > 1) for panel, how in zip(panels, differs, strict=True)]
    return [Line(name, found) for name, found in zip(names, groups, strict=True)]


def missing(lines: Sequence[Line], panel: str) -> str | None:
    """Why no line has anything to draw in a panel, in one line; None where some has."""
    if any(line.has(panel) for line in lines):
        return None
    measure = {"gain": "context", "gates": "gradient"}.get(panel, panel)
    if panel == "gates" and missing(lines, "gradient") is None:
        return "no forget gates in this model"
    for record in (r for line in lines for r in finished(line.records)):
        for skipped in record.skipped:
            if skipped.measure == measure:
                return f"not measured: {skipped.reason}"
    if panel == "recall":
        return "s(ℓ) is asked of recall tasks; this is text to predict"
    if panel == "gain" and missing(lines, "context") is None:
        return "not measured: no context was scored beside its half"
    language = [line for line in lines if line.regime == "language"]
    if measure == "context":
        return "not measured: no block was scored" if language else "L(c) is asked of text to predict (--task language)"
    if all(line.regime == "learn" for line in lines):
        return "not measured: a learn cell trains a model a lag"
    asked = any(measure in line.records[0].cell.measures for line in lines)
    return "not measured" if asked else "not measured: left out by --measures"
