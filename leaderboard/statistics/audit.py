"""What the memory audit says: is what recalls a memory, or a drift that serves as a clock, or a trace too weak to last?

The noise is that of the examples tested, with the models as they are, so that one seed is judged as several are. The
two figures of a loss share their examples, but records hold sums: they are taken for independent, on the safe side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy import special

from leaderboard.measured import Score
from leaderboard.protocol import DECODED, LEVEL, LOSS, REACHED
from leaderboard.record import Facts, Record
from leaderboard.statistics.curves import finished, strength

TESTS = {"shifted": "shift", "perturbed": "noise", "decoded": "linear"}  # part of an audit: as it is called here


@dataclass(frozen=True)
class Loss:
    """What a change costs of s, mean over seeds, and its lower limit (95%, over all changes of its kind at once)."""

    value: float
    low: float
    at: int  # steps or bytes

    @property
    def real(self) -> bool:
        """Whether it is more than LOSS, and more than noise."""
        return self.value > LOSS and self.low > 0


@dataclass(frozen=True)
class Verdict:
    """Whether the seeds of one cell recall by memory at `lag`. None: not to be had; `skipped` says why, by part.

    `drift`: the answer is lost when its source merely comes later. `fragile`: it is lost in noise of the state's own
    size. A verdict rests on the parts that are not skipped; without a word, `reason` says why.
    """

    lag: int
    unit: str
    n_seeds: int
    s: float  # with nothing changed, mean over seeds
    word: Literal["memory", "drift", "fragile"] | None = None
    reason: str | None = None
    shift: Loss | None = None  # of the worst shift
    noise: Loss | None = None
    linear_to: int | None = None  # linear in the state at every lag from the shortest to this; None: not even there
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The tests that the word rests on."""
        return tuple(name for name in ("shift", "noise") if getattr(self, name) is not None)

    def text(self) -> str:
        """`memory (shift −0.01, noise 0.00, linear to 64)`; `memory by the noise test alone (noise 0.00; shift: …)`."""
        found = [f"{name} {_signed(-getattr(self, name).value)}" for name in self.rests_on]
        if "linear" not in self.skipped and self.s >= REACHED:
            found.append("not linear" if self.linear_to is None else f"linear to {self.linear_to}")
        reasons = {why: [name for name in self.skipped if self.skipped[name] == why] for why in self.skipped.values()}
        notes = [", ".join(found)] * bool(found) + [f"{', '.join(those)}: {why}" for why, those in reasons.items()]
        alone = f" by the {self.rests_on[0]} test alone" if len(self.rests_on) == 1 else ""
        return f"{self.word or self.reason}{alone}" + (f" ({'; '.join(notes)})" if notes else "")


def audit_verdict(records: Sequence[Record]) -> Verdict | None:
    """The verdict on one cell from its seeds; None where no finished one was audited.

    No word below s = REACHED, nor where neither test was made. A loss counts where it is above LOSS and its lower limit
    above 0; drift is named before fragility.
    """
    ok = [(r.audit, r.facts) for r in finished([r for r in records if r.audit]) if r.audit and r.facts]
    if not ok:
        return None
    audits, facts = [audit for audit, _ in ok], ok[0][1]
    lag, plain = audits[0].lag, float(np.mean([_s(audit.plain, facts)[0] for audit in audits]))
    verdict = Verdict(lag=lag, unit=facts.lag_unit, n_seeds=len(ok), s=plain)
    if plain < REACHED:
        return replace(verdict, reason=f"does not recall at lag {lag}")
    shift = _worst_shift([(audit.plain, score) for audit in audits for score in audit.shifted if score.at], facts)
    noise = _loss([(audit.plain, audit.perturbed) for audit in audits if audit.perturbed], facts)
    decoded = [score for audit in audits for score in audit.decoded]
    missing = {"shifted": shift is None, "perturbed": noise is None, "decoded": not decoded}
    said = {part: why for audit in audits for part, why in audit.skipped.items()}
    skipped = {TESTS[part]: said.get(part, "not asked") for part, gone in missing.items() if gone}
    verdict = replace(verdict, shift=shift, noise=noise, linear_to=_linear_to(decoded, facts), skipped=skipped)
    if shift is not None and shift.real:
        return replace(verdict, word="drift")
    if noise is not None and noise.real:
        return replace(verdict, word="fragile")
    if shift is None and noise is None:
        return replace(verdict, reason=f"recalls at lag {lag}, untested")
    return replace(verdict, word="memory")


def _s(score: Score, facts: Facts) -> tuple[float, float]:
    """s and its variance over the examples: binomial, or that of the mean square of n normal errors, 2 mse² / n."""
    mean, s = score.total / score.n, strength(score.total, score.n, facts)
    if facts.metric == "mse":
        return s, 2 * (mean / facts.chance) ** 2 / score.n
    return s, mean * (1 - mean) / (1 - facts.chance) ** 2 / score.n


def _loss(pairs: list[tuple[Score, Score]], facts: Facts, among: int = 1) -> Loss | None:
    """The loss from a seed's first score to its second, one of so many (limits are Bonferroni's); None: no pairs."""
    if not pairs:
        return None
    both = np.array([[_s(score, facts) for score in pair] for pair in pairs])  # (S, 2, 2)
    value = float((both[:, 0, 0] - both[:, 1, 0]).mean())
    error = float(both[..., 1].sum()) ** 0.5 / len(pairs)
    z = float(special.ndtri(1 - (1 - LEVEL) / 2 / among))
    return Loss(value, value - z * error, pairs[0][1].at)


def _worst_shift(pairs: list[tuple[Score, Score]], facts: Facts) -> Loss | None:
    """The greatest loss, of those that are real if any is."""
    places = sorted({score.at for _, score in pairs})
    losses = [_loss([pair for pair in pairs if pair[1].at == at], facts, among=len(places)) for at in places]
    return max((each for each in losses if each), key=lambda loss: (loss.real, loss.value), default=None)


def _linear_to(scores: list[Score], facts: Facts) -> int | None:
    """The longest lag up to which the answer is linear in the state at every lag; None: not at the shortest."""
    lags = sorted({score.at for score in scores})
    s = [np.mean([_s(score, facts)[0] for score in scores if score.at == lag]) for lag in lags]
    linear = int(np.argmin([*(np.array(s) >= DECODED), False]))
    return lags[linear - 1] if linear else None


def _signed(change: float) -> str:
    text = f"{change:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text
