"""Warnings: what makes a comparison unfair or weak, in plain sentences."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.comparison.compared import SPANS, Comparison
from leaderboard.groups import Group
from leaderboard.protocol import MANY

PARAMETERS = 0.05  # how far sizes may be apart, as a share of the smaller
TEXT = 0.01  # how far training bytes may be apart
KNOWN = 0.75  # share of the spans that should be known, not merely bounded
FITTED = {"sequences", "batch_size", "val_every"}  # may differ by tokenizer, so that the bytes do not
ASKED = {**SPANS, "language": "bits per byte"}


def cautions(found: Comparison) -> list[str]:
    """A sentence each, in a fixed order."""
    parts = (_blocked, _sizes, _training_text, _budgets, _lags, _known, _documents, _dropped, _seeds, _broken)
    return [sentence for part in parts for sentence in part(found)]


def _blocked(found: Comparison) -> list[str]:
    return [f"{name.capitalize()} is left out: {reason}" for name, reason in sorted(found.blocked.items())]


def _spread(values: Mapping[str, float], limit: float) -> str | None:
    """The least and the greatest with their names, where they are further apart than `limit`."""
    if not values or max(values.values()) <= min(values.values()) * (1 + limit):
        return None
    low, high = (choose(sorted(values), key=values.__getitem__) for choose in (min, max))
    apart = 100 * (values[high] / values[low] - 1) if values[low] else float("inf")
    return f"from {values[low]:,.0f} ({low}) to {values[high]:,.0f} ({high}), {apart:.0f}% apart"


def _sizes(found: Comparison) -> list[str]:
    sizes = {
        f"{m}@{k}": float(facts.n_params_non_embedding)
        for m in found.models
        for k in found.tokenizers
        if (facts := found.facts(m, k))
    }
    said = _spread(sizes, PARAMETERS)
    return [f"Models are not of one size: non-embedding parameters range {said}."] if said else []


def _training_text(found: Comparison) -> list[str]:
    sentences = []
    for regime, name in ASKED.items():
        seen = {
            f"{m}@{k}": float(r.facts.n_train_bytes)
            for m, k, group in found.of(regime)
            for r in group.records
            if r.facts and r.facts.n_train_bytes
        }
        said = _spread(seen, TEXT)
        sentences += (
            [f"Training for the {name} does not see as much text everywhere: bytes range {said}."] if said else []
        )
    return sentences


def _budgets(found: Comparison) -> list[str]:
    """What differs between budgets, the fitted counts apart where they differ between tokenizers alone."""
    sentences = []
    for regime, name in ASKED.items():
        groups = found.of(regime)
        keys = sorted({key for _, _, group in groups for key in group.records[0].cell.budget.model_dump()})
        for key in keys:
            values = {(m, k): getattr(group.records[0].cell.budget, key) for m, k, group in groups}
            by_tokenizer = key in FITTED and _same_within_tokenizers(values)
            if len(set(values.values())) > 1 and not (found.arm == "tokens" and by_tokenizer):
                shown = _told({f"{m}@{k}": value for (m, k), value in values.items()})
                sentences.append(f"Training for the {name} differs in {key}: {shown}.")
    return sentences


def _same_within_tokenizers(values: Mapping[tuple[str, str], Any]) -> bool:
    by_tokenizer: dict[str, set[Any]] = defaultdict(set)
    for (_, tokenizer), value in values.items():
        by_tokenizer[tokenizer].add(value)
    return all(len(several) == 1 for several in by_tokenizer.values())


def _told(values: Mapping[str, Any]) -> str:
    """Names by value: `0.003 (gru, lstm), 0.001 (transformer)`; a model stands for all of its tokenizers."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, value in values.items():
        names[f"{value:g}" if isinstance(value, float) else str(value)].append(name)
    whole = {model: len([n for n in values if n.rpartition("@")[0] == model]) for model in _models(values)}

    def shorter(members: Sequence[str]) -> str:
        counts = {model: sum(n.rpartition("@")[0] == model for n in members) for model in _models(members)}
        shown = [model for model, count in counts.items() if count == whole[model]]
        return ", ".join(shown + [n for n in members if n.rpartition("@")[0] not in shown])

    return "; ".join(f"{value} ({shorter(members)})" for value, members in names.items())


def _models(names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(name.rpartition("@")[0] for name in names))


def _lags(found: Comparison) -> list[str]:
    """Lags are the same in bytes or, in the arm of tokens, T of retention and of text is the same in tokens."""
    sentences = []
    for regime, name in ASKED.items():
        in_tokens = found.arm == "tokens" and regime == "retain"
        lags = {
            f"{m}@{k}": _asked(group, found.kappa.get(k, 1.0) if in_tokens else None)
            for m, k, group in found.of(regime)
        }
        if len(set(lags.values())) > 1:
            sentences.append(f"Lags of the {name} differ: {_told(lags)}.")
    return sentences


def _asked(group: Group, kappa: float | None) -> str:
    cell = group.records[0].cell
    if kappa is None:
        return f"{', '.join(map(str, cell.lags))}{' bisected' * cell.bisect}"
    return f"T = {cell.horizon / kappa:.0f} tokens"


def _known(found: Comparison) -> list[str]:
    sentences = []
    for regime in found.regimes:
        known, of = found.n_known(regime)
        if of and known / of < KNOWN:
            sentences.append(
                f"Only {known} of {of} {SPANS[regime]}{'s' * (of > 1)} {'is' if known == 1 else 'are'} known; what "
                "reaches an end of the lags tested, or may, enters as a bound."
            )
    return sentences


def _documents(found: Comparison) -> list[str]:
    n = min((b.n_documents for b in found.bits.values() if b.value is not None), default=MANY)
    return [f"Bits per byte rest on {n} test documents, fewer than {MANY}: they are exploratory."] if n < MANY else []


def _dropped(found: Comparison) -> list[str]:
    bits = next((b for b in found.bits.values() if b.n_dropped), None)
    if bits is None:
        return []
    total = bits.n_blocks + bits.n_dropped
    dropped = f"{bits.n_dropped} of {total} target blocks ({100 * bits.n_dropped / total:.1f}%)"
    return [f"{dropped} are left out for all: some tokenizer does not keep their edges."]


def _seeds(found: Comparison) -> list[str]:
    counts = {key: sum(r.status == "ok" for r in group.records) for key, group in found.groups.items()}
    shown = sorted(set(counts.values()))
    if shown == [1]:
        return ["One seed: another would differ by an amount that nothing here tells."]
    return [f"Cells have from {shown[0]} to {shown[-1]} finished seeds."] if len(shown) > 1 else []


def _broken(found: Comparison) -> list[str]:
    sentences = []
    for (regime, model, tokenizer), group in sorted(found.groups.items()):
        for status in ("diverged", "failed"):
            seeds = [str(r.cell.seed) for r in group.records if r.status == status]
            if seeds:
                what = f"{ASKED[regime]} of {model}@{tokenizer}"
                sentences.append(f"The {what} {status} with seed {', '.join(seeds)}, left out of every average.")
    return sentences
