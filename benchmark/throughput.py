"""What cells cost on the devices that records come from: seconds measured, carried over to cells that were not."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmark.plan import Effort, Plan, Question
from leaderboard.record import Record

Kind = tuple[int, int, int]  # the numbers in a plan of a cell's model, question and effort: all but its seed
RULE = (
    "A cell is reckoned to take the median of the records that differ from it in the seed alone; where there is none, "
    "the seconds for each training input (sequences x lags) of its model's records, or else of all records."
)


@dataclass(frozen=True)
class Timing:
    """One record's seconds; `kind` and `model` are numbers in the plan, None where it is not of the plan's."""

    seconds: float
    inputs: int
    kind: Kind | None
    model: int | None


@dataclass
class Estimate:
    """Seconds of some cells on one device, how many of them by which rule, and how well the records agree.

    `middle` is the interquartile range of record over estimate, where seeds differ and nothing else; None: one record
    a kind.
    """

    seconds: float = 0.0
    cells: dict[str, int] = field(default_factory=lambda: {"kind": 0, "model": 0, "all": 0})
    middle: tuple[float, float] | None = None


def inputs(question: Question, effort: Effort) -> int:
    """Sequences of a whole training budget times the lags they reach across: all of a climb's, else the longest."""
    lags = sum(question.lags) if question.regime == "learn" else max(question.lags)
    return effort.budget.sequences * lags * max(1, len(effort.lrs))


def timings(plan: Plan, records: Iterable[Record]) -> dict[str, list[Timing]]:
    """Of each device, the records that were trained to the end."""
    models = {part.model_dump_json(): number for number, part in enumerate(plan.models)}
    questions = {question.model_dump_json(): number for number, question in enumerate(plan.questions)}
    efforts = {effort.model_dump_json(): number for number, effort in enumerate(plan.efforts)}
    found: dict[str, list[Timing]] = defaultdict(list)
    for record in records:
        if record.status != "ok" or not record.host.seconds:
            continue
        cell = record.cell
        question, effort = Question.of(cell), Effort.of(cell)
        model = models.get(cell.model.model_dump_json())
        numbers = model, questions.get(question.model_dump_json()), efforts.get(effort.model_dump_json())
        kind = None if None in numbers else numbers
        timing = Timing(record.host.seconds, inputs(question, effort), kind, model)  # pyright: ignore[reportArgumentType]
        found[record.host.device].append(timing)
    return dict(sorted(found.items()))


def estimated(plan: Plan, left: dict[Kind, int], measured: Sequence[Timing]) -> Estimate:
    """What so many cells of each kind take on the device where `measured` was."""
    kinds: dict[Kind, list[float]] = defaultdict(list)
    models: dict[int, list[float]] = defaultdict(list)
    for timing in measured:
        if timing.kind is not None:
            kinds[timing.kind].append(timing.seconds)
        if timing.model is not None:
            models[timing.model].append(timing.seconds / timing.inputs)
    by_kind = {kind: median(seconds) for kind, seconds in kinds.items()}
    by_model = {model: median(rates) for model, rates in models.items()}
    by_all = median(timing.seconds / timing.inputs for timing in measured)
    found = Estimate()
    for kind, n in left.items():
        model, question, effort = kind
        rule = "kind" if kind in by_kind else "model" if model in by_model else "all"
        rate = by_model.get(model, by_all) * inputs(plan.questions[question], plan.efforts[effort])
        found.seconds += n * by_kind.get(kind, rate)
        found.cells[rule] += n
    ratios = [each / by_kind[kind] for kind, seconds in kinds.items() if len(seconds) > 1 for each in seconds]
    if ratios:
        low, _, high = quantiles(ratios, n=4, method="inclusive")
        found.middle = low, high
    return found
