"""What passes between a driver and its cells on a Ray cluster: how far they are, and whether they are to stop."""

import os
import threading
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmark.launch.joining import ray

BEAT = 0.5  # seconds between two letters of a cell
STOP, END = "stop", "end"  # save what can be saved and stop; end at once, for nobody waits for it any more


class News(NamedTuple):
    """Where an attempt at a cell runs, what it does there, and the share of the cell that is done."""

    node: str
    what: str
    share: float


class Post:
    """The post office, an actor beside the driver: cells bring their news and are given their orders."""

    def __init__(self) -> None:
        self.news: dict[str, News] = {}
        self.ended: set[str] = set()
        self.stopping = False

    def exchange(self, attempt: str, news: News) -> str:
        """An attempt's news, for its orders: STOP, END, or none."""
        self.news[attempt] = news
        return END if attempt in self.ended else STOP if self.stopping else ""

    def heard(self) -> dict[str, News]:
        """What is new since it was asked last."""
        news, self.news = self.news, {}
        return news

    def stop(self) -> None:
        """Every cell is to stop."""
        self.stopping = True

    def end(self, attempt: str) -> None:
        """Nobody waits for this attempt any more."""
        self.ended.add(attempt)


class Link:
    """A cell's end of the line, held by a thread: training need not look, and the driver's death is noticed.

    `post` is the handle of a Post. A process whose driver is gone, or waits for it no longer, ends at once.
    """

    def __init__(self, post: Any, attempt: str) -> None:
        self.post, self.attempt = post, attempt
        self.news = News(ray.get_runtime_context().get_node_id(), "", 0.0)
        self.stopped, self.closed = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed.set()
        self.thread.join()

    def progress(self, what: str, share: float) -> None:
        """Said with the next letter."""
        self.news = self.news._replace(what=what, share=share)

    def _keep(self) -> None:
        while not self.closed.is_set():
            try:
                order = ray.get(self.post.exchange.remote(self.attempt, self.news))
            except ray.exceptions.RayError:
                order = END
            if order == END:
                os._exit(1)
            if order == STOP:
                self.stopped.set()
            self.closed.wait(BEAT)
