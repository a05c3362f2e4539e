"""The comparison in words: what was found, and what cannot be concluded, from the numbers alone."""

from collections.abc import Sequence

from leaderboard.comparison.compared import SPANS, Comparison
from leaderboard.groups import Group
from leaderboard.protocol import ENOUGH, LEVEL, MANY
from leaderboard.statistics.bits import Bits
from leaderboard.statistics.bits_difference import p_value
from leaderboard.statistics.decomposition import Share
from leaderboard.statistics.elasticity import Elasticity
from leaderboard.statistics.ties import holm


def findings(found: Comparison) -> list[str]:
    """What the numbers show, a sentence or two each."""
    said = [_elastic(found, regime, model) for regime in found.regimes for model in found.models]
    said += [_variance(found, regime) for regime in found.regimes]
    said += [_two_spans(found), *_bits(found)]
    return [sentence for sentence in said if sentence]


def open_questions(found: Comparison) -> list[str]:
    """What the numbers do not show, and what would."""
    said = [_unknown(found, regime, model) for regime in found.regimes for model in found.models]
    said += [_undivided(found, regime) for regime in found.regimes]
    corpus = next(iter(found.groups.values())).measure.corpus
    said += [
        f"One text ({corpus}), one training budget, these models: nothing here says how it is with others.",
        f"The context is fixed in {found.arm}; the other arm may differ, and is a comparison of its own.",
        _same_documents(found),
    ]
    return [sentence for sentence in said if sentence]


def _same_documents(found: Comparison) -> str:
    """Few documents are cut, and none is then unseen in training."""
    splits = next((r.facts.splits for r in found.records if r.facts and r.facts.splits), None)
    if splits is None or "test" not in splits or splits["test"].n_documents * 2 < splits["train"].n_documents:
        return ""
    n = splits["test"].n_documents
    return f"Training and test text are parts of the same {n} documents: nothing here is about documents never seen."


def _elastic(found: Comparison, regime: str, model: str) -> str:
    """How a model's span follows the bytes per token, against the two guides."""
    gamma, span = found.elasticities[regime, model], SPANS[regime]
    if gamma is None or gamma.text() == "no bound":
        return ""
    if gamma.value is None:
        return f"{model}: only a bound on how the {span} follows the bytes per token, γ {_relation(gamma)}."
    return f"{model}'s {span}{_verdict(gamma)}."


def _relation(gamma: Elasticity) -> str:
    text = gamma.text()
    return text if text[0] in "≥≤" else f"from {text}"


def _verdict(gamma: Elasticity) -> str:
    tokens, text, told = gamma.holds(1.0), gamma.holds(0.0), f"γ = {gamma.text()}"
    steps, stretch = "a fixed number of tokens (1)", "a fixed amount of text (0)"
    if tokens is None:
        return f": {told}, a point without an interval, which decides nothing"
    if tokens and text:
        return f": {told}, compatible with {steps} and with {stretch} alike, so it does not tell which"
    if tokens:
        return f" grows with the tokens: {told}, compatible with {steps}, not with {stretch}"
    if text:
        return f" stays with the text: {told}, compatible with {stretch}, not with {steps}"
    where = "between the two" if 0 < (gamma.value or 0.0) < 1 else "beyond both"
    return f" follows neither: {told}, compatible neither with {steps} nor with {stretch}, but {where}"


def _variance(found: Comparison, regime: str) -> str:
    shares = found.shares[regime]
    if isinstance(shares, str):
        return ""
    parts = ", ".join(f"{_source(source, shares)} {share.text()}" for source, share in shares.items())
    known, of = found.n_known(regime)
    bounded = "Some spans are only bounds and count at their bound, so this decides nothing about interaction."
    return f"Variance of the {SPANS[regime]} (log2 bytes): {parts}. {bounded if known < of else _interaction(shares)}"


def _source(source: str, shares: dict[str, Share]) -> str:
    return "interaction and seeds together" if source == "interaction" and "seeds" not in shares else source


def _interaction(shares: dict[str, Share]) -> str:
    share = shares["interaction"]
    if share.low is None or share.high is None:
        return "With one seed, interaction and seeds cannot be told apart."
    if share.low > 0:
        return "What a tokenizer changes depends on the architecture."
    return f"No interaction was found; one of up to {100 * share.high:.0f}% is compatible with the spans."


def _two_spans(found: Comparison) -> str:
    """The models whose retention span has its interval above that of the learning span, wherever both have one."""
    outlasts: dict[str, list[bool]] = {}
    for model, tokenizer, group in found.of("retain"):
        learned = found.groups.get(("learn", model, tokenizer))
        high = learned.span.high if learned and learned.span.censor in ("none", "below") else None
        if high is not None and group.span.low is not None:
            outlasts.setdefault(model, []).append(group.span.low > high)
    models = [model for model, those in outlasts.items() if all(those)]
    if not models:
        return ""
    return f"{_listed(models)}: retention outlasts learning; memory holds further than a dependency can be learned."


def _bits(found: Comparison) -> list[str]:
    """The fewest bits per byte of all, then each model's best granularity, by paired tests."""
    names = {f"{m}@{k}": bits for (m, k), bits in found.bits.items() if bits.value is not None}
    said = [_best(names, "Fewest bits per byte")] if len(names) > 1 else []
    for model in found.models:
        own = {k: bits for (m, k), bits in found.bits.items() if m == model and bits.value is not None}
        said += [_best(own, f"{model}: fewest bits per byte")] if len(own) > 1 and len(found.models) > 1 else []
    return said


def _best(names: dict[str, Bits], what: str) -> str:
    """The best, and who is not told apart from it at 5% over all comparisons with it (Holm)."""
    best, *others = sorted(names, key=lambda name: (names[name].value or 0.0, name))
    adjusted = holm([p_value(names[other], names[best]) for other in others])
    close = [other for other, p in zip(others, adjusted, strict=True) if p > 1 - LEVEL]
    kind = "documents paired" + ", documents alone" * (names[best].n_seeds == 1)
    rest = f"not told apart from {_listed(close)}" if close else "fewer than any other"
    few = ", exploratory" * (names[best].n_documents < MANY)
    return f"{what}: {best}, {names[best].text()}, {rest} ({kind}{few})."


def _unknown(found: Comparison, regime: str, model: str) -> str:
    """Why there is no estimate of a model's γ, and what would give one."""
    gamma = found.elasticities[regime, model]
    groups = [group for m, _, group in found.of(regime) if m == model and group.span.n_seeds]
    if (gamma is not None and gamma.value is not None) or not groups:
        return ""
    why, more = _why(groups, regime), f"how tokenization changes its {SPANS[regime]}"
    if gamma is None:
        return f"{model}: a single granularity does not say {more}."
    if gamma.n_granularities < ENOUGH:
        return f"{model}: {gamma.n_granularities} granularities are too few to say {more}, {ENOUGH} are needed{why}."
    can = "cannot be said" if gamma.text() == "no bound" else f"is only bounded (γ {_relation(gamma)})"
    return f"{model}: {more} {can}{why}."


def _why(groups: Sequence[Group], regime: str) -> str:
    """What censors these spans, and the remedy."""
    n = len(groups)
    above = sum(group.span.censor in ("above", "open") for group in groups)
    below = sum(group.span.censor in ("below", "not learned") for group in groups)
    parts = []
    if above:
        whom = "every span reaches" if above == n else f"{above} of {n} spans reach"
        parts.append(f"{whom} the end of the grid, or may: longer lags are needed")
    if below:
        whom = "no span is learned" if below == n else f"{below} of {n} spans are not learned"
        told = f"{whom} at the shortest lags: shorter ones, or more training, are needed"
        gained = f"{below} of {n} models gain less than ε by any doubling: more training is needed"
        parts.append(gained if regime == "language" else told)
    return "; " * bool(parts) + "; ".join(parts)


def _undivided(found: Comparison, regime: str) -> str:
    shares = found.shares[regime]
    return f"Whose doing the {SPANS[regime]} is cannot be split up: {shares}." if isinstance(shares, str) else ""


def _listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
