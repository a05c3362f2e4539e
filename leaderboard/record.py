"""The record: what one cell left behind, as sums and counts, and the hinge between training and every table."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from leaderboard.cell import Cell, NonNegative, Strict, Whole
from leaderboard.measured import Audit, Blocks, Gradient, Influence, Losses, Outcome, Skipped


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
    blocks: Blocks | None = None
    losses: list[Losses] = Field(default_factory=list)
    influence: Influence | None = None
    gradient: Gradient | None = None
    audit: Audit | None = None
    skipped: list[Skipped] = Field(default_factory=list)
    host: Host

    @model_validator(mode="after")
    def _losses_are_of_the_blocks(self) -> Self:
        n = len(self.blocks.starts) if self.blocks else 0
        if any(len(losses.nats) != n for losses in self.losses):
            raise ValueError(f"losses must have as many nats as there are blocks ({n})")
        return self


def write_atomically(path: Path, data: bytes) -> None:
    """All of `data` under `path`, or nothing: a temporary file beside it, flushed, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_record(folder: Path, record: Record) -> Path:
    """Write `folder`/ID.json atomically; return its path."""
    path = folder / f"{record.id}.json"
    write_atomically(path, (record.model_dump_json(indent=1) + "\n").encode())
    return path


def read_record(path: Path) -> Record:
    """Read and check one record. Raises ValueError naming the file and the first thing wrong with it."""
    try:
        record = Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        raise ValueError(f"{path}: not a record: {where}: {first['msg']}") from None
    if record.id != record.cell.id:
        raise ValueError(f"{path}: not a record: id {record.id} does not belong to its cell ({record.cell.id})")
    if record.id != path.stem:
        raise ValueError(f"{path}: not a record: the file of record {record.id} must be called {record.id}.json")
    return record


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, sorted by id. Raises ValueError as `read_record` does."""
    return [read_record(path) for path in sorted(folder.glob("*.json"))]
