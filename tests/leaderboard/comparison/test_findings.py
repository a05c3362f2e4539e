"""What a comparison says in words, and what it warns of."""

import re

import pytest

from leaderboard.comparison.cautions import cautions
from leaderboard.comparison.compared import Comparison, compared
from leaderboard.comparison.comparison_tables import sheets
from leaderboard.comparison.findings import findings, open_questions
from leaderboard.record import Record
from tests.leaderboard.synthetic_records import MODELS, Model, budget, comparison, language, part

ALL = comparison()


def changed(records: list[Record], model: str, **facts: object) -> list[Record]:
    """With other facts for one model."""

    def other(r: Record) -> Record:
        assert r.facts is not None
        return r.model_copy(update={"facts": r.facts.model_copy(update=facts)}) if r.cell.model.name == model else r

    return [other(r) for r in records]


def without_curves(records: list[Record]) -> list[Record]:
    return [r for r in records if r.cell.regime == "language"]


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compared(ALL, "bytes")


def test_words_say_what_the_numbers_do(found: Comparison) -> None:
    said, unsaid = "\n".join(findings(found)), "\n".join(open_questions(found))
    assert re.search(
        r"gru's learning span grows with the tokens: γ = [\d.]+ \[.*\], compatible with a fixed number", said
    )
    assert re.search(r"tcn's retention span stays with the text: .*not with a fixed number of tokens", said)
    assert "gru, lstm and tcn: retention outlasts learning" in said
    assert "Fewest bits per byte: transformer@bpe-8192" in said
    assert "decides nothing about interaction" in said  # the transformer's spans are bounds
    assert "transformer's" not in said
    assert "transformer: how tokenization changes its learning span cannot be said; every span reaches" in unsaid
    [warning] = cautions(found)
    assert warning.startswith("Only 11 of 16 learning spans are known; what reaches an end of the lags tested, or may")


def test_without_bounds_an_interaction_may_be_claimed() -> None:
    some = {"gru": (24.0, 1.0, 2.0), "tcn": (40.0, 0.0, 2.0)}
    told = "\n".join(findings(compared(comparison(some), "bytes")))
    assert "What a tokenizer changes depends on the architecture." in told
    alike: dict[str, Model] = {"gru": (30.0, 1.0, 2.0), "tcn": (30.0, 1.0, 2.0)}
    told = "\n".join(findings(compared(comparison(alike), "bytes")))
    assert "depends on the architecture" not in told
    assert "No interaction was found; one of up to" in told


def test_spans_that_are_all_bounds_are_not_split_up() -> None:
    found = compared(comparison({"a": (9e3, 1.0, 2.0), "b": (9e3, 1.0, 2.0)}), "bytes")
    assert "Whose doing the learning span is cannot be split up: no span is known." in open_questions(found)
    assert not any("Variance" in sentence for sentence in findings(found))


def test_one_seed_claims_little() -> None:
    alone = compared(comparison(seeds=1), "bytes")
    told = "\n".join(findings(alone))
    assert "a point without an interval, which decides nothing" in told
    assert "grows with" not in told
    assert "outlasts" not in told
    assert "documents alone" in told
    assert "One seed: another would differ by an amount that nothing here tells." in cautions(alone)


def test_two_granularities_are_too_few_for_a_slope() -> None:
    two = compared(comparison(kappas={"byte": 1.0, "bpe-512": 1.95}), "bytes")
    assert "gru: 2 granularities are too few to say how tokenization changes its learning span, 3 are needed." in (
        open_questions(two)
    )
    one = compared(comparison(kappas={"byte": 1.0}), "bytes")
    assert "gru: a single granularity does not say how tokenization changes its learning span." in open_questions(one)
    assert [sheet.title for sheet in sheets(one)] == ["By granularity"]


@pytest.mark.parametrize(
    ("records", "warning"),
    [
        (
            changed(ALL, "gru", n_params_non_embedding=1000),
            "from 900 (lstm@bpe-2048) to 1,000 (gru@bpe-2048), 11% apart",
        ),
        (changed(changed(ALL, "gru", n_train_bytes=1000), "lstm", n_train_bytes=1020), "see as much text everywhere"),
        (comparison(documents=150), "150 test documents, fewer than 200"),
        ([r for r in ALL if (r.cell.seed, r.cell.model.name) != (2, "tcn")], "from 2 to 3 finished seeds"),
        (
            [*ALL[1:], ALL[0].model_copy(update={"status": "diverged", "reason": "nan"})],
            "The learning span of gru@byte diverged with seed 0, left out of every average.",
        ),
        (
            [*without_curves(ALL), *[language(2.1, model=part("x"), seed=s, budget=budget(lr=0.5)) for s in range(3)]],
            "Training for the bits per byte differs in lr: 0.001 (gru, lstm, tcn, transformer); 0.5 (x).",
        ),
        (
            [
                *without_curves(ALL),
                *[language(2.1, 1.95, dropped=[0, 1, 2], tokenizer=part("x"), seed=s) for s in range(3)],
            ],
            "3 of 600 target blocks (0.5%) are left out for all",
        ),
    ],
)
def test_unfair_or_weak_comparisons_are_warned_of(records: list[Record], warning: str) -> None:
    assert any(warning in sentence for sentence in cautions(compared(records, "bytes")))


def test_in_the_arm_of_tokens_a_horizon_of_as_many_tokens_is_the_same() -> None:
    def in_tokens(r: Record) -> Record:
        assert r.facts is not None
        kappa = r.facts.bytes_per_token or 1.0
        lags = [16, round(128 * kappa)] if r.cell.regime == "retain" else r.cell.lags
        size = round(32 / kappa)
        cell = r.cell.model_copy(update={"lags": lags, "budget": budget(batch_size=size, sequences=50 * size)})
        unit = "tokens" if r.cell.regime == "language" else "bytes"
        return r.model_copy(
            update={"cell": cell, "id": cell.id, "facts": r.facts.model_copy(update={"lag_unit": unit})}
        )

    records = [in_tokens(r) for r in comparison(MODELS | {"gru": (24, 1, 2.0), "transformer": (30, 1, 2.0)})]
    assert cautions(compared(records, "tokens")) == []
    with pytest.raises(ValueError, match="the arm is bytes, but text was predicted with a context in tokens"):
        compared(records, "bytes")
