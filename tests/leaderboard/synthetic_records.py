"""Synthetic records for the tests of this folder."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from leaderboard.record import Budget, Cell, Corpus, Facts, Host, Outcome, Part, Record

HALF_OCTAVES = [round(2 ** (k / 2)) for k in range(2, 23)]  # 2, 3, 4, 6, 8 … 2048
Status = Literal["ok", "diverged", "failed"]
OCTAVES = [16, 32, 64, 128, 256, 512]


def budget(**changes) -> Budget:
    spent = {"sequences": 1600, "batch_size": 32, "lr": 1e-3, "warmup": 10, "weight_decay": 0.0, "clip": 1.0}
    return Budget(**({**spent, "val_every": 50, "n_val": 256, "n_test": 256} | changes))


def part(name: str, **init_args) -> Part:
    return Part(name=name, class_path=f"somewhere.{name.title().replace('-', '')}", init_args=init_args)


def cell(**changes) -> Cell:
    fields = {"model": part("gru", dim=64), "task": part("adding"), "regime": "learn", "lags": OCTAVES, "seed": 0}
    return Cell(**({**fields, "budget": budget()} | changes))


def host(**changes) -> Host:
    fields = {"seconds": 1.5, "peak_bytes": 1000, "device": "cpu", "machine": "here", "versions": {}, "commit": None}
    return Host(**({**fields, "finished": "2025-01-01T00:00:00Z"} | changes))


def facts(**changes) -> Facts:
    fields = {"metric": "accuracy", "chance": 0.0, "baseline": 0.0, "lag_unit": "steps", "n_params": 1000}
    return Facts(**({**fields, "n_params_non_embedding": 900, "flops_per_token": 2000.0} | changes))


def curve(s_by_lag: Mapping[int, float], kappa: float = 1.0, n: int = 1000) -> list[Outcome]:
    """An accuracy curve above a chance of 0."""
    return [Outcome(lag=lag, n=n, total=s * n, lag_tokens=round(lag / kappa * n)) for lag, s in s_by_lag.items()]


def record(
    s_by_lag: Mapping[int, float] | None = None, kappa: float | None = None, status: Status = "ok", **changes
) -> Record:
    """A record of a cell (`changes` are the cell's), on text where `kappa` is given."""
    if kappa is not None:
        changes = {"corpus": Corpus(name="prose", digest="ab" * 32), "tokenizer": part("byte")} | changes
    told = facts(lag_unit="bytes", bytes_per_token=kappa) if kappa is not None else facts()
    made = cell(**changes)
    points = curve(s_by_lag or {}, kappa or 1.0)
    reason = None if status == "ok" else "loss is not finite"
    return Record(id=made.id, cell=made, status=status, reason=reason, facts=told, curve=points, host=host())


def logistic(lags, span: float, slope: float = 2.0, top: float = 1.0) -> dict[int, float]:
    """s falling smoothly through half its height at `span`."""
    x = np.log2(np.asarray(lags, dtype=float))
    return {int(lag): float(v) for lag, v in zip(lags, top / (1 + 2 ** (slope * (x - np.log2(span)))), strict=True)}
