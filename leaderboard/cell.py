"""The cell: one point of a table's grid, fully resolved."""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    model_validator,
)

Json = dict[str, Any]
Extra = Literal["context", "influence", "gradient", "audit"]
EXTRAS: dict[str, tuple[Extra, ...]] = {  # the measures that each regime can take besides its own
    "learn": (),
    "retain": ("influence", "gradient", "audit"),
    "language": ("context", "influence", "gradient"),
}
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LARGEST = 2**53  # of whole numbers in records: beyond it floating point and other readers of JSON round
NonNegativeInt = Annotated[int, Field(ge=0, le=LARGEST)]
PositiveInt = Annotated[int, Field(gt=0, le=LARGEST)]


def _whole(value: object) -> object:
    if type(value) is not int:
        raise ValueError("expected a whole number")
    return value


Whole = BeforeValidator(_whole)  # a literal 1 would take 1.0 and true, which equal it


def _canonical(data: Json) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


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
        sequences: training sequences, a multiple of batch_size x val_every; in the learn regime for each lag
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

    version: Annotated[Literal[2], Whole] = 2
    model: Part
    task: Part
    tokenizer: Part | None = None
    corpus: Corpus | None = None
    regime: Literal["learn", "retain", "language"]
    lags: list[PositiveInt]  # learn: the octaves to climb; retain: [lag_min, T]; language: contexts, T the longest
    bisect: bool = False  # learn: refine the edge to a quarter octave
    c_max: PositiveInt | None = None  # language: the longest context scored, T or more
    measures: list[Extra] = []  # what is measured besides the regime's own question
    seed: NonNegativeInt
    precision: str = "32-true"
    budget: Budget
    lrs: list[PositiveFloat] = []  # peak learning rates to choose from on validation; none: the budget's

    @model_validator(mode="after")
    def _lags_suit_the_regime(self) -> Self:
        if self.lags != sorted(set(self.lags)) or not self.lags:
            raise ValueError(f"lags must be ascending and distinct, at least one, got {self.lags}")
        if self.bisect and self.regime != "learn":
            raise ValueError(f"bisect belongs to the learn regime, not to {self.regime}")
        if self.regime == "retain" and len(self.lags) != 2:
            raise ValueError(f"lags of a retain cell are two, the shortest and the longest (T), got {self.lags}")
        if self.c_max is not None and "context" not in self.measures:
            raise ValueError(f"c_max is for the context measure of the language regime alone, got {self.c_max}")
        if self.c_max is not None and self.c_max < self.horizon:
            raise ValueError(f"c_max must be T ({self.horizon}) or more, got {self.c_max}")
        return self

    @model_validator(mode="after")
    def _rates_are_a_choice(self) -> Self:
        if self.lrs and (self.lrs != sorted(set(self.lrs)) or len(self.lrs) < 2):
            raise ValueError(
                f"lr must be one learning rate, or several that are ascending and distinct, got {self.lrs}"
            )
        if self.lrs and self.budget.lr != self.lrs[0]:
            raise ValueError("budget.lr has no part in a choice of learning rates: leave it out")
        return self

    @model_validator(mode="after")
    def _measures_suit_the_regime(self) -> Self:
        possible = EXTRAS[self.regime]
        for name in self.measures:
            if name not in possible:
                choices = ", ".join(possible) or "none"
                raise ValueError(f"measures of the {self.regime} regime are {choices}, not {name}")
        if self.measures != [name for name in possible if name in self.measures]:
            raise ValueError(f"measures must be distinct and in the order of {', '.join(possible)}")
        return self

    @property
    def id(self) -> str:
        """First 16 hex digits of the sha256 of the cell's canonical JSON (names and places of things left out)."""
        return self.ids([self.seed])[0]

    def ids(self, seeds: Iterable[int]) -> list[str]:
        """The ids of this cell at other seeds; its JSON, whose keys are sorted, is written once."""
        data = self.model_dump()
        if not self.lrs:  # as before there was a choice
            del data["lrs"]
        for part in ("model", "task", "tokenizer", "corpus"):
            if data[part] is not None:
                del data[part]["name"]
                if data[part].get("source"):  # a file is what it says, wherever it lies
                    data[part]["class_path"] = data[part]["class_path"].rpartition(":")[2]
                    if part == "tokenizer":
                        data[part]["init_args"].pop("path", None)
        before = _canonical({key: value for key, value in data.items() if key < "seed"})[:-1]
        after = _canonical({key: value for key, value in data.items() if key > "seed"})[1:]
        texts = (f'{before},"seed":{seed},{after}' for seed in seeds)
        return [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]

    @property
    def horizon(self) -> int:
        """T: the longest lag met in training."""
        return max(self.lags)
