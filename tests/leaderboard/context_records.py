"""Synthetic records of text scored after several contexts."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from leaderboard.measured import Blocks, Losses
from leaderboard.record import Record
from tests.leaderboard.synthetic_records import facts, language

Nats = Mapping[int, Sequence[float | None]]  # context: nats of each block
OCTAVES = [2**k for k in range(10)]  # 1 … 512
T = 128


def written(
    nats: Nats, sizes: Sequence[int], documents: Sequence[int], seed: int = 0, foreign: Nats | None = None, **told
) -> Record:
    """A record of these losses; a block has 3/4 of a token before it for every byte of context."""

    def losses(context: int, row: Sequence[float | None], foreign: bool) -> Losses:
        tokens = sum(value is not None for value in row) * context * 3 // 4
        return Losses(context=context, foreign=foreign, nats=list(row), n_tokens=1, context_tokens=tokens)

    starts = list(range(0, 1000 * len(sizes), 1000))
    blocks = Blocks(starts=starts, n_bytes=list(sizes), documents=list(documents))
    rows = [losses(context, row, False) for context, row in nats.items()]
    rows += [losses(context, row, True) for context, row in (foreign or {}).items()]
    given = language(2.0, documents=2, seed=seed, lags=[T], c_max=max(T, *nats), measures=["context"])
    told = {"metric": "bits_per_byte", "chance": 8.0, "baseline": 8.0, "lag_unit": "bytes"} | told
    return given.model_copy(update={"blocks": blocks, "losses": rows, "facts": facts(**told)})


def drawn(
    gains: Mapping[int, float], n_seeds: int = 3, n: int = 250, noise: float = 0.02, key: int = 0, **told
) -> list[Record]:
    """Seeds with these gains (others 0) on one block a document, each loss its own noise in bits a byte."""
    rng = np.random.default_rng(key)
    sizes = rng.integers(100, 200, n)
    level = 4.0 - np.cumsum([gains.get(context, 0.0) for context in OCTAVES])
    hard = rng.normal(0, 0.3, (n, 1))
    records = []
    for seed in range(n_seeds):
        bits = level + hard + rng.normal(0, noise, (n, len(OCTAVES)))
        nats = dict(zip(OCTAVES, (bits * math.log(2) * sizes[:, None]).T.tolist(), strict=True))
        records.append(written(nats, sizes.tolist(), range(n), seed, **told))
    return records


def random_nats(
    rng: np.random.Generator, contexts: Sequence[int], sizes: Sequence[int]
) -> dict[int, list[float | None]]:
    return {context: (rng.gamma(4, 0.5, len(sizes)) * sizes).tolist() for context in contexts}
