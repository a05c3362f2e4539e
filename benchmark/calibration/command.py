"""`spanbench calibrate`: every measure against systems whose span is known."""

import os
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.calibration.frozen import one_thread, provenance
from benchmark.calibration.jobs import jobs, run
from benchmark.display import duration
from benchmark.parsing import check_output
from benchmark.registry import unknown
from leaderboard.calibration import HEADER, MEASURES, Calibration, Check, Name, Trace, blocked, row, summary
from leaderboard.reports.calibration_page import write_calibration

PROCESSES = 2


def calibrate(output: str, reduced: bool, only: str | None) -> int:
    """Check, print, write OUTPUT/calibration. Exit code 1 where a check fails. Raises UsageError."""
    measures = asked(only)
    folder = Path(output) / ("calibration" if only is None else "calibration-part")  # a part vouches for nothing
    check_output(folder)
    console, begin = Console(highlight=False), time.monotonic()
    found: list[Check | Trace] = []
    todo = jobs(measures)
    processes = 1 if reduced else min(PROCESSES, os.cpu_count() or 1, len(todo))
    one_thread()
    with console.status("calibrating") as status:
        for number, part in enumerate(run(todo, reduced, processes), 1):
            found += part
            status.update(f"calibrating: {number} of {len(todo)} parts")
            if not console.is_terminal:
                for check in checks_of(part):
                    console.print(plain(check), markup=False, soft_wrap=True)
    calibration = Calibration(
        reduced=reduced,
        seconds=time.monotonic() - begin,
        checks=checks_of(found),
        traces=[each for each in found if isinstance(each, Trace)],
        **provenance(),
    )
    written = write_calibration(calibration, folder)
    report(console, calibration)
    console.print(f"written to {folder}: {', '.join(path.name for path in written)}", markup=False, soft_wrap=True)
    return 1 if calibration.failed else 0


def asked(only: str | None) -> list[Name]:
    """The measures that --only names, or all. Raises UsageError."""
    names = list(MEASURES) if only is None else only.split(",")
    for name in names:
        if name not in MEASURES:
            raise unknown("measure", name, MEASURES)
    return [measure for measure in MEASURES if measure in names]


def checks_of(found: list[Check | Trace]) -> list[Check]:
    """The checks among what was found."""
    return [each for each in found if isinstance(each, Check)]


def plain(check: Check) -> str:
    """A check in one line, its measure first."""
    system, what, value, expected, verdict = row(check)
    return f"{check.measure}: {system}: {what}: {value} (expected {expected}) {verdict}"


def report(console: Console, calibration: Calibration) -> None:
    """The whole as a table on a terminal, and a last word anywhere."""
    if console.is_terminal:
        table = Table("measure", *HEADER, box=None, pad_edge=False)
        for check in calibration.checks:
            cells = [check.measure, *row(check)]
            table.add_row(*map(Text, cells), style=None if check.passed else "bold red")
        console.print(table)
    for measure, reason in blocked(calibration).items():
        console.print(f"{measure} is blocked: {reason}", markup=False, soft_wrap=True)
    console.print(f"{summary(calibration)}, {duration(calibration.seconds)}", markup=False, soft_wrap=True)
