"""`spanbench reproduce`: a row of the leaderboard trained again, from its record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from benchmark.board.again import allowance, cell_of, read_submitted
from benchmark.launch.finish import finish
from benchmark.parsing import manner_of
from benchmark.registry import unknown
from benchmark.run_options import RunOptions
from leaderboard.record import Record
from leaderboard.scores import mean_score, raw_score
from leaderboard.suite import OfficialCell, Suite

Verdict = Literal["identical", "within tolerance", "differs", "did not finish"]


@dataclass(frozen=True)
class Reproduced:
    """One cell: mean raw scores over the seeds, then and now, and how far apart they may be."""

    key: str
    then: float | None
    now: float | None
    allowed: float
    verdict: Verdict


def reproduce(row: str, model: str | None = None, output: str = "runs", **how: Any) -> int:
    """Run a submission's cells again, those of one key where `row` is ID:CELL; 1 where a cell differs."""
    manner, again = manner_of(how)
    id, colon, key = row.partition(":")
    submitted = read_submitted(id, model)
    suite = submitted.suite
    if colon and key not in suite.by_key:
        raise unknown("cell", key, suite.by_key)
    officials = [suite.by_key[key]] if key else suite.cells
    cells = [cell_of(submitted, official, seed) for official in officials for seed in suite.seeds]
    console = Console(highlight=False, soft_wrap=True)
    options = RunOptions(Path(output) / "reproduce" / submitted.submission.id, "disabled", "reproduce")
    caption = f"{submitted.submission.name}, {key or 'the whole row'}"
    records, _ = finish(console, cells, options, manner, caption, again)
    n = len(suite.seeds)
    found = [
        judged(official, submitted.records[official.key], records[n * i : n * (i + 1)], suite, len(officials))
        for i, official in enumerate(officials)
    ]
    console.print(_table(found))
    bad = [each for each in found if each.verdict not in ("identical", "within tolerance")]
    same = sum(each.verdict == "identical" for each in found)
    said = f"{len(bad)} of {len(found)} cells are not reproduced" if bad else "reproduced"
    console.print(f"{submitted.submission.id}: {said}; {same} of {len(found)} are identical in every sum")
    return 1 if bad else 0


def judged(
    official: OfficialCell, then: Sequence[Record], now: Sequence[Record], suite: Suite, n_cells: int
) -> Reproduced:
    """Identical where every sum is; else by the scatter between seeds of the suite's own models, over `n_cells`."""
    scores = [mean_score([raw_score(official, record, suite) for record in each]) for each in (then, now)]
    allowed = allowance(official, len(then), n_cells, len(now), one_sided=False)
    if all(map(_same_sums, then, now)):
        return Reproduced(official.key, scores[0], scores[1], allowed, "identical")
    if scores[0] is None or scores[1] is None:
        return Reproduced(official.key, scores[0], scores[1], allowed, "did not finish")
    verdict: Verdict = "within tolerance" if abs(scores[0] - scores[1]) <= allowed else "differs"
    return Reproduced(official.key, scores[0], scores[1], allowed, verdict)


def _same_sums(a: Record, b: Record) -> bool:
    return (a.status, a.curve, a.blocks, a.losses) == (b.status, b.curve, b.blocks, b.losses)


def _table(found: Sequence[Reproduced]) -> Table:
    table = Table("cell", "submitted", "again", "allowed", "verdict", box=None, pad_edge=False)
    for each in found:
        scores = ("–" if score is None else f"{score:.4f}" for score in (each.then, each.now))
        table.add_row(each.key, *scores, f"±{each.allowed:.4f}", each.verdict)
    return table
