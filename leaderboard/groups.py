"""Records into table cells: a row is a model, a column a measure, what is left over is the seed."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

from leaderboard.cell import Cell, Corpus, Part
from leaderboard.record import Record
from leaderboard.statistics.bits import Mask
from leaderboard.statistics.context import ContextCurve, context_curve, read_span
from leaderboard.statistics.curves import finished
from leaderboard.statistics.kinds import Kind, Reading, context_readings, kind_of, recall_reading, told_in_bytes
from leaderboard.statistics.spans import Span

Flat = dict[str, str]


@dataclass(frozen=True)
class Measure:
    """A column: what is asked. `panel` is the label with the tokenizer left out; labels are unique in a table."""

    label: str
    panel: str
    regime: str
    task: str
    tokenizer: str
    corpus: str
    horizon: int  # T

    @property
    def is_language(self) -> bool:
        """Whether it is text to predict, which has bits per byte; all else has a span, or a score by length."""
        return self.regime == "language"


@dataclass(frozen=True)
class Group:
    """One cell of a table: the seeds of one model in one measure."""

    model: str
    measure: Measure
    records: tuple[Record, ...]
    kept: Mask | None = field(default=None, compare=False)  # target blocks that all cells to be compared keep

    @property
    def kind(self) -> Kind:
        """How its span is read: of recall or, of text to predict, of the context."""
        return kind_of(self.measure.regime, self.kept)

    @cached_property
    def span(self) -> Span:
        """The seeds' span."""
        if self.measure.is_language:
            return told_in_bytes(read_span(self.context), self.records)
        return self.kind.span(self.records)

    @cached_property
    def readings(self) -> list[Reading]:
        """Each finished seed's own span, by seed."""
        if self.measure.is_language:
            return context_readings(self.context, self.records)
        return [recall_reading(r) for r in finished(self.records)]

    @cached_property
    def context(self) -> ContextCurve:
        """Of text to predict: bits per byte after each context, over the blocks `kept`."""
        return context_curve(self.records, self.kept)

    @property
    def has_span(self) -> bool:
        """Whether one was asked for: of text to predict only where several contexts were scored."""
        return not self.measure.is_language or any("context" in r.cell.measures for r in self.records)

    @cached_property
    def bytes_per_token(self) -> float | None:
        """κ; None where the task is not text."""
        return _kappa(self.records)


def group(records: Iterable[Record]) -> list[Group]:
    """Records that differ in nothing but the seed come together; sorted by measure, then model.

    Models, or measures, of one name that are not the same are told apart by what differs: `gru (dim=128)`. The order
    of `records` does not matter. Raises ValueError where two records have one id.
    """
    records = sorted(records, key=lambda r: r.id)
    twice = sorted({a.id for a, b in pairwise(records) if a.id == b.id})
    if twice:
        raise ValueError(f"two records of one cell: {', '.join(twice)}")
    alike: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        alike[record.cell.model_dump_json(exclude={"seed"})].append(record)
    cells = [seeds[0].cell for seeds in alike.values()]
    columns = _columns(cells)
    places: dict[tuple[Measure, str], list[Record]] = defaultdict(list)
    for column, row, seeds in zip(columns, _rows(cells, columns), alike.values(), strict=True):
        places[column, row] += seeds
    found = [Group(row, m, tuple(sorted(rs, key=lambda r: (r.cell.seed, r.id)))) for (m, row), rs in places.items()]
    order = {measure: i for i, measure in enumerate(_sorted_measures(found))}
    return sorted(found, key=lambda g: (order[g.measure], g.model))


def _columns(cells: Sequence[Cell]) -> list[Measure]:
    """The measure of each cell."""
    cells = _one_name_a_corpus(cells)
    tokenizers = [c.tokenizer.name if c.tokenizer else "" for c in cells]
    panels = [" ".join(dict.fromkeys([c.regime, c.task.name])) for c in cells]
    names = [panel + f"@{k}" * bool(k) for panel, k in zip(panels, tokenizers, strict=True)]
    asked = [_asked(c) for c in cells]
    cut = [_part("tokenizer", c.tokenizer) for c in cells]
    labels = _told_apart(names, names, [a | k for a, k in zip(asked, cut, strict=True)])
    panels = _told_apart(panels, panels, asked)
    return [
        Measure(label, panel, c.regime, c.task.name, k, c.corpus.name if c.corpus else "", c.horizon)
        for label, panel, c, k in zip(labels, panels, cells, tokenizers, strict=True)
    ]


def _one_name_a_corpus(cells: Sequence[Cell]) -> list[Cell]:
    """A corpus is its digest: where one lay under several names, every cell shows the first of them."""
    first: dict[str, Corpus] = {}
    for corpus in sorted((c.corpus for c in cells if c.corpus), key=lambda c: c.name):
        first.setdefault(corpus.digest, corpus)
    return [c.model_copy(update={"corpus": first[c.corpus.digest]}) if c.corpus else c for c in cells]


def _asked(cell: Cell) -> Flat:
    """Everything that a measure is, tokenizer apart."""
    octaves = all(b == 2 * a for a, b in pairwise(cell.lags))
    ends = cell.regime == "retain" or octaves
    lags = f"{min(cell.lags)}–{max(cell.lags)}" if ends else ",".join(map(str, cell.lags))
    corpus = f"{cell.corpus.name} {cell.corpus.digest[:8]}" if cell.corpus else "none"
    measured = {"measures": ",".join(cell.measures) or "none", "c_max": str(cell.c_max)}
    return _part("task", cell.task) | {"lags": lags, "bisect": str(cell.bisect), "corpus": corpus} | measured


def _rows(cells: Sequence[Cell], columns: Sequence[Measure]) -> list[str]:
    """The label of each cell's model; one model may have another budget in another column."""
    names = [cell.model.name for cell in cells]
    built = [
        _part("model", cell.model)
        | _flat_json("budget", cell.budget.model_dump_json())
        | {"precision": cell.precision, "budget.lr": ",".join(map(str, cell.lrs or [cell.budget.lr]))}
        for cell in cells
    ]
    return _told_apart(names, list(zip(names, columns, strict=True)), built)


def _told_apart(names: Sequence[str], rivals: Sequence[Any], flats: Sequence[Flat]) -> list[str]:
    """Each name, with the keys in which things of that name differ among rivals (things of one rival mark)."""
    values: dict[tuple[str, Any, str], set[str | None]] = defaultdict(set)
    keys = sorted({key for flat in flats for key in flat})
    for name, rival, flat in zip(names, rivals, flats, strict=True):
        for key in keys:
            values[name, rival, key].add(flat.get(key))
    differing: dict[str, set[str]] = defaultdict(set)
    for (name, _, key), found in values.items():
        if len(found) > 1:
            differing[name].add(key)
    labels = []
    for name, flat in zip(names, flats, strict=True):
        shown = [f"{key.partition('.')[2] or key}={flat.get(key, '-')}" for key in sorted(differing[name])]
        labels.append(name + (f" ({', '.join(shown)})" if shown else ""))
    return labels


def _part(prefix: str, part: Part | None) -> Flat:
    return _flat_json(prefix, part.model_dump_json(exclude={"name"})) if part else {}


@lru_cache(maxsize=4096)  # many cells have few parts
def _flat_json(prefix: str, text: str) -> Flat:
    """A part or a budget; arguments stand beside the class they are of."""
    found = json.loads(text)
    arguments = found.pop("init_args", {})
    return _flat(prefix, found | arguments)


def _flat(prefix: str, value: Any) -> Flat:
    """{"a": {"b": 1}} as {"prefix.a.b": "1"}."""
    if isinstance(value, dict) and value:
        return {k: v for key in value for k, v in _flat(f"{prefix}.{key}", value[key]).items()}
    return {prefix: value if isinstance(value, str) else json.dumps(value, sort_keys=True)}


def _sorted_measures(groups: Sequence[Group]) -> list[Measure]:
    """By regime and task, text to predict last; from fine to coarse tokenizers; by label, its numbers as numbers."""
    kappas: dict[Measure, float] = defaultdict(float)
    for found in groups:
        kappas[found.measure] = max(kappas[found.measure], found.bytes_per_token or 0.0)

    def key(measure: Measure) -> tuple[Any, ...]:
        digits = [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", measure.label)]
        return measure.is_language, measure.panel, kappas[measure], digits

    return sorted(kappas, key=key)


def _kappa(records: Sequence[Record]) -> float | None:
    return max((r.facts.bytes_per_token for r in records if r.facts and r.facts.bytes_per_token), default=None)
