"""Tables of a comparison: rows for Markdown, terminal and page alike, and as CSV with every number."""

from dataclasses import dataclass

from leaderboard.comparison.compared import SPANS, Comparison
from leaderboard.reports.sheets import BITS, SPAN, attributes, csv_text
from leaderboard.reports.tables import coarse
from leaderboard.statistics.decomposition import SOURCES
from leaderboard.statistics.elasticity import Elasticity
from leaderboard.statistics.joint import NOTE, SHARES

SCORES = {"learn": "recall, learning", "retain": "recall, retention"}


@dataclass(frozen=True)
class Sheet:
    """A table to be read: the first column names the row."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str


def sheets(found: Comparison) -> list[Sheet]:
    """Spans and bits per byte by granularity; γ by model; shares of variance."""
    made = [_granularities(found)]
    if found.regimes and len(found.tokenizers) > 1:
        made += [_elasticities(found), _shares(found)]
    return [sheet for sheet in made if sheet.rows]


def _granularities(found: Comparison) -> Sheet:
    bits = ["bits/byte"] if found.bits else []
    spans = [f"{SPANS[regime]}, bytes" for regime in found.regimes]
    scores = [SCORES[regime] for regime in found.regimes if regime in SCORES]
    header = ["model", "tokenizer", "bytes/token", *bits, *spans, *scores, "FLOPs/byte"]
    rows = [_row(found, model, tokenizer) for model in found.models for tokenizer in found.tokenizers]
    note = (
        "bytes/token and FLOPs/byte are of the test text, a forward pass at the longest context. Recall is the mean of "
        "s over the lags, 0 to 1."
    )
    return Sheet("By granularity", header, rows, note)


def _row(found: Comparison, model: str, tokenizer: str) -> list[str]:
    kappa, facts = found.kappa.get(tokenizer), found.facts(model, tokenizer)
    row = [model, tokenizer, f"{kappa:.2f}" if kappa else "–"]
    if found.bits:
        row.append(found.bits[model, tokenizer].text() if (model, tokenizer) in found.bits else "–")
    groups = {regime: found.groups.get((regime, model, tokenizer)) for regime in found.regimes}
    row += [group.span.text(tokens=coarse(group)) if group else "–" for group in groups.values()]
    scored = [group for regime, group in groups.items() if regime in SCORES]
    row += [_score(g.span.recall, g.span.recall_low, g.span.recall_high) if g else "–" for g in scored]
    return [*row, f"{facts.flops_per_token / kappa:,.0f}" if facts and kappa else "–"]


def _score(value: float | None, low: float | None, high: float | None) -> str:
    interval = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else ""
    return "–" if value is None else f"{value:.2f}{interval}"


def _elasticities(found: Comparison) -> Sheet:
    header = ["model", "parameters", *(f"γ, {SPANS[regime]}" for regime in found.regimes)]
    rows = []
    for model in found.models:
        sizes = sorted({f.n_params_non_embedding for k in found.tokenizers if (f := found.facts(model, k))})
        size = "–" if not sizes else "–".join(f"{n:,}" for n in dict.fromkeys([sizes[0], sizes[-1]]))
        gammas = [found.elasticities[regime, model] for regime in found.regimes]
        rows.append([model, size, *(gamma.text() if gamma else "–" for gamma in gammas)])
    note = f"{NOTE} Parameters: without embedding and head."
    return Sheet("Elasticity", header, rows, note)


def _shares(found: Comparison) -> Sheet:
    told = [(SPANS[regime], found.joint[regime].share_row()) for regime in found.regimes]
    rows = [[name, *row] for name, row in told if row is not None]
    return Sheet("Shares of variance", ["span", *SOURCES], rows, SHARES)


def comparison_csv(found: Comparison) -> str:
    """A line for each model and tokenizer, with every number; no times and no host facts."""
    return csv_text([_numbers(found, model, tokenizer) for model in found.models for tokenizer in found.tokenizers])


def _numbers(found: Comparison, model: str, tokenizer: str) -> dict[str, object]:
    kappa, facts = found.kappa.get(tokenizer), found.facts(model, tokenizer)
    row: dict[str, object] = {"model": model, "tokenizer": tokenizer, "arm": found.arm, "bytes_per_token": kappa}
    row |= {"vocab_size": facts and facts.vocab_size, "n_params": facts and facts.n_params}
    row |= {"n_params_non_embedding": facts and facts.n_params_non_embedding}
    row |= {"flops_per_byte": facts.flops_per_token / kappa if facts and kappa else None}
    row |= attributes(BITS, found.bits.get((model, tokenizer)))
    for regime in SPANS:
        group = found.groups.get((regime, model, tokenizer))
        statuses = [record.status for record in group.records] if group else []
        told = next((record.facts for record in group.records if record.facts), None) if group else None
        row |= {f"{regime}_T": group and group.measure.horizon}
        row |= {f"{regime}_train_bytes": told and told.n_train_bytes}
        row |= {f"{regime}_n_{status}": statuses.count(status) for status in ("ok", "diverged", "failed")}
        numbers = attributes(SPAN, group.span if group and group.has_span else None)
        row |= {f"{regime}_{column}": value for column, value in numbers.items()}
    return row


def effects_csv(found: Comparison) -> str | None:
    """γ of each model and the share of each source, a line each; None where there are none."""
    rows = [_gamma(regime, model, gamma) for (regime, model), gamma in sorted(found.elasticities.items()) if gamma]
    for regime, shares in found.shares.items():
        for source, share in {} if isinstance(shares, str) else shares.items():
            known = found.n_known(regime)
            row: dict[str, object] = {"span": regime, "effect": "share", "of": source, "value": share.value}
            rows.append(row | {"low": share.low, "high": share.high, "n_known": known[0], "n": known[1]})
    return csv_text(rows) if rows else None


def _gamma(regime: str, model: str, gamma: Elasticity) -> dict[str, object]:
    row: dict[str, object] = {"span": regime, "effect": "elasticity", "of": model, "value": gamma.value}
    return row | {"low": gamma.low, "high": gamma.high, "n_known": gamma.n_known, "n": gamma.n_granularities}
