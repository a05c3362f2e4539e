"""The cells that have no record yet, run: on this machine or on a Ray cluster, until every one has its record."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console

from benchmark.display import Display, duration, title
from benchmark.launch.claims import Claims
from benchmark.launch.finish import path_of, say
from benchmark.launch.local import Pool, refuse_too_large
from benchmark.launch.manner import Manner
from benchmark.launch.queue import Queue, queue_of
from benchmark.launch.watch import Watch
from benchmark.parsing import check_output
from benchmark.preflight import refuse_impossible
from benchmark.prepare import prepare
from benchmark.registry import UsageError
from benchmark.run_options import RunOptions
from benchmark.running import forget
from leaderboard.cell import Cell


def run_missing(
    console: Console,
    asked: Mapping[str, Cell],
    missing: Mapping[str, Cell],
    options: RunOptions,
    manner: Manner,
    before: str,
    core_seconds: float,
) -> None:
    """Run `missing` of the cells that were asked for; `before` says how many there were. Raises as `finish` does."""
    if manner.launcher == "ray":
        from benchmark.launch.joining import check_address

        check_address(manner.address)
    else:
        refuse_too_large(manner.resources)
    cells = list(missing.values())
    prepare(cells, console)
    with console.status("every model is tried once, as long as it will have to run"):
        refuse_impossible(cells)
    check_output(options.folder)
    _forget(missing, options)
    expected = core_seconds / (manner.workers or os.cpu_count() or 1)
    say(console, before + (f", about {duration(expected)}" if expected else ""))
    with (
        _told(asked, options),
        Display(console, len(cells)) as display,
        queue_of(cells, options, display.elsewhere) as queue,
    ):
        run_cells(queue, manner, display)


def run_cells(queue: Queue, manner: Manner, watch: Watch) -> None:
    """Run every cell of the queue; each leaves a record, whatever becomes of it.

    Raises OSError where a machine fails rather than a cell, and KeyboardInterrupt once workers have saved what they
    can.
    """
    if manner.launcher == "ray":
        from benchmark.launch.on_ray import Cluster

        Cluster(queue, manner, watch).run()
    else:
        Pool(queue, manner, watch).run()


def _forget(missing: Mapping[str, Cell], options: RunOptions) -> None:
    """Remove the records of what is to be run again. Raises UsageError where another process is at work on it."""
    recorded = {key: cell for key, cell in missing.items() if path_of(key, options.folder).exists()}
    claims = Claims(options.folder)
    try:
        for key, cell in recorded.items():
            if not claims.take(key):
                raise UsageError(f"another spanbench runs {title(cell)} in {options.folder}: wait for it")
        for cell in recorded.values():
            forget(cell, options)
    finally:
        claims.drop_all()


@contextmanager
def _told(asked: Mapping[str, Cell], options: RunOptions) -> Iterator[None]:
    """An end before the end says how far it came; being terminated is being interrupted."""

    def count() -> str:
        n = sum(path_of(key, options.folder).exists() for key in asked)
        return f"{n} of {len(asked)} cells are done, and the same command goes on from here"

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    usual = signal.signal(signal.SIGTERM, interrupt) if main else None
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: {count()}") from None
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}: {count()}", error.filename) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, usual)
