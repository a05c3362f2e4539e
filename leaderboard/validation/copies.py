"""Measurements and weights that two trainings have in common: one of them is a copy."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from leaderboard.record import Record
from leaderboard.validation.against_suite import Problem
from leaderboard.validation.findings import Refused
from leaderboard.validation.folder import CELLS, MAIN, MAX_FILE
from leaderboard.validation.strict_json import refuse_many
from leaderboard.validation.submission import Seeds, Submission

M = TypeVar("M", str, float)
B = TypeVar("B", bound=BaseModel)
MANY = 10_000  # files of neighbours that are read once where a whole board is validated
COPIED = 0.05  # share of the figures that may be another training's by chance: single precision has few digits


def figures(records: Iterable[Record]) -> frozenset[float]:
    """Figures of many digits, which no two trainings have in common: the blocks' nats at T, and squared errors."""
    found: set[float] = set()
    for record in records:
        at_t = (each for each in record.losses if each.context == record.cell.horizon and not each.foreign)
        found |= {nats for losses in at_t for nats in losses.nats if nats is not None}
        found |= {outcome.total for outcome in record.curve if outcome.total % 1}
    return frozenset(found)


def repeated(records: Mapping[str, Sequence[Record]]) -> Iterator[Problem]:
    """Trainings of one submission that measured the same: one of them was not made."""
    made = [(f"{key}, seed {record.cell.seed}", figures([record])) for key, each in records.items() for record in each]
    for (name, mine), (other, theirs) in combinations(made, 2):
        if _alike(mine, theirs):
            yield "cells", f"expected measurements of its own for {other}, {name} has them too"


def copies(submission: Submission, records: Mapping[str, Sequence[Record]], folder: Path) -> Iterator[Problem]:
    """Measurements or weights that another submission beside this one has too."""
    weights = _digests(submission)
    mine = {key: figures(each) for key, each in records.items()}
    for path in sorted(folder.resolve().parent.glob(f"*/{MAIN}")):
        other = path.parent
        if other.name == folder.resolve().name or other.is_symlink():
            continue
        if weights & _read(path, _weights_in):
            yield "weights", f"expected weights of its own, {other.name} has some of them"
        for key, own in mine.items():
            if own and _alike(own, _read(other / CELLS / f"{key}.json", _figures_in)):
                yield "cells", f"expected measurements of its own, {other.name} has those of {key} too"


def _alike(mine: frozenset[float], theirs: frozenset[float]) -> bool:
    return len(mine & theirs) > COPIED * len(mine)


def _digests(submission: Submission) -> frozenset[str]:
    return frozenset(digest for names in submission.weights.values() for digest in names.values())


def _read(path: Path, found_in: Callable[[Path, int], frozenset[M]]) -> frozenset[M]:
    """What is found in a neighbour's file; nothing where there is none, or it is not valid: it has its own findings."""
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return frozenset()
    known = path.stat()
    return found_in(path, known.st_mtime_ns) if known.st_size <= MAX_FILE else frozenset()


@lru_cache(MANY)
def _weights_in(path: Path, _changed: int) -> frozenset[str]:
    submission = _model(path, Submission)
    return _digests(submission) if submission else frozenset()


@lru_cache(MANY)
def _figures_in(path: Path, _changed: int) -> frozenset[float]:
    seeds = _model(path, Seeds)
    return figures(seeds.records) if seeds else frozenset()


def _model(path: Path, kind: type[B]) -> B | None:
    data = path.read_bytes()
    try:
        refuse_many(data)
        return kind.model_validate_json(data)
    except (Refused, ValidationError):
        return None
