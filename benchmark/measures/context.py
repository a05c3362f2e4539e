"""The context curve: how well are target blocks of text predicted, given exactly so much of what precedes them?"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from benchmark.lit_sequence import LitSequence
from benchmark.metrics import BlockNats
from benchmark.training import Trained
from leaderboard.cell import Cell
from leaderboard.measured import Losses
from leaderboard.protocol import N_FOREIGN, WIDTH, WINDOW
from tasks.base import Task
from tasks.feeds import Feed
from tasks.language import Language
from tasks.text_changes import TextChanges


def contexts(shortest: int, horizon: int, c_max: int) -> list[int]:
    """T and 3/4 T, halved as long as they are no shorter than `shortest`; T doubled as far as `c_max`, and that itself.

    Half octaves, but for rounding; of every context but the shortest two the half is there too.

    >>> contexts(4, 64, 256)
    [4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256]
    """
    found = {c_max, *(horizon << k for k in range(math.floor(math.log2(c_max / horizon)) + 1))}
    for context in (horizon, 3 * horizon // 4):
        while context >= shortest:
            found.add(context)
            context //= 2
    return sorted(found)


def block_losses(trained: Trained, task: Task, feed: Feed, contexts: Sequence[int]) -> list[Losses]:
    """Score the test blocks once after each context."""
    sums = trained.test(task, replace(feed, test_lags=contexts))
    return [losses(context, found, False) for context, found in zip(contexts, sums, strict=True)]


def losses(context: int, sums: dict[str, list[float]], foreign: bool) -> Losses:
    """What a metric gathered of the blocks, those it did not keep marked."""
    return Losses(
        context=context,
        foreign=foreign,
        nats=[nats if size else None for nats, size in zip(sums["nats"], sums["n_bytes"], strict=True)],
        n_tokens=int(sum(sums["n_tokens"])),
        context_tokens=int(sum(sums["context_tokens"])),
    )


@torch.inference_mode()
def foreign_losses(lit: LitSequence, task: Language, cell: Cell, contexts: Sequence[int]) -> list[Losses]:
    """The same at context T with all but the last so many bytes of it from another document: reliance, not benefit.

    Of `N_FOREIGN` blocks at most, spread evenly; as many tokens and bytes are put in as are taken out.
    """
    lit.eval()
    blocks = task.blocks("test", cell.budget.n_test, cell.c_max or cell.horizon)
    chosen = torch.linspace(0, len(blocks) - 1, min(N_FOREIGN, len(blocks))).long().unique().numpy()
    some, changes = blocks.take(chosen), TextChanges(task, WIDTH, WINDOW)
    found = []
    for context in contexts:
        sums = BlockNats()
        pairs = zip(changes.batches(some, cell.horizon), changes.batches(some, context, cell.horizon), strict=True)
        for (first, whole), (_, near) in pairs:
            batch = changes.foreign(some, first, whole, near)
            outputs = lit(batch.inputs.to(lit.device), batch.positions.to(lit.device))
            sums.update(outputs.cpu(), batch.targets, batch)
        found.append(spread(losses(context, sums.reduced(), True), chosen.tolist(), len(blocks)))
    return found


def spread(some: Losses, places: Sequence[int], n: int) -> Losses:
    """The losses of some blocks as those of all n, None for the others."""
    nats: list[float | None] = [None] * n
    for place, value in zip(places, some.nats, strict=True):
        nats[place] = value
    return some.model_copy(update={"nats": nats})
