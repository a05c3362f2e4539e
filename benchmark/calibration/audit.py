"""Memory audit: a latch, a clock and an answer that is lost in noise, each of which recalls everything."""

from functools import partial

from benchmark.calibration.frozen import Checked, cell_of, record_of
from benchmark.calibration.systems import Held, legible
from benchmark.measures.audit import audit
from leaderboard.calibration import number, word
from leaderboard.statistics.audit import audit_verdict
from tasks.delayed_recall import DelayedRecall

HORIZON = 64
KINDS = {
    "latch": (partial(Held), "memory"),
    "clock, open at the first step alone": (partial(Held, clock=True), "drift"),
    "latch beside noise tenfold, taken off": (partial(Held, noise=10.0), "fragile"),
}


def verdicts(reduced: bool) -> Checked:
    """Each is called what it is; a latch can be read off its state at every lag."""
    task = DelayedRecall()
    for name, (kind, expected) in KINDS.items():
        lit = legible(partial(kind, symbols=task.symbols), task)
        cell = cell_of(name, task, "retain", [1, HORIZON], measures=["audit"])
        verdict = audit_verdict([record_of(cell, task, lit, [audit(lit, task, cell)])])
        assert verdict is not None
        yield number("audit", name, f"s at lag {verdict.lag}", verdict.s, 1, 1)
        yield word("audit", name, "verdict", verdict.word or str(verdict.reason), expected)
        if expected == "memory":
            yield word("audit", name, "linear to", str(verdict.linear_to), str(HORIZON))


PARTS = (verdicts,)
