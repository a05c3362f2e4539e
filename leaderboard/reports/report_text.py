"""table.md: every table of a report with what explains it. The same records give the same bytes, in any order."""

from collections.abc import Mapping, Sequence

from leaderboard.calibration import MEASURES, Calibration
from leaderboard.groups import Group
from leaderboard.reports.bounds import left_out
from leaderboard.reports.granularity import text_panels
from leaderboard.reports.learning_cost import COSTS, cost_table
from leaderboard.reports.learning_rates import RATES, rates_table
from leaderboard.reports.mechanism import NOTE as MECHANISM
from leaderboard.reports.mechanism import mechanism_table, skipped_notes
from leaderboard.reports.tables import (
    BITS,
    MARKS,
    RANKING,
    chances,
    coarse,
    escaped,
    measures_of,
    pipes,
    recalled,
    score_rows,
    span_table,
    tested,
    tied_first,
)
from leaderboard.statistics.decomposition import SOURCES
from leaderboard.statistics.joint import NOTE, SHARES, joint_effect

ENDED = 40  # of the cells that did not finish


def markdown(groups: Sequence[Group], title: str, blocked: Mapping[str, str], calibrated: str) -> str:
    """Spans, scores, costs, what did not finish, rates, mechanism, joint effect; `calibrated`: what vouches for it."""
    parts = [f"# {escaped(title)}", *_spans(groups, blocked), *_scores(groups, blocked), *_costs(groups)]
    parts += [
        *_unfinished(groups),
        *_rates(groups),
        *_mechanism(groups, blocked),
        *_joint(groups, blocked),
        "## Calibration",
        escaped(calibrated),
    ]
    kept = "CSV files and figures keep what was measured"
    barred = (f"- {measure} is blocked: {escaped(reason)} ({kept})" for measure, reason in blocked.items())
    parts.append("\n".join(barred))
    return "\n\n".join(part for part in parts if part) + "\n"


def vouched(calibration: Calibration | None) -> str:
    """What the measures were held against."""
    if calibration is None:
        return "Not checked here: spanbench calibrate holds every measure against systems whose span is known."
    passed = sum(check.passed for check in calibration.checks)
    reduced = ", the reduced set" * calibration.reduced
    missing = [name for name in MEASURES if all(check.measure != name for check in calibration.checks)]
    return (
        f"Measures were held against systems whose span is known: {passed} of {len(calibration.checks)} checks passed"
        f"{reduced} (protocol revision {calibration.revision}, commit {calibration.commit or 'unknown'})."
        + (f" Not checked: {', '.join(missing)}." if missing else "")
    )


def _spans(groups: Sequence[Group], blocked: Mapping[str, str]) -> list[str]:
    recall = recalled(groups)
    shown = "A label ends in the tokenizer; lags in tokens stand in parentheses." if any(map(coarse, groups)) else ""
    said = f"{escaped(tested(groups) + chances(groups))} {shown}".strip()
    parts = ["## Spans" if recall else "## Bits per byte", pipes(*span_table(groups, blocked)), said]
    return [*parts, *[MARKS] * any(g.has_span for g in groups), *[BITS] * (len(recall) < len(groups)), left_out(groups)]


def _scores(groups: Sequence[Group], blocked: Mapping[str, str]) -> list[str]:
    if not recalled(groups) or "recall" in blocked:
        return []
    scores = pipes(["model", *(m.label for m in measures_of(recalled(groups)))], score_rows(groups))
    about = "Mean of s over the lags tested (retain: up to 4 T) with its 95% interval; s at the shortest lag."
    return ["## Recall scores", scores, about, RANKING, tied_first(groups)]


def _costs(groups: Sequence[Group]) -> list[str]:
    table = cost_table(groups)
    return ["## Sequences to learn each lag", table, COSTS] if table else []


def _unfinished(groups: Sequence[Group]) -> list[str]:
    """What failed or diverged, and why."""
    ended = [(g, r) for g in groups for r in g.records if r.status != "ok"]
    rows = [[g.model, g.measure.label, str(r.cell.seed), r.status, r.reason or ""] for g, r in ended[:ENDED]]
    table = pipes(["model", "measure", "seed", "status", "reason"], rows, names=5)
    more = f" {ENDED} of {len(ended)}: costs.csv has them all." * (len(ended) > ENDED)
    return ["## Not finished", table, f"In no mean and in no span.{more}"] if rows else []


def _rates(groups: Sequence[Group]) -> list[str]:
    table = rates_table(groups)
    return ["## Learning rates", table, RATES] if table else []


def _mechanism(groups: Sequence[Group], blocked: Mapping[str, str]) -> list[str]:
    table = mechanism_table(groups, blocked)
    return ["## Mechanism", table, MECHANISM, escaped(" ".join(skipped_notes(groups)))] if table else []


def _joint(groups: Sequence[Group], blocked: Mapping[str, str]) -> list[str]:
    """γ and shares of every span on text that was asked for at two granularities or more."""
    if "joint" in blocked:
        return ["## Joint effect", "Blocked."]
    open_ = [g for g in groups if ("context" if g.measure.is_language else "recall") not in blocked]
    found = {panel: joint_effect(members) for panel, members in text_panels(open_).items()}
    if not found:
        return []
    models = sorted({model for joint in found.values() for model in joint.elasticities})
    gammas = [
        [model, *(told.text() if (told := joint.elasticities.get(model)) else "–" for joint in found.values())]
        for model in models
    ]
    shares = [[panel, *row] for panel, joint in found.items() if (row := joint.share_row())]
    parts = ["## Joint effect", pipes(["model", *(f"γ, {panel}" for panel in found)], gammas), NOTE]
    return parts + ([pipes(["span", *SOURCES], shares), SHARES] if shares else [])
