"""What is compared: models × tokenizers on one text, the seeds of each, and what follows from them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from leaderboard.groups import Group, Measure
from leaderboard.protocol import MANY
from leaderboard.record import Facts, Record
from leaderboard.statistics.bits import Bits, measure_bits
from leaderboard.statistics.bits import kept_blocks as kept_by_all
from leaderboard.statistics.decomposition import Share
from leaderboard.statistics.elasticity import Elasticity
from leaderboard.statistics.joint import JointEffect, joint_effect

Arm = Literal["bytes", "tokens"]
SPANS = {"learn": "learning span", "retain": "retention span", "language": "context span"}  # by regime
MEASURE = {"learn": "recall", "retain": "recall", "language": "context"}  # what must be calibrated
Key = tuple[str, str, str]  # regime, model, tokenizer


@dataclass(frozen=True)
class Comparison:
    """Models × tokenizers on one text. `groups` holds the seeds of each (regime, model, tokenizer) that was run."""

    arm: Arm  # what is the same at every granularity: the context in bytes, or in tokens
    groups: dict[Key, Group]
    models: tuple[str, ...]  # by name
    tokenizers: tuple[str, ...]  # from fine to coarse
    kappa: dict[str, float]  # bytes per token; a tokenizer that no cell got to use is missing
    blocked: Mapping[str, str] = field(default_factory=dict)  # measures that failed their calibration, and why

    @property
    def records(self) -> list[Record]:
        """All of them, by group and seed."""
        return [record for _, group in sorted(self.groups.items()) for record in group.records]

    @property
    def regimes(self) -> list[str]:
        """The spans that were asked for: of learning, of retention, of the context."""
        open_ = [regime for regime in SPANS if MEASURE[regime] not in self.blocked]
        return [regime for regime in open_ if any(g.has_span for _, _, g in self.of(regime))]

    def facts(self, model: str, tokenizer: str) -> Facts | None:
        """Of a model at a granularity: where it predicts text or, where that was not asked for, of another regime."""
        found = (self.groups.get((regime, model, tokenizer)) for regime in reversed(SPANS))
        return next((r.facts for group in found if group for r in group.records if r.facts), None)

    def of(self, regime: str) -> list[tuple[str, str, Group]]:
        """(model, tokenizer, seeds) of a regime: models by name, tokenizers from fine to coarse."""
        keys = [(m, k) for m in self.models for k in self.tokenizers if (regime, m, k) in self.groups]
        return [(model, tokenizer, self.groups[regime, model, tokenizer]) for model, tokenizer in keys]

    @cached_property
    def bits(self) -> dict[tuple[str, str], Bits]:
        """Bits per byte by model and tokenizer, over the blocks that every tokenizer keeps."""
        return {(m, k): measure_bits(group.records, group.kept) for m, k, group in self.of("language")}

    @cached_property
    def joint(self) -> dict[str, JointEffect]:
        """By regime, how its span depends on model and tokenizer together."""
        if "joint" in self.blocked:
            why = "the joint effect failed its calibration"
            return {regime: JointEffect({}, why, 0, 0) for regime in self.regimes}
        return {regime: joint_effect([group for _, _, group in self.of(regime)]) for regime in self.regimes}

    @property
    def elasticities(self) -> dict[tuple[str, str], Elasticity | None]:
        """γ by regime and model."""
        return {(r, model): self.joint[r].elasticities.get(model) for r in self.regimes for model in self.models}

    @property
    def shares(self) -> dict[str, dict[str, Share] | str]:
        """By regime the share of each source in the variance of log2 S, or why there is none."""
        return {regime: joint.shares for regime, joint in self.joint.items()}

    def n_known(self, regime: str) -> tuple[int, int]:
        """How many spans of a regime are known, and of how many."""
        return self.joint[regime].n_known, self.joint[regime].n_spans

    @property
    def exploratory(self) -> bool:
        """Whether bits per byte rest on too few documents."""
        return any(found.value is not None and found.n_documents < MANY for found in self.bits.values())


def compared(records: Iterable[Record], arm: Arm, blocked: Mapping[str, str] | None = None) -> Comparison:
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
    kept = kept_by_all(record for key in found if key[0] == "language" for record in found[key])
    groups = {key: Group(key[1], _measure(found[key]), tuple(found[key]), kept) for key in sorted(found)}
    return Comparison(arm, groups, tuple(sorted({key[1] for key in found})), tuple(names), kappa, blocked or {})


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
