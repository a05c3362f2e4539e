"""Tables of spans and bits per byte: their cells, and the terminal's. The order of records changes nothing."""

import html
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from leaderboard.groups import Group, Measure
from leaderboard.statistics.bits import Bits, same_blocks
from leaderboard.statistics.curves import finished
from leaderboard.statistics.spans import failures
from leaderboard.statistics.ties import tied_with_best

Row = list[str]  # the model, then its cells
COLUMNS, ROWS = 32, 60  # of the terminal's table

MARKS = """\
`64 [45, 91]`: the lag across which half the recall is kept (geometric mean over seeds) and its 95% interval; \
`> 512`: beyond the longest lag tested; `[91, ∞)`: at least 91, the interval reaches the end of the lags tested; \
`< 16`: below the shortest, `[< 16, 64]`: below it by the estimate, up to 64 by its limit; `not learned`: chance \
even at the shortest lag; `no gain`: no doubling of the context brings ε; `*`: beyond T, the longest lag met in \
training; `(1 seed)`: a point without an interval, `≥` where it would be open; `diverged 1/3`, `failed 1/3`: seeds \
left out of the averages; `–`: not run."""
RANKING = """\
Models are ranked by the recall score, the mean over lags of s = (score - chance) / (1 - chance), averaged over the \
measures; a model without a finished seed in some of them comes after those that have all, `(2/3)` saying how many its \
mean is of."""
BITS = """\
bits/byte: Σ nats / (ln 2 · Σ bytes) of the same target blocks for all, with a 95% interval over seeds and documents \
(`(1 seed)`: over documents alone); blocks that some tokenizer does not keep are left out of all; `†`: fewer than 200 \
documents, exploratory."""


def measures_of(groups: Iterable[Group]) -> list[Measure]:
    """The columns, in order."""
    return list(dict.fromkeys(g.measure for g in groups))


def by_measure(groups: Iterable[Group]) -> dict[Measure, list[Group]]:
    """The groups of each column, in order."""
    found: dict[Measure, list[Group]] = {}
    for group in groups:
        found.setdefault(group.measure, []).append(group)
    return found


def recalled(groups: Iterable[Group]) -> list[Group]:
    """The groups with a recall curve: all but text to predict."""
    return [g for g in groups if not g.measure.is_language]


class Ranked(NamedTuple):
    """A model's recall score, averaged over those measures in which a seed finished: `n` of `of`."""

    model: str
    score: float | None
    n: int
    of: int

    def text(self) -> str:
        """0.732; of fewer measures than there are 0.732 (2/3)."""
        return "–" if self.score is None else f"{self.score:.3f}" + f" ({self.n}/{self.of})" * (self.n < self.of)


def ranked(groups: Sequence[Group]) -> list[Ranked]:
    """Models by their recall score over all measures but text to predict: most measures first, then best, then name."""
    recall = recalled(groups)
    count = len(measures_of(recall))
    scores: dict[str, list[float]] = {model: [] for model in {g.model for g in groups}}
    for g in recall:
        if g.span.recall is not None:
            scores[g.model].append(g.span.recall)
    found = [Ranked(model, fmean(own) if own else None, len(own), count) for model, own in scores.items()]
    return sorted(found, key=lambda each: (-each.n, -round(each.score or 0.0, 12), each.model))


def _header(measure: Measure, members: Sequence[Group]) -> str:
    if measure.is_language:
        return f"{measure.label}, bits/byte"
    units = {g.span.unit for g in members}
    if "none" in units:
        return f"{measure.label}, mean s over lengths"
    return f"{measure.label}, {'bytes' if 'bytes' in units else 'steps'}"


def _ranking(groups: Sequence[Group], blocked: Mapping[str, str]) -> dict[str, str]:
    """The recall score by model, best first."""
    shown = {each.model: each.text() for each in ranked(groups)}
    return dict.fromkeys(shown, "blocked") if "recall" in blocked else shown


def columns(groups: Sequence[Group], blocked: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Every column but the model's: its header, and its cell by model. A failed calibration blocks its own."""
    bits, found = bits_of(groups), [("recall", _ranking(groups, blocked))]
    for measure, members in by_measure(groups).items():
        spans = {g.model: g.span.text(tokens=coarse(g)) for g in members if g.has_span}
        if measure.is_language:
            found.append((_header(measure, members), {g.model: bits[g.model, measure].text() for g in members}))
        name = f"{measure.label}, context span" if measure.is_language else _header(measure, members)
        if spans:
            barred = ("context" if measure.is_language else "recall") in blocked
            found.append((name, dict.fromkeys(spans, "blocked") if barred else spans))
    return found


def span_table(groups: Sequence[Group], blocked: Mapping[str, str]) -> tuple[Row, list[Row]]:
    """The header, and a row for each model, best first; where recall is blocked nobody is ranked."""
    return _rows(groups, blocked, columns(groups, blocked))


def _rows(
    groups: Sequence[Group], blocked: Mapping[str, str], found: Sequence[tuple[str, dict[str, str]]]
) -> tuple[Row, list[Row]]:
    models = [each.model for each in ranked(groups)] if "recall" not in blocked else sorted({g.model for g in groups})
    return ["model", *(name for name, _ in found)], [[m, *(cells.get(m, "–") for _, cells in found)] for m in models]


def tied_first(groups: Sequence[Group]) -> str:
    """Who is not told apart from the best in recall: seeds paired, each its score averaged over measures, Holm."""
    count, scores = max(1, len(measures_of(recalled(groups)))), defaultdict[str, dict[int, list[float]]](dict)
    for g in recalled(groups):
        for r, score in zip(finished(g.records), g.span.recall_seeds, strict=True):
            scores[g.model].setdefault(r.cell.seed, []).append(score)
    whole = {m: {s: fmean(all_) for s, all_ in seeds.items() if len(all_) == count} for m, seeds in scores.items()}
    whole = {m: seeds for m, seeds in whole.items() if seeds}
    if len(whole) < 2:
        return ""
    tied = tied_with_best(whole)
    best = max(sorted(whole), key=lambda m: fmean(whole[m].values()))
    others = [each.model for each in ranked(groups) if each.model in tied and each.model != best]
    rest = f"not told apart from it: {', '.join(others)}" if others else "told apart from all others"
    return f"Best recall: {best}; {rest} (paired by seed, Holm)."


def bits_of(groups: Sequence[Group]) -> dict[tuple[str, Measure], Bits]:
    """Bits per byte of each model and measure, where text was predicted."""
    return same_blocks({(g.model, g.measure): g.records for g in groups if g.measure.is_language})


def coarse(group: Group) -> bool:
    """Whether a token is more than a byte: then lags in tokens say something new."""
    return group.bytes_per_token is not None and group.bytes_per_token > 1


def score_rows(groups: Sequence[Group]) -> list[Row]:
    """Recall scores with s at the shortest lag, a row for each model, best first."""
    measures, groups = measures_of(recalled(groups)), recalled(groups)
    cells = {(g.model, g.measure): _score(g) for g in groups}
    models = [each.model for each in ranked(groups)]
    return [[m, *(cells.get((m, k), "–") for k in measures)] for m in models]


def _score(group: Group) -> str:
    span = group.span
    if span.recall is None or span.s_first is None:
        return span.text()
    interval = "" if span.recall_low is None else f" [{span.recall_low:.2f}, {span.recall_high:.2f}]"
    score = f"{span.recall:.2f}{interval}; {span.s_first:.2f} at {span.first_lag}"
    return "; ".join([score, *failures(span.n_seeds, span.n_diverged, span.n_failed)])


def tested(groups: Sequence[Group]) -> str:
    """How many seeds a cell has, and T for each kind of measure."""
    counts = sorted({len(g.records) for g in groups})
    seeds = f"{counts[0]}–{counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] > 1)}"
    horizons = {m.panel: f"{m.horizon}" for m in measures_of(groups)}
    return f"{seeds} a cell. T: " + ", ".join(f"{panel} {t}" for panel, t in sorted(horizons.items())) + "."


def chances(groups: Sequence[Group]) -> str:
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


def terminal(groups: Sequence[Group], title: str, blocked: Mapping[str, str]) -> Table:
    """The spans for a terminal: of many measures the ranking alone, of many models the first of it."""
    n_measures = len(measures_of(groups))
    wide = n_measures + 2 > COLUMNS  # a column each, the model's and the ranking
    found = [("recall", _ranking(groups, blocked))] if wide else columns(groups, blocked)
    header, rows = _rows(groups, blocked, found)
    caption, n_models = tested(groups), len(rows)
    if wide or len(header) > COLUMNS or n_models > ROWS:
        header = header if len(header) <= COLUMNS else header[:2]
        rows = [row[: len(header)] for row in rows[:ROWS]]
        caption = f"{len(rows)} of {n_models} models, {len(groups)} cells of {n_measures} measures: see table.md"
    table = Table(title=Text(title), caption=Text(caption))
    table.add_column("model", no_wrap=True)
    for name in header[1:]:
        table.add_column(Text(name.replace(" ", "\n")), justify="right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
