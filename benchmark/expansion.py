"""A table's rows as cells: what does not depend on the rest of a row is parsed once, not once a cell."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from benchmark.display import title
from benchmark.options import cell_parser, make_cell
from benchmark.plan import Effort, Plan, Question, cell_of
from benchmark.registry import UsageError, entry
from benchmark.tables import Table, axes, words
from leaderboard.cell import Cell, Part, Strict

OPTIONS = {  # of a row: the part of a cell that they make, whatever the others say
    "model": ("model", "n-params"),
    "question": ("task", "tokenizer", "corpus", "regime", "lags", "measures", "c-max", "bisect"),
    "effort": ("budget", "lr", "precision", "compile", "trainer"),
    "seed": (),  # --seed alone
}
GROUP = {option: group for group, options in OPTIONS.items() for option in options}
PLAIN = re.compile(r"0|[1-9]\d{0,17}")  # a seed that needs no parser
S = TypeVar("S", bound=Strict)
Point = tuple[str, ...]  # a value for each option of a row, or of a group
Key = tuple[Any, ...]
Numbers = tuple[int, int, int, int]  # of a cell: its model, question and effort; its seed


def expanded(table: Table, models: Sequence[str]) -> Plan:
    """Every cell of every row, in order; `models` are those of an open table. Raises UsageError naming the row."""
    if table.is_open and not models:
        raise UsageError(f"table {table.name} is for models of your choice: add --model M,…")
    if models and not table.is_open:
        raise UsageError(f"table {table.name} has its own models: leave --model out")
    expansion = Expansion()
    for number, row in enumerate(table.rows, 1):
        try:
            expansion.add({"model": list(models)} | row)
        except UsageError as error:
            raise UsageError(f"table {table.name}, row {number}: {error}") from None
    ids = expansion.ids()
    if not ids:
        raise UsageError(f"table {table.name}: it has no cells")
    plan = Plan(
        name=table.name,
        title=table.title,
        core_seconds=table.core_seconds * max(1, len(models)),
        models=expansion.models.all,
        questions=expansion.questions.all,
        efforts=expansion.efforts.all,
        rows=expansion.rows,
        ids=ids,
    )
    twice = next((ids.index(id_) for id_, n in Counter(ids).items() if n > 1), None)
    if twice is not None:
        raise UsageError(f"table {table.name}: two of its cells are the same, {title(plan.cell(twice))}")
    return plan


class Distinct(Generic[S]):
    """Distinct things, numbered as they come."""

    def __init__(self) -> None:
        self.all: list[S] = []
        self._places: dict[str, int] = {}

    def number(self, found: S) -> int:
        """The place of `found`, at the end where it is new."""
        place = self._places.setdefault(found.model_dump_json(), len(self.all))
        if place == len(self.all):
            self.all.append(found)
        return place


class Expansion:
    """Cells as they are found, their distinct parts numbered.

    A cell is its model, question, effort and seed, and each of them follows from its own words of a row (but for the
    learning rate that a model's entry may set). So every choice of one group of words is parsed once, the others held
    at their first, and the grid is put together from that.
    """

    def __init__(self) -> None:
        self.parser = cell_parser()
        self.models: Distinct[Part] = Distinct()
        self.questions: Distinct[Question] = Distinct()
        self.efforts: Distinct[Effort] = Distinct()
        self.rows: list[Numbers] = []
        self._keys = cache(_keys)
        self._known: dict[Key, Any] = {}  # of a group's words: numbers, of effort what trains at a model's own rate
        self._trained: dict[tuple[Key, float | None], int] = {}

    def add(self, row: dict[str, Any]) -> None:
        """The cells of a row. Raises UsageError, of the first of them that cannot be."""
        options, values = axes(row)
        if not all(values):
            return
        if self._entangled(options, values):
            self.rows += [self._numbers(self._make(options, point)) for point in itertools.product(*values)]
            return
        groups = Groups(options, values)
        self._learn(groups)
        for point in itertools.product(*values):
            model, question, effort, seed = groups.keys(point)
            number, lr = self._known[model]
            self.rows.append((number, self._known[question], self._effort(effort, lr), self._known[seed]))

    def ids(self) -> list[str]:
        """The id of every cell."""
        seeds: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        for model, question, effort, seed in self.rows:
            seeds[model, question, effort].append(seed)
        found = {}
        for (model, question, effort), each in seeds.items():
            cell = cell_of(self.models.all[model], self.questions.all[question], self.efforts.all[effort], 0)
            found[model, question, effort] = iter(cell.ids(each))
        return [next(found[row[:3]]) for row in self.rows]

    def _learn(self, groups: "Groups") -> None:
        """What the words of each group stand for, whatever the others are."""
        refused: set[Key] = set()
        for point in groups.probes():
            keys = groups.keys(point)
            if PLAIN.fullmatch(word := "".join(keys[3][-1])):
                self._known.setdefault(keys[3], int(word))
            if all(key in self._known for key in keys):
                continue
            try:
                self._remember(keys, self._make(groups.options, point))
            except UsageError:
                if point == groups.first:
                    raise
                refused |= {key for key in keys if key not in self._known}
        for point in itertools.product(*groups.values) if refused else ():
            if not refused.isdisjoint(keys := groups.keys(point)):
                self._remember(keys, self._make(groups.options, point))  # says what is wrong with the first of them

    def _remember(self, keys: Sequence[Key], cell: Cell) -> None:
        """What the words of a cell have come to stand for; `keys` are in the order of OPTIONS."""
        own_rate = keys[0][1]
        model = self.models.number(cell.model), None if own_rate else cell.budget.lr
        question = self.questions.number(Question.of(cell))
        for key, found in zip(keys, (model, question, Effort.of(cell), cell.seed), strict=True):
            self._known.setdefault(key, found)

    def _effort(self, key: Key, lr: float | None) -> int:
        """The number of what these words make of a training, of a model whose own rate is `lr`, unless they say it."""
        if (key, lr) not in self._trained:
            found = self._known[key]
            if lr is not None:
                found = found.model_copy(update={"budget": found.budget.model_copy(update={"lr": lr})})
            self._trained[key, lr] = self.efforts.number(found)
        return self._trained[key, lr]

    def _numbers(self, cell: Cell) -> Numbers:
        return (
            self.models.number(cell.model),
            self.questions.number(Question.of(cell)),
            self.efforts.number(Effort.of(cell)),
            cell.seed,
        )

    def _entangled(self, options: Sequence[str], values: Sequence[Sequence[str]]) -> bool:
        """Whether groups depend on each other: by what an entry sets, or by a value that looks like an option."""
        if any(word.startswith("--") for value in values for word in value):
            return True
        elsewhere = {"model": "lags", "task": "lr", "tokenizer": "lr"}
        return any(
            elsewhere[option[2:]] in self._keys(option[2:], word)
            for option, value in zip(options, values, strict=True)
            if option[2:] in elsewhere
            for word in value
        )

    def _make(self, options: Sequence[str], point: Point) -> Cell:
        return make_cell(words(options, point), self.parser)[0]


class Groups:
    """The options of a row by what of a cell they make; a group's words, in its order, are a key to that."""

    def __init__(self, options: Sequence[str], values: Sequence[Sequence[str]]) -> None:
        self.options, self.values = options, values
        self.first = tuple(value[0] for value in values)
        own_rate = not {"--budget.lr", "--lr"}.isdisjoint(options)  # which silences the model's
        groups = ["seed" if option == "--seed" else _group(option) for option in options]
        self._places = [[place for place, found in enumerate(groups) if found == group] for group in OPTIONS]
        self._heads = [
            (group, own_rate, tuple(options[place] for place in places))
            for group, places in zip(OPTIONS, self._places, strict=True)
        ]

    def keys(self, point: Point) -> list[Key]:
        """What tells the groups' words from others: model, question, effort, seed."""
        return [
            (*head, tuple([point[place] for place in places]))
            for head, places in zip(self._heads, self._places, strict=True)
        ]

    def probes(self) -> Iterator[Point]:
        """The first point, then every choice of one group after the other, all else as in the first."""
        yield self.first
        for places in self._places:
            for chosen in itertools.product(*(self.values[place] for place in places)):
                point = list(self.first)
                for place, word in zip(places, chosen, strict=True):
                    point[place] = word
                yield tuple(point)


def _group(option: str) -> str:
    """Where an option's words belong; what is none of ours is refused wherever it is."""
    return GROUP.get(re.split(r"[.=]", option[2:])[0], "effort")


def _keys(selector: str, word: str) -> frozenset[str]:
    """What the entry of a name says; nothing where there is none, which is complained of later."""
    try:
        return frozenset(entry(f"{selector}s", word))
    except UsageError:
        return frozenset()
