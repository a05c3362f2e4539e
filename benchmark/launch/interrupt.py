"""Ctrl-C in a process that trains by itself: once to save what can be saved and end, twice to stop at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from benchmark.checkpoint import Stop, Stopped
from benchmark.launch.local import PATIENCE


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Whether a stop has been asked for. What is not in training to notice it ends after a while all the same."""
    asked = threading.Event()
    usual = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            signal.signal(signal.SIGINT, usual)
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt
        asked.set()
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    heard = [number for number in heard if signal.getsignal(number) is not signal.SIG_IGN]  # ignored, it stays so
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield asked.is_set
    except Stopped:
        raise KeyboardInterrupt("interrupted; the same command goes on from its checkpoint") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
