"""A suite: the official cells that every submission runs, and all that is known of them before a model is trained.

It is made once for each revision and never changed: what a row's score is measured against must not move when the
next row arrives. A mended task is a new revision; rows of an older one stay on that one's boards.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from leaderboard.cell import Cell, NonNegative, Part, Strict
from leaderboard.measured import Blocks
from leaderboard.record import Facts

SUITES = Path(__file__).parent / "suites"
DEFAULT = "small"  # the suite that is meant where none is named
ANY = Part(name="any", class_path="any", init_args={})  # stands for the model that is submitted
OF_THE_MODEL = ("n_params", "n_params_non_embedding", "flops_per_token", "receptive_field")
BoardName = Literal["memory", "recall", "text"]


class Board(Strict):
    """A question, and the cells that answer it: a row's score is the mean of its normalised scores in them."""

    name: BoardName
    title: str
    question: str


class Tested(Strict):
    """What a task alone determines of one test: `n` answers, whose lags add up to `lag_tokens`."""

    seed: NonNegativeInt
    lag: PositiveInt
    n: PositiveInt
    lag_tokens: NonNegativeInt


class Read(Strict):
    """What a tokenizer alone determines of the target blocks after one context."""

    context: PositiveInt
    foreign: bool
    dropped: list[NonNegativeInt]  # blocks it does not keep, or that are not scored
    n_tokens: NonNegativeInt
    context_tokens: NonNegativeInt


class OfficialCell(Strict):
    """One cell of the suite, for any model and every registered seed.

    A seed's raw score is its recall score (the mean of s over the lags) or, of text to predict, its bits per byte.
    Normalised it is 0 at `chance` and 1 at `reference`, what the suite's reference model reaches.
    """

    key: str = Field(pattern=r"^[a-z]+(-[a-z0-9_]+)+$")
    board: BoardName
    title: str
    cell: Cell  # its model is ANY, its seed 0; the learning rate is the model's own
    facts: Facts  # those of the task; what depends on the model is 0 or None
    tests: list[Tested] = Field(default_factory=list)
    further: list[PositiveInt] = Field(default_factory=list)  # retain: lags of `tests` that only a lasting memory meets
    reads: list[Read] = Field(default_factory=list)
    chance: NonNegative
    reference: NonNegative
    best: NonNegative  # no score can be better, or plausibly is
    spread: NonNegative  # standard deviation between seeds, pooled over the suite's own models
    spread_df: NonNegativeInt  # its degrees of freedom

    @model_validator(mode="after")
    def _can_be_normalised(self) -> Self:
        if self.chance == self.reference:
            raise ValueError(f"chance and reference of {self.key} must differ, both are {self.chance}")
        return self

    @property
    def is_text(self) -> bool:
        """Whether it is text to predict: bits per byte, less is better."""
        return self.cell.regime == "language"

    def normalised(self, score: float) -> float:
        """0 at chance, 1 at the reference; not clipped."""
        return (score - self.chance) / (self.reference - self.chance)

    def for_model(self, model: Part, seed: int, lr: float) -> Cell:
        """The cell that a submission of `model` runs."""
        budget = self.cell.budget.model_copy(update={"lr": lr})
        return self.cell.model_copy(update={"model": model, "seed": seed, "budget": budget})


class Tolerance(Strict):
    """What changed when the suite's own weights were scored again, in double precision instead of single.

    Attributes:
        n: records that were
        answers: right or wrong ones among them, `flips` of which became the other
        recall: greatest change of a recall score where answers are numbers
        bits: greatest change of bits per byte
    """

    n: NonNegativeInt
    answers: NonNegativeInt
    flips: NonNegativeInt
    recall: NonNegative
    bits: NonNegative


class Suite(Strict):
    """The official cells of one revision. `NAME-REVISION.json` in suites/."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z]+$")
    revision: PositiveInt
    protocol: PositiveInt  # the revision of the measures' protocol
    n_params: PositiveInt  # most parameters of a model, without embedding and head
    seeds: list[NonNegativeInt]
    reference: str  # name of the model whose scores are 1
    boards: list[Board]
    blocks: Blocks  # target blocks of text, the same for every tokenizer
    cells: list[OfficialCell]
    tolerance: Tolerance

    @model_validator(mode="after")
    def _boards_have_cells(self) -> Self:
        keys = [cell.key for cell in self.cells]
        if len(set(keys)) < len(keys):
            raise ValueError("two cells have one key")
        if {cell.board for cell in self.cells} != {board.name for board in self.boards}:
            raise ValueError("every board must have cells, and every cell a board")
        return self

    @property
    def title(self) -> str:
        """small, revision 1."""
        return f"{self.name}, revision {self.revision}"

    @cached_property
    def by_key(self) -> dict[str, OfficialCell]:
        """The cells by their keys."""
        return {cell.key: cell for cell in self.cells}

    @cached_property
    def kept(self) -> list[int]:
        """The target blocks that every tokenizer keeps after every context."""
        dropped = {block for cell in self.cells for read in cell.reads if not read.foreign for block in read.dropped}
        return [block for block in range(len(self.blocks.starts)) if block not in dropped]

    def on(self, board: BoardName) -> list[OfficialCell]:
        """The cells of one board, in order."""
        return [cell for cell in self.cells if cell.board == board]


def suite_path(name: str, revision: int) -> Path:
    """Where a suite lies."""
    return SUITES / f"{name}-{revision}.json"


def revisions(name: str) -> list[int]:
    """Those there are of a suite, ascending."""
    found = (path.stem.rpartition("-") for path in SUITES.glob(f"{name}-*.json"))
    return sorted(int(revision) for stem, _, revision in found if stem == name and revision.isdigit())


def read_suite(name: str, revision: int | None = None) -> Suite:
    """A suite, by default its latest revision. Raises ValueError where there is none, or it is damaged."""
    known = revisions(name)
    if not known or (revision is not None and revision not in known):
        choices = ", ".join(map(str, known)) or "none"
        raise ValueError(f"no revision {revision or 1} of suite {name}: there is {choices}")
    path = suite_path(name, revision or known[-1])
    try:
        return Suite.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        raise ValueError(f"{path}: not a suite: {where}: {first['msg']}") from None
