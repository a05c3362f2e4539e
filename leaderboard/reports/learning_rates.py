"""Which learning rate won, where a table has several of them to choose from."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from leaderboard.groups import Group
from leaderboard.record import Record
from leaderboard.reports.tables import pipes

RATES = """\
Of these the one that validates best is kept, for each seed and, of a climb, each lag: how often each was. The test \
has no part in it; every trial is in the records."""


def kept_rates(record: Record) -> list[float]:
    """The rate kept of each choice of a record: the first with the best validation; none where all diverged."""
    choices = defaultdict[int | None, list[tuple[float, float]]](list)
    for trial in record.trials:
        if trial.strength is not None:
            choices[trial.lag].append((trial.strength, trial.lr))
    return [max(tried, key=lambda trial: trial[0])[1] for tried in choices.values()]


def rates_table(groups: Sequence[Group]) -> str | None:
    """How often each learning rate was kept, a row for each model and measure, as Markdown; None without a choice."""
    chosen = [g for g in groups if any(r.trials for r in g.records)]
    rates = sorted({trial.lr for g in chosen for r in g.records for trial in r.trials})
    rows = []
    for g in chosen:
        tried = {trial.lr for r in g.records for trial in r.trials}
        kept = Counter(lr for r in g.records for lr in kept_rates(r))
        rows.append([g.model, g.measure.label, *(str(kept[lr]) if lr in tried else "–" for lr in rates)])
    return pipes(["model", "measure", *(f"{lr:g}" for lr in rates)], rows, names=2) if rows else None
