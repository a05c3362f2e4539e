"""The mechanism table: what else was measured of each trained model than the regime's own question."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from leaderboard.groups import Group
from leaderboard.protocol import EPSILON, EPSILON_CURVE, EPSILONS, FAINT, MASS
from leaderboard.reports.tables import coarse, pipes
from leaderboard.statistics.audit import audit_verdict
from leaderboard.statistics.context import read_span
from leaderboard.statistics.curves import finished
from leaderboard.statistics.gradient import gradient_profile
from leaderboard.statistics.influence import faint_span, influence_curve, mass_span

COLUMNS = {  # column: the measure that it comes from
    "context span": "context",
    f"influence to {100 * FAINT:g}%": "influence",
    f"{100 * MASS:g}% of its mass": "influence",
    "gradients after training": "gradient",
    "gradients before": "gradient",
    "memory audit": "audit",
}
NOTE = f"""\
Context span: the longest context whose last doubling still brings ε = {EPSILON:g} bits per byte, its interval that of \
simultaneous limits. Influence, √KL of a prediction when the past is changed at one lag: the last lag with \
{100 * FAINT:g}% of the greatest, and the lag within which {100 * MASS:g}% of the sum lies. Gradients of the loss by \
lag: exponential (ρ a token) or a power law (ℓ^−α); they grow in unstable dynamics and, after training, where a recall \
task is solved at short lags alone, since the loss grows. Audit of recall at T/4: memory, drift (lost when the source \
comes later: by a clock, or by holding only what comes first, which are the same where training never began otherwise) \
or fragile (lost in noise of the state's own size). n/a: does not apply."""


def mechanism_table(groups: Sequence[Group], blocked: Mapping[str, str]) -> str | None:
    """Context, influence, gradient and audit of each cell, as Markdown; None where none of them was measured.

    A measure in `blocked` failed its calibration: its columns say so and nothing else.
    """
    measured = [g for g in groups if any(r.cell.measures for r in g.records)]
    taken = {name for g in measured for r in g.records for name in r.cell.measures}
    columns = [column for column, measure in COLUMNS.items() if measure in taken]
    if not columns:
        return None
    rows = [[g.model, g.measure.label, *(_cell(g, column, blocked) for column in columns)] for g in measured]
    return pipes(["model", "measure", *columns], rows, names=2)


def _cell(group: Group, column: str, blocked: Mapping[str, str]) -> str:
    measure, records = COLUMNS[column], group.records
    if measure in blocked:
        return "blocked"
    if not any(measure in r.cell.measures for r in records):
        return "–"
    if any(skipped.measure == measure for r in records for skipped in r.skipped):
        return "n/a"
    if not finished(records):
        return "–"
    if column == "context span":
        return group.span.text(tokens=coarse(group))
    if measure == "influence":
        span = faint_span(records) if column.startswith("influence") else mass_span(records)
        curve = influence_curve(records)
        return span.text(tokens=coarse(group)) + ", reads ahead" * (curve is not None and curve.leaks)
    if measure == "gradient":
        profile = gradient_profile(records)
        told = profile and (profile.shape_after if column.endswith("training") else profile.shape_before)
        return told.text() if told else "–"
    verdict = audit_verdict(records)
    return verdict.text() if verdict else "–"


def mechanism_lines(group: Group) -> list[str]:
    """One cell's, a line a figure; what does not apply with its reason."""
    taken = {name for r in group.records for name in r.cell.measures}
    said = [f"{column}: {_cell(group, column, {})}" for column, measure in COLUMNS.items() if measure in taken]
    return [line for line in said if not line.endswith(("n/a", "–"))] + skipped_notes([group])


def skipped_notes(groups: Sequence[Group]) -> list[str]:
    """Why measures do not apply, a sentence each."""
    found = defaultdict[tuple[str, str], set[str]](set)
    for panel, skipped in ((g.measure.panel, each) for g in groups for r in g.records for each in r.skipped):
        found[panel, skipped.reason].add(skipped.measure)
    return [
        f"{', '.join(sorted(those))}: not applicable to {panel}: {reason}."
        for (panel, reason), those in sorted(found.items())
    ]


def mechanism_rows(groups: Sequence[Group], blocked: Mapping[str, str]) -> list[dict[str, object]]:
    """Every number of the mechanism table, and the context span for every ε of the protocol, a line each, for CSV."""
    figures = (_context_figures, _influence_figures, _gradient_figures, _audit_figures)
    named = zip(("context", "influence", "gradient", "audit"), figures, strict=True)
    parts = [part for measure, part in named if measure not in blocked]
    return [
        {"model": g.model, "measure": g.measure.label, "tokenizer": g.measure.tokenizer, "figure": name}
        | dict(zip(("value", "low", "high", "note"), (*rest, None, None, None), strict=False))
        for g in groups
        for part in parts
        for name, *rest in part(g)
    ]


Figure = tuple[object, ...]  # name, value and, where there are any, low, high and a note


def _context_figures(group: Group) -> Iterator[Figure]:
    if not (group.measure.is_language and group.has_span and finished(group.records)):
        return
    curve = group.context
    yield from ((f"bits_per_byte@{c}", bits) for c, bits in zip(curve.contexts, curve.bits.tolist(), strict=True))
    lows, highs = (np.full(len(curve.gains), np.nan) if each is None else each for each in (curve.lows, curve.highs))
    for context, *gain in zip(curve.gain_contexts, curve.gains, lows, highs, strict=True):
        yield f"gain@{context}", *(None if np.isnan(value) else float(value) for value in gain)
    yield from ((f"reliance@{each.context}", each.value, each.low, each.high) for each in curve.reliance)
    for epsilon in sorted({*EPSILONS, *EPSILON_CURVE}):
        span = read_span(curve, epsilon)
        yield f"context_span@{epsilon:.4g}", span.value, span.low, span.high, span.censor
    yield "drop_rate", curve.drop_rate


def _influence_figures(group: Group) -> Iterator[Figure]:
    curve = influence_curve(group.records)
    if curve is None:
        return
    for name, span in (("faint", faint_span(group.records)), ("mass", mass_span(group.records))):
        yield f"influence_{name}", span.value, span.low, span.high, span.censor
    yield "influence_leak", curve.leak, None, None, "leaks" if curve.leaks else None


def _gradient_figures(group: Group) -> Iterator[Figure]:
    profile = gradient_profile(group.records)
    if profile is None:
        return
    for when, shape in (("before", profile.shape_before), ("after", profile.shape_after)):
        note = shape.name or shape.reason
        yield f"gradient_rho_{when}", shape.rho, shape.rho_low, shape.rho_high, note
        yield f"gradient_alpha_{when}", shape.alpha, shape.alpha_low, shape.alpha_high, note


def _audit_figures(group: Group) -> Iterator[Figure]:
    verdict = audit_verdict(group.records)
    if verdict is not None:
        yield "audit", verdict.s, None, None, verdict.text()
