"""What one submission says of spans: each cell's, bits per byte, and γ over the granularities of one question."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from leaderboard.cell import Cell
from leaderboard.ranking.entrants import Entrant
from leaderboard.record import Record
from leaderboard.statistics.bits import Bits, Mask, measure_bits
from leaderboard.statistics.elasticity import Elasticity, elasticity
from leaderboard.statistics.kinds import Kind, Reading, kind_of
from leaderboard.statistics.spans import Span
from leaderboard.suite import OfficialCell, Suite

SPAN_OF = {"learn": "learning", "retain": "retention", "language": "context"}


def kept_mask(suite: Suite) -> Mask:
    """The suite's kept target blocks, (N,)."""
    mask = np.zeros(len(suite.blocks.starts), dtype=bool)
    mask[suite.kept] = True
    return mask


def questions(suite: Suite) -> dict[str, list[OfficialCell]]:
    """What is asked at two granularities or more, from fine to coarse: `learning`, `retention`, `context`.

    Where a suite asks it of several tasks, the task's name is added.
    """
    found: dict[tuple[str, str], list[OfficialCell]] = defaultdict(list)
    for official in suite.cells:
        if official.cell.tokenizer and official.facts.bytes_per_token and official.facts.lag_unit == "bytes":
            found[SPAN_OF[official.cell.regime], official.cell.task.name].append(official)
    several = {key: cells for key, cells in found.items() if len(cells) > 1}
    spans = [span for span, _ in several]
    return {
        span if spans.count(span) == 1 else f"{span} {task}": sorted(cells, key=_kappa)
        for (span, task), cells in several.items()
    }


def _tokenizer(cell: Cell) -> str:
    return cell.tokenizer.name if cell.tokenizer else ""


def _kappa(official: OfficialCell) -> float:
    return official.facts.bytes_per_token or 1.0


@dataclass(frozen=True)
class Readings:
    """Spans and bits of one submission, each computed once."""

    entrant: Entrant

    def _kind(self, official: OfficialCell) -> Kind:
        return kind_of(official.cell.regime, kept_mask(self.entrant.suite))

    @cached_property
    def spans(self) -> dict[str, Span]:
        """By the key of the cell: of recall or, of text to predict, of the context; in bytes or steps."""
        records = self.entrant.records
        return {each.key: self._kind(each).span(records[each.key]) for each in self.entrant.suite.cells}

    @cached_property
    def bits(self) -> dict[str, Bits]:
        """Bits per byte of text to predict, by the key of the cell, over the blocks that every tokenizer keeps."""
        kept, records = kept_mask(self.entrant.suite), self.entrant.records
        return {each.key: measure_bits(records[each.key], kept) for each in self.entrant.suite.cells if each.is_text}

    @cached_property
    def by_seed(self) -> dict[str, dict[int, Reading]]:
        """Each finished seed's own span, by the key of the cell and the seed."""
        return {
            official.key: {
                record.cell.seed: self._kind(official).reading(record)
                for record in self.entrant.records[official.key]
                if record.status == "ok"
            }
            for cells in questions(self.entrant.suite).values()
            for official in cells
        }

    @cached_property
    def gammas(self) -> dict[str, Elasticity | None]:
        """γ by question; None where fewer than two granularities have a finished seed."""
        found = {}
        for question, cells in questions(self.entrant.suite).items():
            key_of = {_tokenizer(each.cell): each.key for each in cells}
            kind = Kind(
                span=lambda records, key_of=key_of: self.spans[key_of[_tokenizer(records[0].cell)]],
                reading=lambda r, key_of=key_of: self.by_seed[key_of[_tokenizer(r.cell)]][r.cell.seed],
            )
            found[question] = elasticity([(_kappa(each), self._records(each)) for each in cells], kind)
        return found

    def _records(self, official: OfficialCell) -> Sequence[Record]:
        return self.entrant.records[official.key]
