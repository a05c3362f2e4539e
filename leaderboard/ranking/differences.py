"""Each granularity against the finest one: differences of log2 span, and of bits per byte, with their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leaderboard.ranking.readings import Readings, questions
from leaderboard.ranking.wording import NONE, interval, number
from leaderboard.statistics.bits_difference import difference
from leaderboard.statistics.curves import t_interval
from leaderboard.statistics.kinds import Reading
from leaderboard.suite import OfficialCell

Bound = Literal["none", "at least", "at most", "no bound"]


@dataclass(frozen=True)
class Difference:
    """Coarse minus fine, in octaves of the span or in bits per byte. As a bound, `low` or `high` alone is known."""

    question: str
    fine: str  # tokenizers
    coarse: str
    n_seeds: int  # in common
    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: Bound = "none"

    def text(self) -> str:
        """`+1.05 [+0.60, +1.50]`, `≥ +0.40`, `no bound`; `–` where no seed finished at both."""
        digits = 3 if self.question.startswith("bits") else 2
        if self.bound == "no bound":
            return "no bound"
        if self.bound != "none":
            limit = self.low if self.bound == "at least" else self.high
            sign = "≥" if self.bound == "at least" else "≤"
            return NONE if limit is None else f"{sign} {number(limit, digits, signed=True)}{' (1 seed)' * self._one}"
        return interval(self.value, self.low, self.high, digits, signed=True) + " (1 seed)" * self._one

    @property
    def _one(self) -> bool:
        return self.n_seeds == 1


def differences(readings: Readings) -> list[Difference]:
    """Of one submission, by question, bits last; each coarser tokenizer against the finest."""
    suite = readings.entrant.suite
    found = [
        span_difference(question, finest, coarse, readings.by_seed)
        for question, (finest, *others) in questions(suite).items()
        for coarse in others
    ]
    text = {question: cells for question, cells in questions(suite).items() if cells[0].is_text}
    return found + [
        _bits_difference(question.replace("context", "bits"), finest, coarse, readings)
        for question, (finest, *others) in text.items()
        for coarse in others
    ]


def span_difference(
    question: str, fine: OfficialCell, coarse: OfficialCell, by_seed: Mapping[str, Mapping[int, Reading]]
) -> Difference:
    """Mean over seeds of log2 S_coarse − log2 S_fine with its 95% t interval, paired by seed.

    The interval is no narrower than half a step of either grid, in quadrature. A span that is only bounded bounds the
    difference: with every seed's known or bounded from one side, the limit on that side is a limit still.
    """
    a, b = by_seed[fine.key], by_seed[coarse.key]
    seeds = sorted(a.keys() & b.keys())
    names = (_name(fine), _name(coarse))
    if not seeds:
        return Difference(question, *names, 0)
    apart = [b[seed].log2_span - a[seed].log2_span for seed in seeds]
    sides = {side for seed in seeds for side in _sides(a[seed].bound, b[seed].bound)}
    least = max(float(np.hypot(a[seed].step, b[seed].step)) / 2 for seed in seeds)
    mean, half = float(np.mean(apart)), float(t_interval(apart, least)[1]) if len(seeds) > 1 else None
    if not sides:
        ends = (None, None) if half is None else (mean - half, mean + half)
        return Difference(question, *names, len(seeds), mean, *ends)
    if len(sides) > 1:
        return Difference(question, *names, len(seeds), bound="no bound")
    reach = least if half is None else half
    if sides == {1}:
        return Difference(question, *names, len(seeds), low=mean - reach, bound="at least")
    return Difference(question, *names, len(seeds), high=mean + reach, bound="at most")


def _sides(fine: int, coarse: int) -> set[int]:
    """From which side coarse − fine is bounded: 1 from below, −1 from above, both: not at all."""
    return {side for side in (coarse, -fine) if side}


def _bits_difference(question: str, fine: OfficialCell, coarse: OfficialCell, readings: Readings) -> Difference:
    """Documents paired, seeds not: negative where the coarser tokenizer predicts better."""
    a, b = readings.bits[fine.key], readings.bits[coarse.key]
    names, n_seeds = (_name(fine), _name(coarse)), min(a.n_seeds, b.n_seeds)
    if a.value is None or b.value is None:
        return Difference(question, *names, n_seeds)
    apart = difference(b, a)
    if apart is None:
        return Difference(question, *names, n_seeds, b.value - a.value)
    return Difference(question, *names, n_seeds, *apart)


def _name(official: OfficialCell) -> str:
    return official.cell.tokenizer.name if official.cell.tokenizer else ""
