"""W&B's own process, beside ours: a call into it ends, whatever has become of it."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

PATIENCE = 120.0  # seconds after which it counts as hung

T = TypeVar("T")


def limited(work: Callable[[], T]) -> T:
    """What `work` returns. Raises what it raises, or TimeoutError after PATIENCE; `drop` ends what still hangs then."""
    found: Future[T] = Future()

    def go() -> None:
        try:
            found.set_result(work())
        except SystemExit as error:  # W&B would end our process where its own did not end well
            found.set_exception(RuntimeError(f"its process exited with {error.code}"))
        except BaseException as error:
            found.set_exception(error)

    Thread(target=go, daemon=True).start()
    if not wait([found], PATIENCE).done:
        raise TimeoutError(f"no answer in {PATIENCE:.0f} s")
    return found.result()


def drop() -> None:
    """End the process, be it alive, dead or hung, so that the next run gets a new one."""
    import wandb
    from wandb.sdk import wandb_setup

    connection = wandb_setup.singleton()._connection
    if connection is not None and connection._proc is not None:
        connection._proc._process.kill()
        connection._proc.join()
    with suppress(Exception):  # killed, it cannot say goodbye
        limited(partial(wandb.teardown, 1))
