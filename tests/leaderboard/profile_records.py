"""A model's synthetic records for the tests of profiles: every measure, with spans known in closed form."""

import numpy as np

from leaderboard.measured import Audit, Gradient, Influence, Moved, Score, Skipped, Slope
from leaderboard.record import Record
from tests.leaderboard.context_records import drawn
from tests.leaderboard.synthetic_records import HALF_OCTAVES, logistic, part, record

RHO = 0.9  # of the influence: the last lag above 1% is 1 + ⌊ln .01 / ln ρ⌋ = 44
LAGS = [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128]
DOCUMENTS = list(range(20))
KAPPA = 2.0


def influence(rho: float = RHO, edge: int = 10**6) -> Influence:
    """ρ^(lag − 1) in every document, nothing from lag `edge` on; a token has KAPPA bytes."""
    return Influence(
        documents=DOCUMENTS,
        curve=[
            Moved(
                lag=lag,
                amplitudes=[rho ** (lag - 1) if lag < edge else 0.0] * len(DOCUMENTS),
                lag_sum=lag * len(DOCUMENTS),
                lag_tokens=round(lag / KAPPA * len(DOCUMENTS)),
            )
            for lag in LAGS
        ],
        leaks=[0.0],
    )


def gradient(gates: bool = True) -> Gradient:
    """ρ^lag before training, lag^−1 after it; each document has its own level. Lags are tokens of KAPPA bytes."""
    level = np.linspace(0.5, 1.5, len(DOCUMENTS))
    return Gradient(
        documents=DOCUMENTS,
        curve=[
            Slope(
                lag=lag,
                lag_sum=round(lag * KAPPA * len(DOCUMENTS)),
                lag_tokens=lag * len(DOCUMENTS),
                before=(level * RHO**lag).tolist(),
                after=(level / lag).tolist(),
            )
            for lag in LAGS
        ],
        gates=[[0.9**lag for lag in LAGS], [0.99**lag for lag in LAGS]] if gates else None,
    )


def audit() -> Audit:
    scores = [Score(at=at, n=1000, total=950) for at in (0, 32, 64)]
    return Audit(lag=32, plain=scores[0], shifted=scores, skipped={"perturbed": "no state", "decoded": "no state"})


def model_records(seeds: int = 3, model: str = "gru", tokenizer: str = "bpe-512") -> list[Record]:
    """Learning span 48 bytes, retention span 192; context gains .02 at 16 and .005 at 64; all else as above."""
    who = {"model": part(model, dim=64), "tokenizer": part(tokenizer)}
    found = []
    text = drawn({16: 0.02, 64: 0.005}, seeds, noise=0.005, bytes_per_token=KAPPA)
    for seed in range(seeds):
        learn = {"task": part("planted"), "lags": [16, 32, 64, 128], "seed": seed, **who}
        found.append(record(logistic([16, 32, 64, 128], 48, 6.0), KAPPA, **learn))
        retain = learn | {"regime": "retain", "lags": [16, 128], "measures": ["influence", "gradient", "audit"]}
        held = record(logistic(HALF_OCTAVES[6:19], 192, 3.0), KAPPA, **retain)
        found.append(held.model_copy(update={"influence": influence(), "gradient": gradient(), "audit": audit()}))
        cell = text[seed].cell.model_copy(update=who)
        more = {"id": cell.id, "cell": cell, "influence": influence(edge=32)}
        found.append(text[seed].model_copy(update=more | {"skipped": [Skipped(measure="gradient", reason="no room")]}))
    return found
