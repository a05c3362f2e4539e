"""Synthetic records for the tests of this folder."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from leaderboard.cell import Budget, Cell, Corpus, Part
from leaderboard.measured import Blocks, Losses, Outcome
from leaderboard.record import Facts, Host, Record

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


def language(
    bits: float, kappa: float = 1.0, documents: int = 300, dropped: Sequence[int] = (), noise: float = 0.1, **changes
) -> Record:
    """A record of text predicted at about `bits` per byte, two blocks a document; some documents are harder for all."""
    name = changes.get("tokenizer", part("byte")).name
    asked = {"regime": "language", "task": part("language"), "lags": [256], "tokenizer": part("byte")} | changes
    made = cell(**({"corpus": Corpus(name="prose", digest="ab" * 32)} | asked))
    sizes = 128 + np.arange(2 * documents) % 5
    hard = np.random.default_rng(0).normal(0, 0.3, documents).repeat(2)
    own = np.random.default_rng([made.seed, len(name), ord(made.model.name[0])]).normal(0, noise, 2 * documents)
    nats = np.log(2) * sizes * np.maximum(bits + hard + own, 0.05)
    blocks = Blocks(
        starts=(1000 * np.arange(2 * documents)).tolist(),
        n_bytes=sizes.tolist(),
        documents=np.arange(documents).repeat(2).tolist(),
    )
    found = [None if i in dropped else float(value) for i, value in enumerate(nats)]
    losses = Losses(context=256, nats=found, n_tokens=round(sizes.sum() / kappa), context_tokens=512 * documents)
    told = facts(metric="bits_per_byte", chance=8.0, baseline=8.0, lag_unit="bytes", bytes_per_token=kappa)
    return Record(id=made.id, cell=made, status="ok", facts=told, blocks=blocks, losses=[losses], host=host())


Model = tuple[float, float, float]  # learning span in bytes at κ = 1 (0: none), its elasticity, bits per byte
MODELS: dict[str, Model] = {
    "gru": (48, 1, 2.5),
    "lstm": (40, 0.9, 2.6),
    "tcn": (60, 0.1, 2.4),
    "transformer": (9e3, 1, 2.2),
}
KAPPAS = {"byte": 1.0, "bpe-512": 1.95, "bpe-2048": 2.6, "bpe-8192": 3.4}


def comparison(
    models: Mapping[str, Model] = MODELS, kappas: Mapping[str, float] = KAPPAS, seeds: int = 3, documents: int = 300
) -> list[Record]:
    """Three questions for each model × tokenizer × seed; retention holds four times as far as learning reaches."""
    rng, found = np.random.default_rng(0), []
    tested = [16, 32, 64, 128, 256]
    for seed in range(seeds):
        for model, (span, gamma, bits) in models.items():
            for name, kappa in kappas.items():
                who = {"model": part(model), "tokenizer": part(name), "seed": seed}
                own = [(span or 1) * kappa**gamma * 2 ** rng.normal(0, 0.25) for _ in range(2)]
                curves = [logistic(tested, own[0], 4.0), logistic(HALF_OCTAVES[6:], 4 * own[1], 3.0)]
                if not span:
                    curves = [dict.fromkeys(curve, 0.0) for curve in curves]
                found.append(record(curves[0], kappa, **who, task=part("planted"), lags=tested))
                retain = {"regime": "retain", "lags": [16, 128], "task": part("planted")}
                found.append(record(curves[1], kappa, **who, **retain))
                at = bits - 0.2 * np.log2(kappa) + rng.normal(0, 0.02)
                found.append(language(at, kappa, documents, **who))
    return found
