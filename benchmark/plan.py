"""Plans: all cells of a table in little room, kept in the cache, so that torch is not needed to know them."""

import gzip
import hashlib
import platform
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, model_validator

from benchmark.registry import CONFIGS, UsageError
from benchmark.tables import Table, table_named, table_path
from benchmark.texts import corpus_named
from leaderboard.cell import Budget, Cell, Corpus, Extra, Part, Strict
from leaderboard.record import write_atomically
from tasks.store import cache_dir

TOP = CONFIGS.parent
ROOMS = ("benchmark", "tasks", "models")  # and of leaderboard/ what stands at its top: cells depend on no more
LIBRARIES = ("torch", "lightning", "jsonargparse", "pydantic", "PyYAML", "numpy", "tokenizers")
KEPT = 64  # plans; the oldest make room
SELECTORS = ("model", "task", "tokenizer", "corpus")


class Aspect(Strict):
    """Some of a cell's fields."""

    @classmethod
    def of(cls, cell: Cell) -> Self:
        """Those of a cell."""
        return cls(**{field: getattr(cell, field) for field in cls.model_fields})


class Question(Aspect):
    """What is asked of a model: the fields of a cell that describe its task."""

    task: Part
    tokenizer: Part | None
    corpus: Corpus | None
    regime: str
    lags: list[PositiveInt]
    bisect: bool
    c_max: PositiveInt | None
    measures: list[Extra]


class Effort(Aspect):
    """How a model is trained: the other fields of a cell, without its seed."""

    precision: str
    budget: Budget
    lrs: list[PositiveFloat]


class Plan(Strict):
    """The cells of a table in its order: each a model, a question and an effort, by their numbers, and a seed."""

    name: str
    title: str
    core_seconds: float  # of all of them
    models: list[Part]
    questions: list[Question]
    efforts: list[Effort]
    rows: list[tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt]]
    ids: list[str]

    @model_validator(mode="after")
    def _numbers_are_of_parts(self) -> Self:
        if len(self.ids) != len(self.rows):
            raise ValueError("ids and rows must be of one length")
        sizes = len(self.models), len(self.questions), len(self.efforts)
        if any(max(numbers) >= size for numbers, size in zip(zip(*self.rows, strict=True), sizes, strict=False)):
            raise ValueError("a row names a part that is not there")
        return self

    def cell(self, number: int) -> Cell:
        """One of them."""
        model, question, effort, seed = self.rows[number]
        return cell_of(self.models[model], self.questions[question], self.efforts[effort], seed)

    def cells(self) -> Iterator[Cell]:
        """All of them, one at a time."""
        return map(self.cell, range(len(self.rows)))


def cell_of(model: Part, question: Question, effort: Effort, seed: int) -> Cell:
    """What these make together."""
    return Cell(model=model, seed=seed, **dict(question), **dict(effort))


def plan_for(name: str, models: Sequence[str] = ()) -> Plan:
    """The plan of a table, by its name or path; `models` are those of an open table. Raises UsageError.

    It is read from the cache, without torch, where it was made before from the same table, sources, registry,
    libraries and texts; else it is made, and kept unless something in it lies outside the checkout.
    """
    path = cache_dir() / "plans" / f"{_key(table_path(name), models)}.json.gz"
    plan = _kept(path)
    if plan is not None:
        return plan
    from benchmark.expansion import expanded

    table = table_named(name)
    plan = expanded(table, models)
    if _of_the_checkout(table, models, plan):
        _keep(path, plan)
    return plan


def _key(path: Path, models: Sequence[str]) -> str:
    """A sha256 of all that the cells follow from, but for the texts, whose digests stand in the plan."""
    try:
        seen = hashlib.sha256(repr((path.name, path.read_bytes(), list(models))).encode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    seen.update(repr((platform.python_version(), [version(library) for library in LIBRARIES])).encode())
    for source in _sources():
        seen.update(repr((str(source.relative_to(TOP)), source.read_bytes())).encode())
    return seen.hexdigest()[:32]


def _sources() -> list[Path]:
    """Everything that parsing and naming a cell may run or read."""
    files: Iterable[Path] = (
        *(path for room in ROOMS for path in (TOP / room).rglob("*.py")),
        *(TOP / "leaderboard").glob("*.py"),
        *(path for path in CONFIGS.rglob("*") if path.suffix in (".yaml", ".py") and path.parent.name != "tables"),
    )
    return sorted(files)


def _kept(path: Path) -> Plan | None:
    """The plan at `path`; None where there is none, where it is damaged, or where a text is another by now."""
    try:
        plan = Plan.model_validate_json(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error, ValidationError):
        return None
    corpora = {question.corpus.name: question.corpus.digest for question in plan.questions if question.corpus}
    try:
        same = all(corpus_named(name).digest == digest for name, digest in corpora.items())
    except UsageError:  # it is said of the row, once that is parsed
        return None
    return plan if same else None


def _keep(path: Path, plan: Plan) -> None:
    """Where the cache cannot be written, the next one waits again."""
    with suppress(OSError):
        write_atomically(path, gzip.compress(plan.model_dump_json().encode(), compresslevel=1))
        for old in sorted(path.parent.glob("*.json.gz"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            old.unlink()


def _of_the_checkout(table: Table, models: Sequence[str], plan: Plan) -> bool:
    """Whether all parts have names of the registry, and are of our own making."""
    values: list[Any] = [*models, *(row[key] for row in table.rows for key in SELECTORS if key in row)]
    named = [str(name) for value in values for name in (value if isinstance(value, list) else [value])]
    parts = [
        *plan.models,
        *(part for question in plan.questions for part in (question.task, question.tokenizer) if part is not None),
    ]
    ours = all(part.source is None and part.class_path.partition(".")[0] in ROOMS for part in parts)
    return ours and all(re.fullmatch(r"[\w-]+", name) for name in named)
