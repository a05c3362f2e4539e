"""Tables of spans: Markdown, long CSV, costs and a terminal's. The same records give the same bytes, in any order."""

import csv
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from leaderboard.groups import Group, Measure
from leaderboard.record import Record

Row = tuple[str, list[str]]

MARKS = """\
`64 [45, 91]`: the lag across which half the recall is kept (geometric mean over seeds) and its 95% interval; \
`> 512`: beyond the longest lag tested; `[91, ∞)`: at least 91, the interval reaches the end of the lags tested; \
`< 16`: below the shortest; `not learned`: chance even at the shortest lag; `*`: beyond T, the longest lag met in \
training; `(1 seed)`: a point without an interval, `≥` where it would be open; `diverged 1/3`, `failed 1/3`: seeds \
left out of the averages; `–`: not run."""
RANKING = """\
Models are ranked by the recall score, the mean over lags of s = (score - chance) / (1 - chance), averaged over the \
measures; a measure not run, or without a finished seed, counts as 0."""


def measures_of(groups: Iterable[Group]) -> list[Measure]:
    """The columns, in order."""
    return list(dict.fromkeys(g.measure for g in groups))


def ranked(groups: Sequence[Group]) -> list[tuple[str, float]]:
    """Models and their recall score averaged over all measures, best first, ties by name."""
    measures = measures_of(groups)
    models = sorted({g.model for g in groups})
    totals = {m: sum(g.span.recall or 0.0 for g in groups if g.model == m) / len(measures) for m in models}
    return sorted(totals.items(), key=lambda item: (-round(item[1], 12), item[0]))


def _header(measure: Measure, groups: Sequence[Group]) -> str:
    units = {g.span.unit for g in groups if g.measure == measure}
    if "none" in units:
        return f"{measure.label}, mean s over lengths"
    return f"{measure.label}, {'bytes' if 'bytes' in units else 'steps'}"


def _span_rows(groups: Sequence[Group]) -> list[Row]:
    measures = measures_of(groups)
    cells = {(g.model, g.measure): g.span.text(tokens=_coarse(g)) for g in groups}
    return [(m, [f"{score:.3f}", *(cells.get((m, k), "–") for k in measures)]) for m, score in ranked(groups)]


def _coarse(group: Group) -> bool:
    """Whether a token is more than a byte: then lags in tokens say something new."""
    return group.bytes_per_token is not None and group.bytes_per_token > 1


def _score_rows(groups: Sequence[Group]) -> list[Row]:
    measures = measures_of(groups)
    cells = {(g.model, g.measure): _score(g) for g in groups}
    return [(m, [cells.get((m, k), "–") for k in measures]) for m, _ in ranked(groups)]


def _score(group: Group) -> str:
    span = group.span
    if span.recall is None or span.s_first is None:
        return span.text()
    interval = "" if span.recall_low is None else f" [{span.recall_low:.2f}, {span.recall_high:.2f}]"
    return f"{span.recall:.2f}{interval}; {span.s_first:.2f} at {span.first_lag}"


def markdown(groups: Sequence[Group], title: str) -> str:
    """Spans, then recall scores, as Markdown tables with a caption that explains the marks."""
    measures = measures_of(groups)
    spans = _pipes(["model", "recall", *(_header(m, groups) for m in measures)], _span_rows(groups))
    scores = _pipes(["model", *(m.label for m in measures)], _score_rows(groups))
    shown = "A label ends in the tokenizer; lags in tokens stand in parentheses." if any(map(_coarse, groups)) else ""
    tested = f"{_escaped(_tested(groups) + _chances(groups))} {shown}".strip()
    parts = [f"# {_escaped(title)}", "## Spans", spans, tested, MARKS, "## Recall scores"]
    parts += [
        scores,
        "Mean of s over the lags tested (retain: up to 4 T) with its 95% interval; s at the shortest lag.",
    ]
    return "\n\n".join([*parts, RANKING]) + "\n"


def _tested(groups: Sequence[Group]) -> str:
    """How many seeds a cell has, and T for each kind of measure."""
    counts = sorted({len(g.records) for g in groups})
    seeds = f"{counts[0]}–{counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] > 1)}"
    horizons = {m.panel: f"{m.horizon}" for m in measures_of(groups)}
    return f"{seeds} a cell. T: " + ", ".join(f"{panel} {t}" for panel, t in sorted(horizons.items())) + "."


def _chances(groups: Sequence[Group]) -> str:
    """The score without the source, which s counts from, and the literature's baseline, which knows nothing at all."""
    facts = {g.measure.panel: r.facts for g in groups for r in g.records if r.facts}
    told = (f"{p} {f.metric} {f.chance:.3g} ({f.baseline:.3g})" for p, f in sorted(facts.items()))
    return f" Chance (and knowing nothing at all): {', '.join(told)}." if facts else ""


def _pipes(header: Sequence[str], rows: Iterable[Row]) -> str:
    lines = [[_escaped(h) for h in header], ["---"] * len(header)]
    lines += [[_escaped(model), *(cell.replace("*", r"\*") for cell in cells)] for model, cells in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(name: str) -> str:
    """A name that cannot leave its table cell, nor carry markup."""
    name = html.escape(" ".join(name.split()), quote=False)
    for mark in "\\`|*_[]":
        name = name.replace(mark, f"\\{mark}")
    return name


def terminal(groups: Sequence[Group], title: str) -> Table:
    """The spans for a terminal."""
    table = Table(title=Text(title), caption=Text(_tested(groups)))
    table.add_column("model", no_wrap=True)
    table.add_column("recall", justify="right")
    for measure in measures_of(groups):
        header = _header(measure, groups).replace(" ", "\n")
        table.add_column(Text(header), justify="right", overflow="fold")
    for model, cells in _span_rows(groups):
        table.add_row(Text(model), *(Text(cell) for cell in cells))
    return table


def _csv(rows: Sequence[dict[str, object]]) -> str:
    """Rows of equal keys as CSV; numbers to 6 significant digits, None as nothing."""

    def plain(value: object) -> object:
        return f"{value:.6g}" if isinstance(value, float | np.floating) else value

    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: plain(value) for key, value in row.items()} for row in rows)
    return file.getvalue()


def long_csv(groups: Sequence[Group]) -> str:
    """A line for each model and measure, with every number; no times and no host facts."""
    return _csv([_numbers(g) for g in groups])


def _numbers(group: Group) -> dict[str, object]:
    m, span = group.measure, group.span
    facts = next((r.facts for r in group.records if r.facts), None)
    kappa = group.bytes_per_token
    row: dict[str, object] = {"model": group.model, "measure": m.label, "regime": m.regime, "task": m.task}
    row |= {"tokenizer": m.tokenizer, "corpus": m.corpus, "lag_unit": span.unit, "T": m.horizon}
    row |= {"span": span.value, "span_low": span.low, "span_high": span.high, "censor": span.censor}
    row |= {"extrapolated": span.extrapolated, "span_tokens": span.tokens, "span_tokens_low": span.tokens_low}
    row |= {"span_tokens_high": span.tokens_high, "s85": span.s85, "recall": span.recall}
    row |= {"recall_low": span.recall_low, "recall_high": span.recall_high, "s_shortest": span.s_first}
    row |= {"shortest_lag": span.first_lag, "longest_lag": span.last_lag, "n_finished": span.n_seeds}
    row |= {"n_diverged": span.n_diverged, "n_failed": span.n_failed, "receptive_field": span.receptive_field}
    row |= {"n_params": facts and facts.n_params, "n_params_non_embedding": facts and facts.n_params_non_embedding}
    row |= {"flops_per_token": facts and facts.flops_per_token, "bytes_per_token": kappa}
    return row | {"flops_per_byte": facts.flops_per_token / kappa if facts and kappa else None}


def costs_csv(groups: Sequence[Group]) -> str:
    """A line for each record: what it took, where, and how it ended. The only table with times in it."""
    return _csv([_cost(g, r) for g in groups for r in g.records])


def _cost(group: Group, record: Record) -> dict[str, object]:
    cell, host = record.cell, record.host
    trained = sum(o.sequences or 0 for o in record.curve)
    if cell.regime == "retain":
        trained = cell.budget.sequences if record.status == "ok" else None
    row: dict[str, object] = {"id": record.id, "model": group.model, "measure": group.measure.label}
    row |= {"task": cell.task.name, "tokenizer": group.measure.tokenizer, "regime": cell.regime, "seed": cell.seed}
    row |= {"status": record.status, "reason": record.reason, "seconds": host.seconds, "peak_bytes": host.peak_bytes}
    return row | {"device": host.device, "sequences": trained, "finished": host.finished}
