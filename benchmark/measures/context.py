"""The negative log-likelihood of target blocks of text, given exactly so much context."""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.training import Trained
from leaderboard.measured import Losses
from tasks.base import Feed, Task


def block_losses(trained: Trained, task: Task, feed: Feed, contexts: Sequence[int]) -> list[Losses]:
    """Score the test blocks once after each context."""
    return [
        Losses(
            context=context,
            nats=[nats if size else None for nats, size in zip(found["nats"], found["n_bytes"], strict=True)],
            n_tokens=sum(found["n_tokens"]),
            context_tokens=sum(found["context_tokens"]),
        )
        for context, found in zip(contexts, trained.test(task, replace(feed, test_lags=contexts)), strict=True)
    ]
