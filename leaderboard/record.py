"""The record: what one cell left behind, as sums and counts, and the hinge between training and every table."""

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

Json = dict[str, Any]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """Unknown keys, wrong types and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Part(Strict):
    """A named, fully resolved ingredient of a cell: a model, task or tokenizer.

    `name` is what tables show; `class_path` and `init_args` (defaults filled in) are what was built.
    """

    name: str
    class_path: str  # module.Class, or path/to/file.py:Class
    init_args: Json
    source: str | None = None  # sha256 of the file, for a class that lives outside the checkout


class Corpus(Strict):
    """A corpus is its text: `name` says where it lay, `digest` (sha256) what it was."""

    name: str
    digest: str


class Budget(Strict):
    """What one training may spend, and how finely it is looked at. Counts are global, whatever the devices.

    Attributes:
        sequences: training sequences; in the learn regime for each lag
        batch_size: sequences in a batch, over all devices
        lr: peak learning rate of AdamW; a model's YAML may hold its own default
        warmup: optimizer steps of linear warm-up, before the cosine
        weight_decay: of AdamW
        clip: the gradient's norm is clipped to this
        val_every: optimizer steps between two validations
        n_val: validation examples for each lag
        n_test: test examples for each lag
    """

    sequences: PositiveInt = 12_800
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 3e-3
    warmup: NonNegativeInt = 50
    weight_decay: NonNegative = 0.01
    clip: PositiveFloat = 1.0
    val_every: PositiveInt = 50
    n_val: PositiveInt = 128
    n_test: PositiveInt = 512

    @model_validator(mode="after")
    def _ends_on_a_validation(self) -> Self:
        block = self.batch_size * self.val_every
        if self.sequences % block:
            raise ValueError(
                f"sequences must be a multiple of batch_size x val_every "
                f"({self.batch_size} x {self.val_every} = {block}), got {self.sequences}"
            )
        return self


class Cell(Strict):
    """One point of a table's grid, fully resolved. Devices, workers and loggers are not part of it."""

    version: Literal[1] = 1
    model: Part
    task: Part
    tokenizer: Part | None = None
    corpus: Corpus | None = None
    regime: Literal["learn", "retain"]
    lags: list[PositiveInt]  # learn: the octaves to climb; retain: [lag_min, T], the training range
    bisect: bool = False  # learn: refine the edge to a quarter octave
    seed: NonNegativeInt
    precision: str = "32-true"
    budget: Budget

    @model_validator(mode="after")
    def _lags_suit_the_regime(self) -> Self:
        if self.lags != sorted(set(self.lags)) or not self.lags:
            raise ValueError(f"lags must be ascending and distinct, at least one, got {self.lags}")
        if self.regime == "retain" and len(self.lags) != 2:
            raise ValueError(f"lags of a retain cell are two, the shortest and the longest (T), got {self.lags}")
        return self

    @property
    def id(self) -> str:
        """First 16 hex digits of the sha256 of the cell's canonical JSON (names and places of things left out)."""
        data = self.model_dump()
        for part in ("model", "task", "tokenizer", "corpus"):
            if data[part] is not None:
                del data[part]["name"]
                if data[part].get("source"):  # a file is what it says, wherever it lies
                    data[part]["class_path"] = data[part]["class_path"].rpartition(":")[2]
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def horizon(self) -> int:
        """T: the longest lag met in training."""
        return max(self.lags)


class Outcome(Strict):
    """One point of a recall curve: sums over `n` test examples whose source is exactly `lag` away.

    `total` sums 1 for a correct answer (accuracy) or the squared error (mse). `lag_tokens` sums the lag counted in
    tokens. In the learn regime `sequences` is what training took at this lag and `solved` whether it stopped early.
    """

    lag: PositiveInt
    n: PositiveInt
    total: NonNegative
    lag_tokens: NonNegativeInt
    sequences: PositiveInt | None = None
    solved: bool | None = None


class Facts(Strict):
    """What the task and the built model say of themselves."""

    metric: Literal["accuracy", "mse"]
    chance: NonNegative  # best accuracy, or least mse, without the source
    baseline: NonNegative  # the literature's own: knowing nothing at all
    lag_unit: Literal["steps", "bytes", "none"]  # none: lags are lengths, and there is no span
    n_params: NonNegativeInt
    n_params_non_embedding: NonNegativeInt
    flops_per_token: NonNegative  # forward pass at length T, per input position
    bytes_per_token: NonNegative | None = None  # κ of the tokenizer on the corpus' test split
    receptive_field: PositiveInt | None = None  # inputs an output can depend on; None: no bound within the lags
    tokenizer_digest: str | None = None
    split_digests: dict[str, str] | None = None


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
    """A cell and what became of it. `curve` is sorted by lag; it is empty where training failed before any test."""

    schema_version: Literal[1] = 1
    id: str
    cell: Cell
    status: Literal["ok", "diverged", "failed"]
    reason: str | None = None
    facts: Facts | None = None
    curve: list[Outcome] = []
    host: Host


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
    if record.id != record.cell.id or record.id != path.stem:
        raise ValueError(f"{path}: not a record: id {record.id} does not belong to its cell ({record.cell.id})")
    return record


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, sorted by id. Raises ValueError as `read_record` does."""
    return [read_record(path) for path in sorted(folder.glob("*.json"))]
