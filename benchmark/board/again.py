"""Cells of a submission run again here: its own seeds, or ones that nobody could have chosen."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from scipy import stats

from benchmark.board.pack import source_digest
from benchmark.options import cell_parser, make_cell
from benchmark.registry import UsageError, unknown
from leaderboard.cell import Cell, Part
from leaderboard.ranking.entrants import SUBMISSIONS
from leaderboard.record import Record
from leaderboard.statistics.curves import strength
from leaderboard.suite import OfficialCell, Suite
from leaderboard.validation.folder import MAIN
from leaderboard.validation.submission import Submission
from leaderboard.validation.validate import validate

ERROR_RATE = 0.01  # of a whole verification: how often an honest submission may fail it
SEEDS = 2**31  # fresh ones lie below
TWICE = 2.0  # the greatest change seen, and as much again
NEGLIGIBLE = 0.1  # share of the scatter between seeds that makes no difference


@dataclass(frozen=True)
class Submitted:
    """A valid submission on this machine, with its model as it can be built here."""

    folder: Path
    submission: Submission
    suite: Suite
    records: dict[str, list[Record]]
    model: Part


@dataclass(frozen=True)
class Draw:
    """A cell to run again with a fresh seed."""

    official: OfficialCell
    seed: int


def read_submitted(text: str, model: str | None) -> Submitted:
    """The submission with an id, or in a folder. `model` says where one from outside the suite lies here.

    Raises UsageError where it is not valid, or where the source is not the one that was submitted.
    """
    folder = folder_of(text)
    checked = validate(folder)
    if checked.findings:
        raise UsageError(f"{folder} is not valid: {checked.findings[0].line()}")
    assert checked.submission is not None
    assert checked.suite is not None
    part = _local(checked.submission, model)
    return Submitted(folder, checked.submission, checked.suite, checked.records, part)


def folder_of(text: str) -> Path:
    """Where the submission with an id lies, or the one in a folder. Raises UsageError naming the choices."""
    if (Path(text) / MAIN).is_file():
        return Path(text)
    known = sorted(path.parent.name for path in SUBMISSIONS.glob(f"*/{MAIN}"))
    if text not in known:
        raise unknown("submission", text, known)
    return SUBMISSIONS / text


def _local(submission: Submission, model: str | None) -> Part:
    """The submitted model, its class found here and its source compared. Nothing that was submitted is run."""
    part = submission.model
    if part.source is None and model is not None:
        raise UsageError(f"{submission.id} is a model of the suite, {part.class_path}: leave --model out")
    if part.source is not None:
        if model is None:
            raise UsageError(
                f"{submission.id} brings a model of its own: say where it is, --model PATH/{part.class_path}"
            )
        cell, _, _ = make_cell(["--model", model, "--task", "delayed_recall"], cell_parser())
        if cell.model.source != part.source:
            raise UsageError(f"{model} is not the source that was submitted: its digest is not {part.source[:12]}…")
        part = part.model_copy(update={"class_path": cell.model.class_path})
    if source_digest(part) != submission.source:
        at = f" (commit {submission.commit})" if submission.commit else ""
        raise UsageError(f"{part.class_path} is not as it was submitted{at}: check that commit out")
    return part


def cell_of(submitted: Submitted, official: OfficialCell, seed: int) -> Cell:
    """An official cell of the submission as it is run here."""
    lr = submitted.records[official.key][0].cell.budget.lr
    return official.for_model(submitted.model, seed, lr)


def draws(digest: str, value: str, suite: Suite, k: int) -> list[Draw]:
    """k cells and fresh seeds for them, by a hash of the submission and a public value that was fixed after it.

    Who submits cannot know `value`, and so cannot prepare the cells that will be looked at; who verifies cannot choose.
    """
    if not 1 <= k <= len(suite.cells):
        raise UsageError(f"--rerun must be 1 to {len(suite.cells)} cells, got {k}")

    def number(what: str) -> int:
        return int(hashlib.sha256(f"{digest}\n{value}\n{what}".encode()).hexdigest(), 16)

    chosen = sorted(suite.cells, key=lambda official: number(official.key))[:k]
    return [Draw(official, number(f"{official.key}\nseed") % SEEDS) for official in chosen]


def allowance(official: OfficialCell, n_seeds: int, n_cells: int, n_new: int = 1, one_sided: bool = True) -> float:
    """How far the mean of `n_new` runs may lie from the mean of the submitted seeds, in raw score.

    A t interval for new runs, its scatter the one between seeds that the suite's own models showed in this cell, at
    `ERROR_RATE` over all `n_cells` that are looked at (Bonferroni).
    """
    level = ERROR_RATE / n_cells / (1 if one_sided else 2)
    width = (1 / n_new + 1 / n_seeds) ** 0.5
    return float(stats.t.isf(level, max(1, official.spread_df))) * official.spread * width


def rescoring_allowance(official: OfficialCell, record: Record, suite: Suite) -> float:
    """How far apart two scorings of the same weights may be, in raw score, by what the suite's own models showed.

    What is less than a tenth of the scatter between seeds moves no rank. Where rounding did more than that: of answers
    that are right or wrong as many may flip as happens at `ERROR_RATE` over all records, at the greatest rate that the
    flips seen allow (the upper 95% limit of a Poisson count); other figures may move by twice the greatest change seen.
    """
    seen, negligible = suite.tolerance, NEGLIGIBLE * official.spread
    if official.facts.metric != "accuracy":
        return max(negligible, TWICE * (seen.bits if official.is_text else seen.recall))
    rate = stats.chi2.isf(0.05, 2 * (seen.flips + 1)) / 2 / max(1, seen.answers)
    level = ERROR_RATE / (len(suite.cells) * len(suite.seeds))
    flips = float(stats.poisson.isf(level, rate * sum(outcome.n for outcome in record.curve)))
    answers = sum(outcome.n for outcome in record.curve) * (1 - official.facts.chance)
    return max(negligible, flips / answers)


def apart(record: Record, again: Record, suite: Suite) -> float:
    """How far two scorings are apart: the mean |Δs| over all lags, or the greatest Σ |Δ nats| a byte at any context."""
    if record.curve:
        assert record.facts is not None
        pairs = zip(record.curve, again.curve, strict=True)
        facts = record.facts
        return fmean(abs(strength(a.total, a.n, facts) - strength(b.total, b.n, facts)) for a, b in pairs)
    n_bytes = sum(suite.blocks.n_bytes[block] for block in suite.kept)
    both = [pair for pair in zip(record.losses, again.losses, strict=True) if not pair[0].foreign]
    moved = (sum(abs((a.nats[k] or 0.0) - (b.nats[k] or 0.0)) for k in suite.kept) for a, b in both)
    return max(moved) / math.log(2) / n_bytes


def shortfall(official: OfficialCell, submitted: Sequence[float], found: float) -> float:
    """How much worse a run is than the mean submitted; negative where it is better."""
    mean = sum(submitted) / len(submitted)
    return found - mean if official.is_text else mean - found
