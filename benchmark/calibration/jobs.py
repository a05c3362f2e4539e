"""All checks, in this process or in two, each with one thread."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from benchmark import environment
from benchmark.calibration import audit, context, gradient, influence, joint, recall
from benchmark.calibration.frozen import Checked, one_thread
from leaderboard.calibration import Check, Name, Trace

Part = Callable[[bool], Checked]
PARTS: dict[Name, Sequence[Part]] = {
    "recall": recall.PARTS,
    "context": context.PARTS,
    "influence": influence.PARTS,
    "gradient": gradient.PARTS,
    "audit": audit.PARTS,
    "joint": joint.PARTS,
}


class Job(NamedTuple):
    """A part of a measure's checks."""

    measure: Name
    part: int


def jobs(measures: Sequence[Name]) -> list[Job]:
    """The parts of some measures, in order."""
    return [Job(measure, part) for measure in PARTS if measure in measures for part in range(len(PARTS[measure]))]


def run(todo: Sequence[Job], reduced: bool, processes: int) -> Iterator[list[Check | Trace]]:
    """What each job found, in order."""
    work = partial(done, reduced=reduced)
    if processes == 1:
        yield from map(work, todo)
        return
    spawn = multiprocessing.get_context("spawn")
    with environment.for_workers({}), ProcessPoolExecutor(processes, spawn, one_thread) as pool:
        yield from pool.map(work, todo)


def done(job: Job, reduced: bool) -> list[Check | Trace]:
    """The checks of a job. One that raises fails, with its reason."""
    part = PARTS[job.measure][job.part]
    found: list[Check | Trace] = []
    try:
        for each in part(reduced):
            found.append(each)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        found.append(
            Check(measure=job.measure, system=part.__name__, what="runs", found=said, expected="runs", passed=False)
        )
    return found
