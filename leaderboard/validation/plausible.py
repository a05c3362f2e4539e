"""Sums that can be: as many answers as were asked for, no better than the source allows, by the rules of the regime."""

import math
from collections.abc import Iterator, Sequence

from leaderboard.measured import Losses, Outcome
from leaderboard.protocol import HOLDS, LOST
from leaderboard.record import Record
from leaderboard.statistics.curves import strength
from leaderboard.suite import OfficialCell, Read, Suite, Tested
from leaderboard.validation.against_suite import Problem

MAX_ERROR = 1e6  # mean squared error of an answer
TWICE = 2  # validations in a row that end a training
MAX_NATS = 100.0  # a byte: 144 bits, where knowing nothing costs 8


def curve_problems(official: OfficialCell, record: Record) -> Iterator[Problem]:
    """The lags that the regime tests, each with the answers that the task asks."""
    tests = {test.lag: test for test in official.tests if test.seed == record.cell.seed}
    lags = [outcome.lag for outcome in record.curve]
    if official.is_text:
        if record.curve:
            yield "curve", "expected none: text to predict has losses"
        return
    if lags != sorted(set(lags)) or not set(lags) <= tests.keys():
        yield "curve", f"expected distinct lags, ascending, out of {', '.join(map(str, tests))}"
        return
    for number, outcome in enumerate(record.curve):
        for field, expected in _outcome_problems(official, outcome, tests[outcome.lag]):
            yield f"curve.{number}.{field}", expected
    wanted = _lags_due(official, record, list(tests))
    if record.status == "ok" and lags != wanted:
        yield "curve", f"expected the lags {', '.join(map(str, wanted))}, got {', '.join(map(str, lags)) or 'none'}"


def _outcome_problems(official: OfficialCell, outcome: Outcome, test: Tested) -> Iterator[Problem]:
    budget, facts = official.cell.budget, official.facts
    if outcome.n != test.n:
        yield "n", f"expected {test.n}, got {outcome.n}"
    if outcome.lag_tokens != test.lag_tokens:
        yield "lag_tokens", f"expected {test.lag_tokens}, as the tokenizer has it, got {outcome.lag_tokens}"
    if facts.metric == "accuracy" and not (outcome.total <= outcome.n and outcome.total == int(outcome.total)):
        yield "total", f"expected a whole number of right answers, at most {outcome.n}, got {outcome.total}"
    if facts.metric == "mse" and outcome.total > MAX_ERROR * outcome.n:
        yield "total", f"expected at most {MAX_ERROR:g} an answer, got {outcome.total}"
    if official.cell.regime != "learn":
        if outcome.sequences is not None or outcome.solved is not None:
            yield "sequences", "expected null: lags are mixed in training"
        return
    block = budget.batch_size * budget.val_every
    spent, least = outcome.sequences or 0, block * (TWICE if outcome.solved else 1)
    if not least <= spent <= budget.sequences or spent % block:
        yield "sequences", f"expected a multiple of {block}, {least} to {budget.sequences}, got {outcome.sequences}"
    if outcome.solved is None or (not outcome.solved and spent != budget.sequences):
        yield "solved", "expected true where training ended early, else true or false"


def _lags_due(official: OfficialCell, record: Record, possible: Sequence[int]) -> list[int]:
    """The lags that a finished seed with these outcomes has been tested at."""
    facts, found = official.facts, {outcome.lag: outcome for outcome in record.curve}

    def s(lag: int) -> float | None:
        return strength(found[lag].total, found[lag].n, facts) if lag in found else None

    if official.cell.regime == "learn":
        due: list[int] = []
        for lag in official.cell.lags:
            due.append(lag)
            lost = [(s(each) if each in found else 1.0) < LOST for each in due[-2:]]  # pyright: ignore
            if len(lost) == 2 and all(lost):
                break
        return due
    due = [lag for lag in possible if lag not in official.further]
    for lag in official.further:
        last = s(due[-1])
        if last is None or last < HOLDS:
            break
        due.append(lag)
    return due


def losses_problems(official: OfficialCell, record: Record, suite: Suite) -> Iterator[Problem]:
    """The suite's own target blocks after the contexts asked for, each block's loss within reason."""
    if not official.is_text:
        if record.losses or record.blocks is not None:
            yield "losses", "expected none: the task is not text to predict"
        return
    if record.blocks is not None and record.blocks != suite.blocks:
        yield "blocks", "expected the suite's own target blocks"
    reads = {(read.context, read.foreign): read for read in official.reads}
    if record.status == "ok" and (record.blocks is None or [_key(each) for each in record.losses] != list(reads)):
        yield "losses", f"expected the contexts {_named(official.reads)}"
    if len({_key(each) for each in record.losses}) < len(record.losses):
        yield "losses", "expected each context once"
    for number, losses in enumerate(record.losses):
        if _key(losses) in reads and len(losses.nats) == len(suite.blocks.starts):
            for field, expected in _read_problems(official, losses, reads[_key(losses)], suite):
                yield f"losses.{number}.{field}", expected
        else:
            yield f"losses.{number}", f"expected one of the contexts {_named(official.reads)}, a loss for each block"


def _read_problems(official: OfficialCell, losses: Losses, read: Read, suite: Suite) -> Iterator[Problem]:
    dropped = [number for number, nats in enumerate(losses.nats) if nats is None]
    if dropped != read.dropped:
        yield (
            "nats",
            f"expected null at the {len(read.dropped)} blocks that the tokenizer does not keep, and there alone",
        )
        return
    if (losses.n_tokens, losses.context_tokens) != (read.n_tokens, read.context_tokens):
        yield "n_tokens", f"expected {read.n_tokens} tokens after {read.context_tokens}, as the tokenizer has it"
    pairs = [(nats, n) for nats, n in zip(losses.nats, suite.blocks.n_bytes, strict=True) if nats is not None]
    worst = next((nats for nats, n in pairs if nats > MAX_NATS * n), None)
    if worst is not None:
        yield "nats", f"expected at most {MAX_NATS:g} nats a byte, got {worst:g} for a block"
    kept = [(nats, suite.blocks.n_bytes[i]) for i in suite.kept if (nats := losses.nats[i]) is not None]
    bits = min(_bits(each) for each in (pairs, kept) if each)
    if bits < official.best:
        yield "nats", f"expected no less than {official.best:.3f} bits per byte, got {bits:.3f}"


def _bits(pairs: Sequence[tuple[float, int]]) -> float:
    """Bits per byte of blocks as (nats, bytes)."""
    return math.fsum(nats for nats, _ in pairs) / math.log(2) / sum(n for _, n in pairs)


def _key(losses: Losses) -> tuple[int, bool]:
    return losses.context, losses.foreign


def _named(reads: Sequence[Read]) -> str:
    return ", ".join(f"{read.context}{' foreign' * read.foreign}" for read in reads)
