"""The record: what one cell left behind, as sums and counts, and the hinge between training and every table."""

import gc
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from leaderboard.cell import Cell, NonNegative, NonNegativeInt, PositiveInt, Strict, Whole
from leaderboard.measured import Audit, Blocks, Gradient, Influence, Losses, Outcome, Skipped, Trial

SEAL, SEALED = b',\n "sha256": "', b'"\n}\n'  # what stands before and after a record's digest


class SplitFacts(Strict):
    """One split of a corpus."""

    digest: str  # sha256 of its text
    n_documents: NonNegativeInt
    n_bytes: NonNegativeInt


class Facts(Strict):
    """What the task and the built model say of themselves."""

    metric: Literal["accuracy", "mse", "bits_per_byte"]
    chance: NonNegative  # best accuracy, or least error, without the source; of bits per byte 8, knowing nothing
    baseline: NonNegative  # the literature's own: knowing nothing at all
    lag_unit: Literal["steps", "bytes", "tokens", "none"]  # none: lags are lengths, and there is no span
    n_params: NonNegativeInt
    n_params_non_embedding: NonNegativeInt
    flops_per_token: NonNegative  # forward pass at length T, per input position
    bytes_per_token: NonNegative | None = None  # κ of the tokenizer on the corpus' test split
    receptive_field: PositiveInt | None = None  # inputs an output can depend on; None: no bound within the lags
    tokenizer_digest: str | None = None
    vocab_size: PositiveInt | None = None
    splits: dict[str, SplitFacts] | None = None
    n_train_bytes: PositiveInt | None = None  # of text that training sees; in the learn regime at every lag


class Host(Strict):
    """Whatever may differ between two runs of one cell."""

    seconds: NonNegative
    peak_bytes: NonNegativeInt
    device: str
    machine: str
    versions: dict[str, str]
    commit: str | None
    finished: str  # ISO 8601, UTC


class Record(Strict):
    """A cell and what became of it. `curve` is sorted by lag; it is empty where training failed before any test.

    Text (regime language) has `losses` over `blocks` instead of a curve, sorted by context, foreign ones last.
    """

    schema_version: Annotated[Literal[2], Whole] = 2
    id: str
    cell: Cell
    status: Literal["ok", "diverged", "failed"]
    reason: str | None = None
    facts: Facts | None = None
    curve: list[Outcome] = Field(default_factory=list)
    trials: list[Trial] = Field(default_factory=list)  # of the learning rates that the cell has a choice of
    blocks: Blocks | None = None
    losses: list[Losses] = Field(default_factory=list)
    influence: Influence | None = None
    gradient: Gradient | None = None
    audit: Audit | None = None
    skipped: list[Skipped] = Field(default_factory=list)
    host: Host

    @model_validator(mode="after")
    def _trials_are_of_the_choice(self) -> Self:
        if any(trial.lr not in self.cell.lrs for trial in self.trials):
            raise ValueError(f"trials must be of the cell's learning rates ({self.cell.lrs or 'none'})")
        return self

    @model_validator(mode="after")
    def _losses_are_of_the_blocks(self) -> Self:
        n = len(self.blocks.starts) if self.blocks else 0
        if any(len(losses.nats) != n for losses in self.losses):
            raise ValueError(f"losses must have as many nats as there are blocks ({n})")
        return self


def write_atomically(path: Path, data: bytes) -> None:
    """All of `data` under `path`, or nothing: a temporary file beside it, flushed, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.writing")  # machines may share the folder
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_record(folder: Path, record: Record) -> Path:
    """Write `folder`/ID.json atomically; return its path. Its last key is the sha256 of the bytes before it."""
    path = folder / f"{record.id}.json"
    write_atomically(path, sealed(record))
    return path


def sealed(data: Strict) -> bytes:
    """As JSON, its last key the sha256 of the bytes before it: what is cut or changed by hand is noticed."""
    body = data.model_dump_json(indent=1).encode().removesuffix(b"\n}")
    return body + SEAL + hashlib.sha256(body).hexdigest().encode() + SEALED


def unsealed(data: bytes) -> tuple[bytes, bool]:
    """The JSON without its digest, and whether that is right."""
    body, _, seal = data.rpartition(SEAL)
    return body + b"\n}" if body else data, seal == hashlib.sha256(body).hexdigest().encode() + SEALED


def read_record(path: Path) -> Record:
    """Read and check one record. Raises ValueError naming the file and the first thing wrong with it."""
    record, is_whole = _parsed(path)
    _check(path, record, is_whole, record.cell.id)
    return record


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, sorted by id. Raises ValueError as `read_record` does.

    What the seeds of a cell have in common is held in memory once, and their ids are worked out together.
    """
    alike: dict[str, list[tuple[Path, Record, bool]]] = {}
    with collector_paused():
        for path in sorted(folder.glob("*.json"), key=str):
            record, is_whole = _parsed(path)
            seeds = alike.setdefault(record.cell.model_dump_json(exclude={"seed"}), [])
            if seeds:
                _share(record, seeds[0][1])
            seeds.append((path, record, is_whole))
    for seeds in alike.values():
        ids = seeds[0][1].cell.ids(record.cell.seed for _, record, _ in seeds)
        for (path, record, is_whole), id_ in zip(seeds, ids, strict=True):
            _check(path, record, is_whole, id_)
    return sorted((record for seeds in alike.values() for _, record, _ in seeds), key=lambda record: record.id)


def _parsed(path: Path) -> tuple[Record, bool]:
    """A record by its schema, and whether its digest is right."""
    data, is_whole = unsealed(path.read_bytes())
    try:
        return Record.model_validate_json(data), is_whole
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        raise ValueError(f"{path}: not a record: {where}: {first['msg']}") from None


def _check(path: Path, record: Record, is_whole: bool, cell_id: str) -> None:
    if record.id != cell_id:
        raise ValueError(f"{path}: not a record: id {record.id} does not belong to its cell ({cell_id})")
    if record.id != path.stem:
        raise ValueError(f"{path}: not a record: the file of record {record.id} must be called {record.id}.json")
    if not is_whole:
        raise ValueError(f"{path}: not a record: its sha256 is not that of its contents: it was changed or cut")


def _share(record: Record, other: Record) -> None:
    """Let a record just read hold as much of `other`, another seed of its cell, as is the same."""
    own, cell, host = vars(record), vars(record.cell), vars(record.host)  # frozen models: nobody else has seen it yet
    cell |= vars(other.cell) | {"seed": cell["seed"]}
    if record.host.versions == other.host.versions:
        host["versions"] = other.host.versions
    own |= {name: getattr(other, name) for name in ("facts", "blocks") if own[name] == getattr(other, name)}


@contextmanager
def collector_paused() -> Iterator[None]:
    """No search for cycles meanwhile: among a hundred thousand records it takes most of the time, and finds none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
