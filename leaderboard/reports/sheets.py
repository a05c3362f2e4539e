"""Tables as CSV: every number of each cell, and what each record cost."""

import csv
import io
from collections.abc import Sequence

import numpy as np

from leaderboard.groups import Group
from leaderboard.record import Record
from leaderboard.reports.tables import bits_of
from leaderboard.statistics.bits import Bits
from leaderboard.statistics.curves import finished
from leaderboard.statistics.spans import Span

SPAN = {  # column: attribute of Span
    "span": "value",
    "span_low": "low",
    "span_high": "high",
    "censor": "censor",
    "extrapolated": "extrapolated",
    "span_tokens": "tokens",
    "span_tokens_low": "tokens_low",
    "span_tokens_high": "tokens_high",
    "s85": "s85",
    "recall": "recall",
    "recall_low": "recall_low",
    "recall_high": "recall_high",
    "s_shortest": "s_first",
    "shortest_lag": "first_lag",
    "longest_lag": "last_lag",
}
BITS = {  # column: attribute of Bits
    "bits_per_byte": "value",
    "bits_low": "low",
    "bits_high": "high",
    "n_documents": "n_documents",
    "n_blocks": "n_blocks",
    "n_blocks_dropped": "n_dropped",
}


FLOATS = (float, np.floating)


def csv_text(rows: Sequence[dict[str, object]]) -> str:
    """Rows of the same keys in the same order as CSV; numbers to 6 significant digits, None as nothing."""

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([f"{value:.6g}" if isinstance(value, FLOATS) else value for value in row.values()] for row in rows)
    return file.getvalue()


def attributes(columns: dict[str, str], found: Span | Bits | None) -> dict[str, object]:
    """Attributes of `found` under the names of their columns; None where there is nothing."""
    return {column: getattr(found, name) if found is not None else None for column, name in columns.items()}


def long_csv(groups: Sequence[Group]) -> str:
    """A line for each model and measure, with every number; no times and no host facts."""
    bits = bits_of(groups)
    return csv_text([_numbers(g) | attributes(BITS, bits.get((g.model, g.measure))) for g in groups])


def _numbers(group: Group) -> dict[str, object]:
    m, statuses = group.measure, [r.status for r in group.records]
    facts = next((r.facts for r in [*finished(group.records), *group.records] if r.facts), None)
    kappa = group.bytes_per_token
    row: dict[str, object] = {"model": group.model, "measure": m.label, "regime": m.regime, "task": m.task}
    row |= {"tokenizer": m.tokenizer, "corpus": m.corpus, "lag_unit": facts and facts.lag_unit, "T": m.horizon}
    row |= attributes(SPAN, None if m.is_language else group.span)
    row |= {"n_finished": statuses.count("ok"), "n_diverged": statuses.count("diverged")}
    row |= {"n_failed": statuses.count("failed"), "receptive_field": facts and facts.receptive_field}
    row |= {"n_params": facts and facts.n_params, "n_params_non_embedding": facts and facts.n_params_non_embedding}
    row |= {"flops_per_token": facts and facts.flops_per_token, "bytes_per_token": kappa}
    return row | {"flops_per_byte": facts.flops_per_token / kappa if facts and kappa else None}


def costs_csv(groups: Sequence[Group]) -> str:
    """A line for each record: what it took, where, and how it ended. The only table with times in it."""
    return csv_text([_cost(g, r) for g in groups for r in g.records])


def _cost(group: Group, record: Record) -> dict[str, object]:
    cell, host = record.cell, record.host
    if cell.regime == "learn":
        trained = sum(o.sequences or 0 for o in record.curve)
    else:
        trained = cell.budget.sequences if record.status == "ok" else None
    return {
        "id": record.id,
        "model": group.model,
        "measure": group.measure.label,
        "task": cell.task.name,
        "tokenizer": group.measure.tokenizer,
        "regime": cell.regime,
        "seed": cell.seed,
        "status": record.status,
        "reason": record.reason,
        "seconds": host.seconds,
        "peak_bytes": host.peak_bytes,
        "device": host.device,
        "sequences": trained,
        "finished": host.finished,
    }
