"""The report of 100,000 records, straight from their files: seconds and memory of the whole command."""

import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.registry import entry, names
from benchmark.tables import table_named
from leaderboard.cell import Cell, Corpus, Part
from leaderboard.measured import Blocks, Losses, Outcome
from leaderboard.record import Facts, Host, Record, SplitFacts, write_record
from tests.bench.measures import TOP, alternate, clock

SEEDS = 9
WIDTHS = (64, 128)  # of every model
LONGEST = (64, 128, 256, 512)  # T of every task that is not text
TEXT = ("planted", "planted-4", "planted-blank")
KAPPAS = {"byte": 1.0, "bpe-512": 1.95, "bpe-2048": 2.6, "bpe-8192": 3.4}
CONTEXTS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
N_BLOCKS, N_TEST = 269, 256
CORPORA = [Corpus(name=name, digest=hashlib.sha256(name.encode()).hexdigest()) for name in ("sympy", "prose")]
BUDGET = {"sequences": 12_800, "batch_size": 32, "lr": 3e-3, "warmup": 50, "weight_decay": 0.01, "clip": 1.0}
HOST = {
    "device": "cpu",
    "machine": "Linux x86_64, 2 cores",
    "commit": "a" * 40,
    "finished": "2026-01-01T00:00:00+00:00",
}
VERSIONS = dict.fromkeys(("python", "torch", "lightning", "torchmetrics", "tokenizers", "numpy"), "1.2.3")
SPLIT = SplitFacts(digest="ab" * 32, n_documents=300, n_bytes=5_000_000)


def part(kind: str, name: str, **init_args: Any) -> Part:
    found = entry(kind, name) if kind != "tokenizers" else {"class_path": f"tasks.{name}", "init_args": {}}
    return Part(name=name, class_path=found["class_path"], init_args={**found["init_args"], **init_args})


def questions() -> Iterator[dict[str, Any]]:
    """Every column: 25 tasks by four lengths or four tokenizers, learned and retained, and two texts to predict."""
    plain = sorted(set(names("tasks")) - {*TEXT, "language"})[: 25 - len(TEXT)]
    for name, longest, regime in itertools.product(plain, LONGEST, ("learn", "retain")):
        lags = [16 << k for k in range(6) if 16 << k <= longest] if regime == "learn" else [2, longest]
        yield {"task": part("tasks", name), "regime": regime, "lags": lags}
    for name, tokenizer, regime in itertools.product(TEXT, KAPPAS, ("learn", "retain")):
        text = {"tokenizer": part("tokenizers", tokenizer), "corpus": CORPORA[0]}
        lags = [16, 32, 64, 128, 256] if regime == "learn" else [16, 256]
        yield {"task": part("tasks", name), "regime": regime, "lags": lags, **text}
    for corpus, tokenizer in itertools.product(CORPORA, KAPPAS):
        text = {"tokenizer": part("tokenizers", tokenizer), "corpus": corpus, "task": part("tasks", "language")}
        yield {"regime": "language", "lags": [256], "c_max": 1024, "measures": ["context"], **text}


def cells() -> Iterator[Cell]:
    """Every model at two widths, each question, each seed: 101,088."""
    grid = itertools.product(sorted(names("models")), WIDTHS, list(questions()), range(SEEDS))
    for model, width, asked, seed in grid:
        yield Cell(model=part("models", model, dim=width), seed=seed, budget={**BUDGET, "n_test": N_TEST}, **asked)  # pyright: ignore


def record(cell: Cell, rng: np.random.Generator) -> Record:
    """As training leaves it, made up: one in a hundred diverged, one failed."""
    end = rng.random()
    status = "diverged" if end < 0.01 else "failed" if end < 0.02 else "ok"
    kappa = KAPPAS[cell.tokenizer.name] if cell.tokenizer else None
    unit = "bytes" if kappa else "steps"
    told = {"lag_unit": unit, "n_params": 25_111, "n_params_non_embedding": 24_840, "flops_per_token": 48_600.0}
    told |= {"splits": dict.fromkeys(("train", "val", "test"), SPLIT), "bytes_per_token": kappa} if kappa else {}
    metric, chance = ("bits_per_byte", 8.0) if cell.regime == "language" else ("accuracy", 0.125)
    facts = Facts(metric=metric, chance=chance, baseline=chance, **told)  # pyright: ignore
    host = Host(seconds=float(rng.uniform(10, 60)), peak_bytes=600_000_000, versions=VERSIONS, **HOST)  # pyright: ignore
    found: dict[str, Any] = {"reason": None if status == "ok" else "loss is not finite"}
    if status == "ok":
        found |= losses(kappa or 1.0, rng) if cell.regime == "language" else {"curve": curve(cell, kappa or 1.0, rng)}
    return Record(id=cell.id, cell=cell, status=status, facts=facts, host=host, **found)


def curve(cell: Cell, kappa: float, rng: np.random.Generator) -> list[Outcome]:
    """s falling through half its height somewhere on the grid."""
    grid = [round(2 ** (k / 2)) for k in range(2, 20) if 2 ** (k / 2) <= 4 * cell.horizon]
    lags = cell.lags if cell.regime == "learn" else [lag for lag in grid if lag >= cell.lags[0]]
    s = 1 / (1 + 2 ** (2 * (np.log2(lags) - rng.uniform(3, 10))))
    right = rng.binomial(N_TEST, 0.125 + 0.875 * s).tolist()
    climbed = {"sequences": 6400, "solved": False} if cell.regime == "learn" else {}
    return [
        Outcome(lag=lag, n=N_TEST, total=float(n), lag_tokens=round(lag / kappa * N_TEST), **climbed)
        for lag, n in zip(lags, right, strict=True)
    ]


def losses(kappa: float, rng: np.random.Generator) -> dict[str, Any]:
    """Blocks after every context, the gains of longer ones becoming ever smaller."""
    places = np.arange(N_BLOCKS)
    n_bytes = 32 + places % 5
    blocks = Blocks(starts=(1000 * places).tolist(), n_bytes=n_bytes.tolist(), documents=(places // 2).tolist())
    own = rng.normal(2.5, 0.3, N_BLOCKS)
    after = [
        Losses(
            context=context,
            nats=(np.log(2) * n_bytes * np.maximum(own + 4 / context + rng.normal(0, 0.02), 0.1)).tolist(),
            n_tokens=round(float(n_bytes.sum()) / kappa),
            context_tokens=round(N_BLOCKS * context / kappa),
        )
        for context in CONTEXTS
    ]
    return {"blocks": blocks, "losses": after}


def fill(folder: Path, given: Iterable[Cell]) -> int:
    """Write a record of each of the cells to `folder`; how many."""
    rng = np.random.default_rng(0)
    return sum(1 for cell in given if write_record(folder, record(cell, rng)))


# Prints seconds and the greatest memory of the command that follows it.
WATCHED = (
    "import resource, runpy, sys; sys.argv = ['spanbench', 'report', sys.argv[1]]\n"
    "try: runpy.run_module('benchmark', run_name='__main__')\n"
    "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
)


def reported(given: Iterable[Cell], rounds: int) -> str:
    """Seconds of `spanbench report` on one thread, its start included, and the most memory it held."""
    peaks: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        n = fill(Path(folder) / "records", given)

        def run() -> float:
            command = [sys.executable, "-c", WATCHED, folder]
            one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

            def call() -> None:
                done = subprocess.run(command, cwd=TOP, env=one, capture_output=True, text=True, check=True)
                peaks.append(int(done.stderr.split()[-1]))

            return clock(call)

        seconds = alternate(run, rounds=rounds)[0]
    return f"{n:,} records in {seconds:.1f} s, {max(peaks) / 2**20:.2f} GiB"


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "report of the quick table": (lambda: reported(table_named("quick").cells(), rounds=5), "≤ 3 s"),
    "report of 100,000 records": (lambda: reported(cells(), rounds=1), "≤ 30 s"),
}
