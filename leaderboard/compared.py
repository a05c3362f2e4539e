"""What is compared: models × tokenizers on one text, the seeds of each, and what follows from them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from leaderboard.bits import Bits, measure_bits
from leaderboard.bits import kept_blocks as kept_by_all
from leaderboard.decomposition import Share, decompose, refusal
from leaderboard.elasticity import Elasticity, elasticity, read
from leaderboard.groups import Group, Measure
from leaderboard.protocol import MANY
from leaderboard.record import Facts, Record

Arm = Literal["bytes", "tokens"]
SPANS = {"learn": "learning span", "retain": "retention span"}  # regime: what it measures
Key = tuple[str, str, str]  # regime, model, tokenizer


@dataclass(frozen=True)
class Comparison:
    """Models × tokenizers on one text. `groups` holds the seeds of each (regime, model, tokenizer) that was run."""

    arm: Arm  # what is the same at every granularity: the context in bytes, or in tokens
    groups: dict[Key, Group]
    models: tuple[str, ...]  # by name
    tokenizers: tuple[str, ...]  # from fine to coarse
    kappa: dict[str, float]  # bytes per token; a tokenizer that no cell got to use is missing

    @property
    def records(self) -> list[Record]:
        """All of them, by group and seed."""
        return [record for _, group in sorted(self.groups.items()) for record in group.records]

    @property
    def regimes(self) -> list[str]:
        """The spans that were asked for, learning before retention."""
        return [regime for regime in SPANS if any(key[0] == regime for key in self.groups)]

    def facts(self, model: str, tokenizer: str) -> Facts | None:
        """Of a model at a granularity: where it predicts text or, where that was not asked for, of another regime."""
        found = (self.groups.get((regime, model, tokenizer)) for regime in ("language", *SPANS))
        return next((r.facts for group in found if group for r in group.records if r.facts), None)

    def of(self, regime: str) -> list[tuple[str, str, Group]]:
        """(model, tokenizer, seeds) of a regime: models by name, tokenizers from fine to coarse."""
        keys = [(m, k) for m in self.models for k in self.tokenizers if (regime, m, k) in self.groups]
        return [(model, tokenizer, self.groups[regime, model, tokenizer]) for model, tokenizer in keys]

    @cached_property
    def bits(self) -> dict[tuple[str, str], Bits]:
        """Bits per byte by model and tokenizer, over the blocks that every tokenizer keeps."""
        found = self.of("language")
        kept = kept_by_all(record for _, _, group in found for record in group.records)
        return {(model, tokenizer): measure_bits(group.records, kept) for model, tokenizer, group in found}

    @cached_property
    def elasticities(self) -> dict[tuple[str, str], Elasticity | None]:
        """γ by regime and model."""
        return {(regime, model): self._elasticity(regime, model) for regime in self.regimes for model in self.models}

    def _elasticity(self, regime: str, model: str) -> Elasticity | None:
        found = [(k, group.records) for m, k, group in self.of(regime) if m == model]
        return elasticity([(self.kappa[k], records) for k, records in found if k in self.kappa])

    @cached_property
    def shares(self) -> dict[str, dict[str, Share] | str]:
        """By regime the share of each source in the variance of log2 S, or why there is none."""
        return {regime: self._shares(regime) for regime in self.regimes}

    def _shares(self, regime: str) -> dict[str, Share] | str:
        if not self.n_known(regime)[0]:
            return "no span is known"
        points = {(m, k): read([(self.kappa.get(k, 1.0), group.records)]) for m, k, group in self.of(regime)}
        cells = {key: found.log2_span.tolist() for key, found in points.items()}
        step = max((found.step for found in points.values()), default=0.0)
        return refusal(cells) or decompose(cells, step)

    def n_known(self, regime: str) -> tuple[int, int]:
        """How many spans of a regime are known, and of how many."""
        found = [group.span for _, _, group in self.of(regime) if group.span.n_seeds]
        return sum(span.censor == "none" for span in found), len(found)

    @property
    def exploratory(self) -> bool:
        """Whether bits per byte rest on too few documents."""
        return any(found.value is not None and found.n_documents < MANY for found in self.bits.values())


def compared(records: Iterable[Record], arm: Arm) -> Comparison:
    """Sort the records of a comparison. Their order does not matter.

    Raises ValueError where there are none, where they are not of one text, where two cells of one name differ in more
    than the seed, and where text was not predicted in this arm.
    """
    records = sorted(records, key=lambda r: (r.cell.seed, r.id))
    _refuse(records, arm)
    found: dict[Key, list[Record]] = defaultdict(list)
    kappa: dict[str, float] = {}
    for record in records:
        cell = record.cell
        assert cell.tokenizer is not None
        found[cell.regime, cell.model.name, cell.tokenizer.name].append(record)
        if record.facts and record.facts.bytes_per_token:
            kappa[cell.tokenizer.name] = max(record.facts.bytes_per_token, kappa.get(cell.tokenizer.name, 0.0))
    names = sorted({key[2] for key in found}, key=lambda name: (kappa.get(name, np.inf), name))
    groups = {key: Group(key[1], _measure(found[key]), tuple(found[key])) for key in sorted(found)}
    return Comparison(arm, groups, tuple(sorted({key[1] for key in found})), tuple(names), kappa)


def _measure(records: Sequence[Record]) -> Measure:
    cell = records[0].cell
    assert cell.tokenizer is not None
    assert cell.corpus is not None
    panel = SPANS.get(cell.regime, "bits per byte")
    label, name = f"{panel}@{cell.tokenizer.name}", cell.corpus.name
    return Measure(label, panel, cell.regime, cell.task.name, cell.tokenizer.name, name, cell.horizon)


def _refuse(records: Sequence[Record], arm: Arm) -> None:
    if not records:
        raise ValueError("no records to compare")
    without = [r.id for r in records if r.cell.corpus is None or r.cell.tokenizer is None]
    if without:
        raise ValueError(f"record {without[0]} is not of text read through a tokenizer")
    corpora = sorted({f"{r.cell.corpus.name} ({r.cell.corpus.digest[:8]})" for r in records if r.cell.corpus})
    if len({r.cell.corpus.digest for r in records if r.cell.corpus}) > 1:
        raise ValueError(f"a comparison is of one text, not of {', '.join(corpora)}")
    twice = [name for name, count in Counter(r.id for r in records).items() if count > 1]
    if twice:
        raise ValueError(f"two records of one cell: {', '.join(twice)}")
    first: dict[Key, str] = {}
    for record in records:
        key = (record.cell.regime, record.cell.model.name, record.cell.tokenizer.name if record.cell.tokenizer else "")
        alike = record.cell.model_copy(update={"seed": 0}).id
        if first.setdefault(key, alike) != alike:
            raise ValueError(f"cells of {key[1]}@{key[2]} ({key[0]}) differ in more than the seed: give them names")
    unit = {r.facts.lag_unit for r in records if r.cell.regime == "language" and r.facts} - {arm}
    if unit:
        raise ValueError(f"the arm is {arm}, but text was predicted with a context in {', '.join(sorted(unit))}")
