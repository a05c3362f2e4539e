"""The table of a profile: every span of one model with its interval, in bytes and in tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from leaderboard.protocol import EPSILONS, FAINT, MASS
from leaderboard.reports.profile import PANELS, Line, missing
from leaderboard.reports.tables import escaped, pipes
from leaderboard.statistics.bits import measure_bits
from leaderboard.statistics.context import read_span
from leaderboard.statistics.curves import finished, to_tokens
from leaderboard.statistics.spans import Span

SEED = (
    "1 seed: a recall span is a point without an interval; other intervals are over documents, or examples, with these "
    "very weights. Another seed would differ by an amount that nothing here tells."
)
SPANS = {
    "learn": "learning span (--regime learn)",
    "retain": "retention span (--regime retain)",
    "language": "context span (--task language)",
}
MARKS = {
    "*": "*: beyond T, the longest lag or context met in training.",
    "†": "†: fewer than 200 documents, exploratory.",
    "> ": "> C: beyond the longest lag tested.",
    "∞": "[lo, ∞): at least lo; the interval reaches the end of the lags tested.",
}


@dataclass(frozen=True)
class Row:
    """One line of the table. `tokens` is None where the value is no lag, or lags are steps; `mark` how it is drawn."""

    panel: str
    line: Line
    what: str
    value: str
    tokens: str | None = None
    mark: str = ""
    unit: str = ""  # of a lag

    @property
    def said(self) -> str:
        """`retention span, retain planted: 194 [91, 256] bytes, 75 [35, 99] tokens (3 seeds)`."""
        tokens = f", {self.tokens} tokens" if self.unit and self.tokens else ""
        basis = self.line.basis(self.panel)
        return f"{self.what}, {self.line.name}: {f'{self.value} {self.unit}'.rstrip()}{tokens} ({basis})"


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """Every number there is, panel by panel as in the figure, line by line."""
    makers = {
        "recall": _recall,
        "context": _context,
        "gain": _gain,
        "influence": _influence,
        "gradient": _gradient,
        "gates": _gates,
    }
    found = []
    for panel, maker in makers.items():
        for line in lines:
            if line.has(panel) or _lost(panel, line):
                found += maker(line)
    return found


def _lost(panel: str, line: Line) -> bool:
    """Whether a line has nothing to draw because no seed of it finished."""
    return panel == ("context" if line.regime == "language" else "recall") and not finished(line.records)


def _recall(line: Line) -> Iterator[Row]:
    span = line.group.span
    if span.unit == "none":
        yield Row("recall", line, "mean s over lengths", _short(span.text()))
        return
    yield _lag("recall", line, "learning span" if line.regime == "learn" else "retention span", span)
    if span.n_seeds > 1 and span.s85 is not None:
        tokens = f"{to_tokens(finished(line.records), span.s85):.0f}" if span.unit == "bytes" else None
        yield Row("recall", line, "S85", f"{span.s85}", tokens, unit=span.unit)
    elif span.n_seeds:
        yield Row("recall", line, "S85", "asks for several seeds" if span.n_seeds == 1 else "not at the shortest lag")
    if line.audit is not None:
        yield Row("recall", line, f"audit at lag {line.audit.lag}", line.audit.text())


def _context(line: Line) -> Iterator[Row]:
    bits = measure_bits(line.records)
    yield Row(
        "context", line, f"L(T), T = {line.group.measure.horizon}", f"{_short(bits.text())} bits a byte", mark="L"
    )
    for far in line.context.reliance[-1:] if line.context is not None else ():
        limits = "" if far.low is None or far.high is None else f" [{far.low:.3f}, {far.high:.3f}]"
        value = f"{far.value:.3f}{limits} bits a byte".replace("-", "−")
        yield Row("context", line, f"reliance R beyond {far.context}", value, mark="R")


def _gain(line: Line) -> Iterator[Row]:
    assert line.context is not None
    for epsilon in EPSILONS:
        what = f"context span, ε = {epsilon:g}".replace("0.", ".")
        yield _lag("gain", line, what, read_span(line.context, epsilon))


def _influence(line: Line) -> Iterator[Row]:
    assert line.influence is not None
    yield _lag("influence", line, f"last lag above {FAINT:.0%}", line.faint)
    yield _lag("influence", line, f"{MASS:.0%} of the mass within", line.mass)
    leak = line.influence.leak
    said = "not asked" if leak is None else f"{leak:.0e} of the greatest influence".replace("0e+00", "0")
    yield Row("influence", line, "leak from the future", said + ": IT LEAKS" * line.influence.leaks)


def _gradient(line: Line) -> Iterator[Row]:
    found = line.gradient
    assert found is not None
    for when, shape in (("before", found.shape_before), ("after", found.shape_after)):
        nothing = f"; 0 at {shape.n_zero} of {len(found.lags)} lags" if shape.n_zero else ""
        yield Row("gradient", line, f"J {when} training", shape.text() + nothing, mark=when)


def _gates(line: Line) -> Iterator[Row]:
    assert line.gradient is not None
    assert line.gradient.gates is not None
    last = f"at lag {line.gradient.lags_in_unit[-1] * line.scale:.0f}"
    for i, products in enumerate(line.gradient.gates):
        yield Row("gates", line, f"gates of layer {i + 1}", f"{products[-1]:.2g} {last}", mark=f"layer {i}")


def _lag(panel: str, line: Line, what: str, span: Span) -> Row:
    """A span in bytes and in tokens, or in steps."""
    own, kappa = _short(span.text()), line.group.bytes_per_token
    if span.value is None:
        return Row(panel, line, what, own)
    if kappa is None:
        return Row(panel, line, what, own, unit="steps")
    if span.unit == "tokens":
        return Row(panel, line, what, _short(_scaled(span, kappa).text()), own, unit="bytes")
    if span.tokens is None:
        return Row(panel, line, what, own, "–", unit="bytes")
    limits = {"value": span.tokens, "low": span.tokens_low, "high": span.tokens_high}
    tokens = replace(_scaled(span, span.tokens / span.value), **limits)
    return Row(panel, line, what, own, _short(tokens.text()), unit="bytes")


def _scaled(span: Span, factor: float) -> Span:
    """A span, and the ends of its grid, in another unit."""
    value, low, high = (None if x is None else x * factor for x in (span.value, span.low, span.high))
    first, last, horizon = (round(x * factor) for x in (span.first_lag, span.last_lag, span.horizon))
    return replace(span, value=value, low=low, high=high, first_lag=first, last_lag=last, horizon=horizon)


def _short(text: str) -> str:
    """Without what stands in parentheses: seeds are counted beside it, tokens have a column."""
    core, _, rest = text.partition(" (")
    return core + rest.partition(")")[2]


def heading(lines: Sequence[Line]) -> str:
    """`lstm@bpe-2048 on sympy`."""
    cell = lines[0].records[0].cell
    return (
        cell.model.name
        + (f"@{cell.tokenizer.name}" if cell.tokenizer else "")
        + (f" on {cell.corpus.name}" if cell.corpus else "")
    )


def facts_of(lines: Sequence[Line]) -> str:
    """Size, bytes per token, and T and the structural bound of each line."""
    facts = [r.facts for line in lines for r in line.records if r.facts]
    sizes = sorted({f.n_params for f in facts})
    said = [f"{'–'.join(f'{n:,}' for n in dict.fromkeys((sizes[0], sizes[-1])))} parameters"] if sizes else []
    kappa = lines[0].group.bytes_per_token
    said += ["a token is a byte" if kappa == 1 else f"{kappa:.2f} bytes a token"] if kappa else []
    horizons = dict.fromkeys(f"{line.group.measure.horizon}" for line in lines)
    said.append(f"T {', '.join(horizons)}")
    bounds = dict.fromkeys(f"{f.receptive_field}" for f in facts if f.receptive_field)
    said.append(f"sees {', '.join(bounds)} inputs" if bounds else "no structural bound")
    return " · ".join(said)


def notes_of(lines: Sequence[Line], rows: Sequence[Row]) -> list[str]:
    """What the marks in these rows mean, and what one seed cannot tell."""
    values = "\n".join(f"{row.value} {row.tokens}" for row in rows)
    on_text = lines[0].group.bytes_per_token is not None
    single = any(len(finished(line.records)) == 1 for line in lines)
    regimes = {line.regime for line in lines}
    absent = [span for regime, span in SPANS.items() if regime not in regimes and (regime != "language" or on_text)]
    gone = [f"Not among these records: {', '.join(absent)}."] * bool(absent)
    return [SEED] * single + gone + [said for mark, said in MARKS.items() if mark in values]


def units_of(lines: Sequence[Line]) -> tuple[str, str | None]:
    """What lags are counted in: bytes and tokens, or steps alone."""
    return ("bytes", "tokens") if lines[0].group.bytes_per_token else ("steps", None)


def gaps_of(lines: Sequence[Line]) -> dict[str, str]:
    """The panels without data, and why; one that hangs on another speaks through it."""
    hangs_on = {"gain": "context", "gates": "gradient"}
    found = {panel: why for panel in PANELS if (why := missing(lines, panel))}
    return {panel: why for panel, why in found.items() if hangs_on.get(panel) not in found}


def table_of(lines: Sequence[Line], rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table: a row for each number, with what it rests on."""
    unit, tokens = units_of(lines)
    header = ["measure", "of", unit, *([tokens] if tokens else []), "rests on"]
    cells = [
        [row.what, row.line.name, row.value, *([row.tokens or ""] if tokens else []), row.line.basis(row.panel)]
        for row in rows
    ]
    return header, cells


def profile_markdown(lines: Sequence[Line]) -> str:
    """The profile as a page, its figure first."""
    rows = rows_of(lines)
    gaps = [f"- {PANELS[panel]}: {escaped(why)}" for panel, why in gaps_of(lines).items()]
    parts = [
        f"# {escaped(heading(lines))}",
        escaped(facts_of(lines)),
        "![curves by lag](profile.png)",
        pipes(*table_of(lines, rows), names=2),
        *notes_of(lines, rows),
        "\n".join(gaps),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
