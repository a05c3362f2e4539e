"""Tables of spans and bits per byte: Markdown and a terminal's. The same records give the same bytes, in any order."""

import html
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from leaderboard.bits import Bits, same_blocks
from leaderboard.groups import Group, Measure

Row = list[str]  # the model, then its cells

MARKS = """\
`64 [45, 91]`: the lag across which half the recall is kept (geometric mean over seeds) and its 95% interval; \
`> 512`: beyond the longest lag tested; `[91, ∞)`: at least 91, the interval reaches the end of the lags tested; \
`< 16`: below the shortest; `not learned`: chance even at the shortest lag; `*`: beyond T, the longest lag met in \
training; `(1 seed)`: a point without an interval, `≥` where it would be open; `diverged 1/3`, `failed 1/3`: seeds \
left out of the averages; `–`: not run."""
RANKING = """\
Models are ranked by the recall score, the mean over lags of s = (score - chance) / (1 - chance), averaged over the \
measures; a measure not run, or without a finished seed, counts as 0."""
BITS = """\
bits/byte: Σ nats / (ln 2 · Σ bytes) of the same target blocks for all, with a 95% interval over seeds and documents \
(`(1 seed)`: over documents alone); blocks that some tokenizer does not keep are left out of all; `†`: fewer than 200 \
documents, exploratory."""


def measures_of(groups: Iterable[Group]) -> list[Measure]:
    """The columns, in order."""
    return list(dict.fromkeys(g.measure for g in groups))


def recalled(groups: Iterable[Group]) -> list[Group]:
    """The groups with a recall curve: all but text to predict."""
    return [g for g in groups if not g.measure.is_language]


def ranked(groups: Sequence[Group]) -> list[tuple[str, float]]:
    """Models and their recall score averaged over all measures but text to predict, best first, ties by name."""
    recall = recalled(groups)
    count = max(1, len(measures_of(recall)))
    models = sorted({g.model for g in groups})
    totals = {m: sum(g.span.recall or 0.0 for g in recall if g.model == m) / count for m in models}
    return sorted(totals.items(), key=lambda item: (-round(item[1], 12), item[0]))


def _header(measure: Measure, groups: Sequence[Group]) -> str:
    if measure.is_language:
        return f"{measure.label}, bits/byte"
    units = {g.span.unit for g in groups if g.measure == measure}
    if "none" in units:
        return f"{measure.label}, mean s over lengths"
    return f"{measure.label}, {'bytes' if 'bytes' in units else 'steps'}"


def _span_rows(groups: Sequence[Group]) -> list[Row]:
    measures, bits = measures_of(groups), bits_of(groups)
    cells = {(g.model, g.measure): g.span.text(tokens=coarse(g)) for g in recalled(groups)}
    cells |= {key: found.text() for key, found in bits.items()}
    ranking = [(m, f"{score:.3f}" if recalled(groups) else "–") for m, score in ranked(groups)]
    return [[m, score, *(cells.get((m, k), "–") for k in measures)] for m, score in ranking]


def bits_of(groups: Sequence[Group]) -> dict[tuple[str, Measure], Bits]:
    """Bits per byte of each model and measure, where text was predicted."""
    return same_blocks({(g.model, g.measure): g.records for g in groups if g.measure.is_language})


def coarse(group: Group) -> bool:
    """Whether a token is more than a byte: then lags in tokens say something new."""
    return group.bytes_per_token is not None and group.bytes_per_token > 1


def _score_rows(groups: Sequence[Group]) -> list[Row]:
    measures, groups = measures_of(recalled(groups)), recalled(groups)
    cells = {(g.model, g.measure): _score(g) for g in groups}
    return [[m, *(cells.get((m, k), "–") for k in measures)] for m, _ in ranked(groups)]


def _score(group: Group) -> str:
    span = group.span
    if span.recall is None or span.s_first is None:
        return span.text()
    interval = "" if span.recall_low is None else f" [{span.recall_low:.2f}, {span.recall_high:.2f}]"
    return f"{span.recall:.2f}{interval}; {span.s_first:.2f} at {span.first_lag}"


def markdown(groups: Sequence[Group], title: str) -> str:
    """Spans, then recall scores, as Markdown tables with a caption that explains the marks."""
    measures = measures_of(groups)
    spans = pipes(["model", "recall", *(_header(m, groups) for m in measures)], _span_rows(groups))
    recall = recalled(groups)
    scores = pipes(["model", *(m.label for m in measures_of(recall))], _score_rows(groups))
    shown = "A label ends in the tokenizer; lags in tokens stand in parentheses." if any(map(coarse, groups)) else ""
    tested = f"{escaped(_tested(groups) + _chances(groups))} {shown}".strip()
    parts = [f"# {escaped(title)}", "## Spans" if recall else "## Bits per byte", spans, tested]
    parts += [MARKS] * bool(recall) + [BITS] * (len(recall) < len(groups))
    if recall:
        about = "Mean of s over the lags tested (retain: up to 4 T) with its 95% interval; s at the shortest lag."
        parts += ["## Recall scores", scores, about, RANKING]
    return "\n\n".join(parts) + "\n"


def _tested(groups: Sequence[Group]) -> str:
    """How many seeds a cell has, and T for each kind of measure."""
    counts = sorted({len(g.records) for g in groups})
    seeds = f"{counts[0]}–{counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] > 1)}"
    horizons = {m.panel: f"{m.horizon}" for m in measures_of(groups)}
    return f"{seeds} a cell. T: " + ", ".join(f"{panel} {t}" for panel, t in sorted(horizons.items())) + "."


def _chances(groups: Sequence[Group]) -> str:
    """The score without the source, which s counts from, and the literature's baseline, which knows nothing at all."""
    facts = {g.measure.panel: r.facts for g in recalled(groups) for r in g.records if r.facts}
    told = (f"{p} {f.metric} {f.chance:.3g} ({f.baseline:.3g})" for p, f in sorted(facts.items()))
    return f" Chance (and knowing nothing at all): {', '.join(told)}." if facts else ""


def pipes(header: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A Markdown table; the first cells of a row are `names`, and escaped."""
    lines = [[escaped(h) for h in header], ["---"] * len(header)]
    lines += [[*map(escaped, row[:names]), *(cell.replace("*", r"\*") for cell in row[names:])] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(name: str) -> str:
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
    for row in _span_rows(groups):
        table.add_row(*map(Text, row))
    return table
