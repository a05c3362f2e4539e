"""A small suite, and submissions to it that are as they should be unless asked to be otherwise."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from leaderboard.cell import Budget, Cell, Corpus, Part
from leaderboard.measured import Blocks, Losses, Outcome
from leaderboard.protocol import HOLDS, LOST
from leaderboard.ranking.entrants import Entrant, read_entrants
from leaderboard.record import Facts, Host, Record, SplitFacts
from leaderboard.suite import ANY, Board, BoardName, OfficialCell, Read, Suite, Tested, Tolerance
from leaderboard.validation.claims import claims_of, weights_files
from leaderboard.validation.submission import Seeds, Submission, submission_id

Status = Literal["ok", "diverged", "failed"]
Regime = Literal["learn", "retain", "language"]
KAPPA = {"byte": 1.0, "bpe-512": 1.9, "bpe-2048": 2.7, "bpe-8192": 3.3}
ALL = tuple(KAPPA)
SEEDS = [101, 102, 103]
N = 256
LEARN = [16, 32, 64, 128, 256]
RETAIN = [16, 23, 32, 45, 64, 91, 128, 181, 256]  # and 512, 1024 where the memory lasts
FURTHER = [512, 1024]
CONTEXTS = [4, 8, 16, 32, 64]
FOREIGN = [8, 16]
DIGEST = "ab" * 32
BUDGET = Budget(sequences=6400, val_every=25, n_test=N)
BOARDS = [
    Board(name="memory", title="Memory", question="How long is one thing held?"),
    Board(name="recall", title="Recall in text", question="Across how many bytes is a word recalled?"),
    Board(name="text", title="Text", question="How well is text predicted?"),
]


def tiny_suite(
    tokenizers: Sequence[str] = ("byte", "bpe-512"), n_blocks: int = 12, seeds: Sequence[int] = SEEDS
) -> Suite:
    """One cell of memory, and for each tokenizer one of learning and one of text to predict."""
    blocks = Blocks(
        starts=[1000 * i for i in range(n_blocks)],
        n_bytes=[32 + i % 5 for i in range(n_blocks)],
        documents=list(range(n_blocks)),
    )
    cells = [_recall_cell("memory", "retain", "delayed_recall", None, seeds)]
    cells += [_recall_cell("recall", "learn", "planted", each, seeds) for each in tokenizers]
    cells += [_text_cell(each, n_blocks) for each in tokenizers]
    return Suite(
        name="tiny", revision=1, protocol=1, n_params=25_000, seeds=list(seeds), reference="transformer",
        boards=BOARDS, blocks=blocks, cells=cells,
        tolerance=Tolerance(n=9, answers=10_000, flips=1, recall=0.001, bits=0.001),
    )  # fmt: skip


def _part(name: str) -> Part:
    return Part(name=name, class_path=f"tasks.{name}.{name.title().replace('_', '')}", init_args={})


def _facts(tokenizer: str | None, metric: Literal["accuracy", "bits_per_byte"]) -> Facts:
    text: dict[str, Any] = {}
    if tokenizer:
        split = SplitFacts(digest=DIGEST, n_documents=300, n_bytes=100_000)
        text = {"bytes_per_token": KAPPA[tokenizer], "tokenizer_digest": hashlib.sha256(tokenizer.encode()).hexdigest()}
        text |= {"vocab_size": 512, "splits": {"test": split}, "n_train_bytes": 1_000_000}
    chance = 8.0 if metric == "bits_per_byte" else 0.125
    unit = "bytes" if tokenizer else "steps"
    return Facts(
        metric=metric, chance=chance, baseline=chance, lag_unit=unit, n_params=0, n_params_non_embedding=0,
        flops_per_token=0.0, **text,
    )  # fmt: skip


def _cell(regime: Regime, task: str, tokenizer: str | None, lags: list[int], **more: Any) -> Cell:
    corpus = Corpus(name="sympy", digest=DIGEST) if tokenizer else None
    told = _part("bpe") if tokenizer else None
    if told is not None:
        told = told.model_copy(update={"name": tokenizer, "init_args": {"kind": tokenizer}})
    return Cell(
        model=ANY,
        task=_part(task),
        tokenizer=told,
        corpus=corpus,
        regime=regime,
        lags=lags,
        seed=0,
        budget=BUDGET,
        **more,
    )


def _recall_cell(
    board: BoardName, regime: Regime, task: str, tokenizer: str | None, seeds: Sequence[int]
) -> OfficialCell:
    lags, further = (LEARN, []) if regime == "learn" else (RETAIN, FURTHER)
    kappa = KAPPA[tokenizer] if tokenizer else 1.0
    tests = [
        Tested(seed=seed, lag=lag, n=N, lag_tokens=round(lag * N / kappa) + seed % 7)
        for seed in seeds
        for lag in lags + further
    ]
    return OfficialCell(
        key="-".join([regime, task] + ([tokenizer] if tokenizer else [])), board=board,
        title=f"{regime} {task}" + (f" at {tokenizer}" if tokenizer else ""),
        cell=_cell(regime, task, tokenizer, LEARN if regime == "learn" else [16, 64]),
        facts=_facts(tokenizer, "accuracy"), tests=tests, further=further,
        chance=0.0, reference=0.9, best=1.0, spread=0.05, spread_df=10,
    )  # fmt: skip


def _text_cell(tokenizer: str, n_blocks: int) -> OfficialCell:
    kappa = KAPPA[tokenizer]
    dropped = [1] if tokenizer != "byte" else []
    reads = [
        Read(
            context=context, foreign=foreign, dropped=dropped, n_tokens=round(n_blocks * 33 / kappa),
            context_tokens=round(n_blocks * context / kappa),
        )
        for foreign in (False, True)
        for context in (FOREIGN if foreign else CONTEXTS)
    ]  # fmt: skip
    return OfficialCell(
        key=f"language-{tokenizer}", board="text", title=f"language at {tokenizer}",
        cell=_cell("language", "language", tokenizer, [32], measures=["context"], c_max=64),
        facts=_facts(tokenizer, "bits_per_byte"), reads=reads, chance=8.0, reference=2.8 - 0.1 * kappa,
        best=1.0, spread=0.03, spread_df=10,
    )  # fmt: skip


def records_of(
    suite: Suite,
    model: Part,
    span: float = 60.0,
    bits: float = 2.9,
    statuses: Mapping[tuple[str, int], Status] | None = None,
    lr: float = 3e-3,
    salt: int = 0,
) -> dict[str, list[Record]]:
    """What a model of this learning span (bytes at one byte a token, growing with κ) and these bits would leave."""
    found: dict[str, list[Record]] = {}
    for official in suite.cells:
        kappa = official.facts.bytes_per_token or 1.0
        made = []
        for seed in suite.seeds:
            status = (statuses or {}).get((official.key, seed), "ok")
            key = int(hashlib.sha256(f"{official.key} {seed} {model.name} {salt}".encode()).hexdigest()[:8], 16)
            rng = np.random.default_rng(key)
            cell = official.for_model(model, seed, lr)
            facts = official.facts.model_copy(
                update={"n_params": 60_000, "n_params_non_embedding": 24_000, "flops_per_token": 50_000.0 + span}
            )
            measured: dict[str, Any] = {}
            if status == "ok" and official.is_text:
                measured = {"blocks": suite.blocks, "losses": _losses(suite, official, bits, rng)}
            elif status == "ok":
                reach = span * kappa**0.9 * 2 ** rng.normal(0, 0.2)
                measured = {"curve": _curve(official, seed, reach, rng)}
            made.append(
                Record(
                    id=cell.id, cell=cell, status=status, reason=None if status == "ok" else "loss is not finite <b>",
                    facts=facts, host=_host(), **measured,
                )
            )  # fmt: skip
        found[official.key] = made
    return found


def _host() -> Host:
    return Host(
        seconds=12.5, peak_bytes=5 * 10**8, device="cpu", machine="Linux x86_64, 2 cores",
        versions={"python": "3.11.7", "torch": "2.13.0"}, commit="c0" * 20, finished="2026-01-31T12:00:00+00:00",
    )  # fmt: skip


def _curve(official: OfficialCell, seed: int, reach: float, rng: np.random.Generator) -> list[Outcome]:
    """s falls through a half at `reach`, by the rules of the regime."""
    tests = {test.lag: test for test in official.tests if test.seed == seed}
    curve: list[Outcome] = []
    strengths: list[float] = []
    for lag, test in tests.items():
        s = 1 / (1 + (lag / reach) ** 3) * rng.uniform(0.97, 1.0)
        total = float(round((s * (1 - 0.125) + 0.125) * test.n))
        learn = official.cell.regime == "learn"
        if learn and len(strengths) > 1 and max(strengths[-2:]) < LOST:
            break
        if lag in official.further and strengths[-1] < HOLDS:
            break
        solved = s > 0.95
        told = {"sequences": 3200 if solved else 6400, "solved": solved} if learn else {}
        curve.append(Outcome(lag=lag, n=test.n, total=total, lag_tokens=test.lag_tokens, **told))
        strengths.append((total / test.n - 0.125) / (1 - 0.125))
    return curve


def _losses(suite: Suite, official: OfficialCell, bits: float, rng: np.random.Generator) -> list[Losses]:
    kappa = official.facts.bytes_per_token or 1.0
    hard = rng.normal(0, 0.1, len(suite.blocks.starts))
    found = []
    for read in official.reads:
        level = bits - 0.15 * kappa + 1.2 / math.sqrt(read.context) + 0.1 * read.foreign
        nats = [
            None if i in read.dropped else float(max(0.1, level + hard[i] + rng.normal(0, 0.01)) * math.log(2) * n)
            for i, n in enumerate(suite.blocks.n_bytes)
        ]
        found.append(
            Losses(
                context=read.context, foreign=read.foreign, nats=nats, n_tokens=read.n_tokens,
                context_tokens=read.context_tokens,
            )
        )  # fmt: skip
    return found


def submission_of(suite: Suite, records: dict[str, list[Record]], name: str = "Gru", **changes: Any) -> Submission:
    """The submission that these records make."""
    everything = [record for each in records.values() for record in each]
    digests = {
        r.id: {file: hashlib.sha256(f"{r.id} {file}".encode()).hexdigest() for file in weights_files(r)}
        for r in everything
        if weights_files(r)
    }
    fields: dict[str, Any] = {
        "id": submission_id(name, everything), "suite": suite.name, "revision": suite.revision, "name": name,
        "contact": "@someone", "link": "https://example.org/paper", "family": "recurrence", "date": "2026-02-01",
        "model": everything[0].cell.model, "source": DIGEST, "commit": "c0" * 20, "argv": ["gru", "--name", name],
        "weights": digests, "claims": claims_of(records, suite),
    }  # fmt: skip
    return Submission(**(fields | changes))


def model_named(name: str, **init_args: Any) -> Part:
    """A model of the suite's."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum()) or "model"
    return Part(name=plain, class_path=f"models.{plain}.{plain.title()}", init_args={"dim": 48} | init_args)


def write_submission(
    submissions: Path, suite: Suite, name: str = "Gru", records: dict[str, list[Record]] | None = None, **changes: Any
) -> Path:
    """A submission's folder, `submissions`/ID. `changes` are those of `submission.json`."""
    records = records or records_of(suite, model_named(name))
    submission = submission_of(suite, records, name, **changes)
    folder = submissions / submission.id
    (folder / "cells").mkdir(parents=True)
    (folder / "submission.json").write_text(submission.model_dump_json(indent=1) + "\n")
    for key, each in records.items():
        (folder / "cells" / f"{key}.json").write_text(Seeds(cell=key, records=each).model_dump_json() + "\n")
    return folder


def suites(suite: Suite) -> Callable[[str, int], Suite]:
    """Reads this suite, and no other."""

    def read(name: str, revision: int) -> Suite:
        if (name, revision) != (suite.name, suite.revision):
            raise ValueError(f"no revision {revision} of suite {name}: there is {suite.revision} of {suite.name}")
        return suite

    return read


def write_board(board: Path, suite: Suite, models: Sequence[tuple[str, float, float]]) -> Path:
    """`board`/submissions with a row for each (name, span, bits); returns the folder of submissions."""
    for name, span, bits in models:
        write_submission(board / "submissions", suite, name, records_of(suite, model_named(name), span, bits))
    return board / "submissions"


def entrants_of(submissions: Path, suite: Suite) -> list[Entrant]:
    """Read and validated."""
    return read_entrants(submissions, suites=suites(suite))


def edited(path: Path, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
