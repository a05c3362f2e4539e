"""Spans on gains whose truth is known, and how they are told."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from leaderboard.protocol import EPSILON_CURVE, MANY
from leaderboard.statistics.context import context_curve, context_span, epsilon_curve
from leaderboard.statistics.spans import Span
from tests.leaderboard.context_records import OCTAVES, T, drawn, written


def test_without_a_gain_none_is_claimed() -> None:
    """All gains are 0: the point rule sees some, its lower limit in 5% of trials at most, however small ε is."""
    rng, tiny, seen, claimed = np.random.default_rng(5), 1e-9, 0, 0
    sizes, contexts = rng.integers(100, 700, MANY), OCTAVES[:8]
    for _ in range(200):
        hard = rng.standard_t(3, MANY)[:, None] * 0.1 + 8
        rows = (hard + 0.1 * rng.standard_t(3, (3, MANY, 8)) + rng.normal(0, 0.01, (3, 1, 8))) * sizes[:, None]
        records = [
            written(dict(zip(contexts, np.abs(row).T.tolist(), strict=True)), sizes.tolist(), range(MANY), seed)
            for seed, row in enumerate(rows)
        ]
        span = context_span(records, tiny)
        assert span.low is not None
        seen += span.censor != "below"
        claimed += span.low > 0
    assert seen >= 190
    assert claimed <= 10


def test_a_long_dependency_is_found_standing_alone() -> None:
    span = context_span(drawn({2: 0.5, 4: 0.2, 64: 0.05}))
    assert (span.censor, span.value, span.low, span.high) == ("none", 64, 64, 64)
    assert (span.first_lag, span.last_lag, span.horizon, span.n_seeds) == (2, 512, T, 3)
    assert span.text(tokens=True) == "64 [64, 64] (48 tokens)"
    assert span.log2_seeds == (6, 6, 6)
    assert (span.tokens, span.tokens_low, span.tokens_high) == (48, 48, 48)
    assert (span.recall, span.s85, span.s_first) == (None, None, None)


def test_delayed_copies_span_one_octave_from_their_delay() -> None:
    """x_t = x_{t−D} with probability 1 − η, else uniform: log2 V bits below D, its entropy rate from there on."""
    delay, symbols, lost = 48, 16, 0.2
    wrong = lost * (1 - 1 / symbols)
    rate = -(1 - wrong) * math.log2(1 - wrong) - wrong * math.log2(wrong / (symbols - 1))
    exact = {c: [(rate if c >= delay else 4.0) * math.log(2) * 100 + 0.01 * d for d in range(20)] for c in OCTAVES}
    span = context_span([written(exact, [100] * 20, range(20))])
    assert span.value is not None
    assert delay <= span.value < 2 * delay


def test_a_larger_epsilon_never_lengthens_a_span() -> None:
    records = drawn({2: 0.5, 4: 0.12, 8: 0.05, 16: 0.02, 32: 0.008, 64: 0.004, 128: 0.002}, noise=0.1)
    curve = epsilon_curve(records)
    assert [epsilon for epsilon, _ in curve] == list(EPSILON_CURVE)
    assert curve[8][1] == context_span(records)
    for field in ("value", "low", "high"):
        ends = [float(getattr(span, field)) for _, span in curve]
        assert ends == sorted(ends, reverse=True)
        assert ends[0] > ends[-1]
    for _, span in curve:
        assert span.low is not None
        assert span.value is not None
        assert span.high is not None
        assert span.low <= span.value <= span.high


@pytest.mark.parametrize(
    ("gains", "noise", "censor", "text"),
    [
        ({2: 0.5, 512: 0.05}, 0.01, "above", "> 512*"),
        ({2: 0.5, 512: 0.014}, 0.1, "above", "[2, ∞)*"),  # the gain is there, its lower limit is not
        ({2: 0.5, 8: 0.2, 512: 0.005}, 0.1, "open", "[8, ∞)"),
        ({2: 0.5, 8: 0.2, 64: 0.007}, 0.02, "none", "8 [8, 64]"),
        ({64: 0.007}, 0.02, "below", "[< 2, 64]"),
        ({}, 0.05, "below", "[< 2, ∞)"),
        ({2: 0.008}, 0.01, "below", "< 2"),
        ({}, 0.01, "not learned", "no gain"),
    ],
)
def test_ends_of_the_grid_are_told_as_bounds(gains: Mapping[int, float], noise: float, censor: str, text: str) -> None:
    span = context_span(drawn(gains, noise=noise))
    assert (span.censor, span.text()) == (censor, text)


def test_tokens_say_what_the_interval_does() -> None:
    def told(gains: Mapping[int, float], noise: float) -> str:
        return context_span(drawn(gains, noise=noise)).text(tokens=True)

    assert told({2: 0.5, 512: 0.05}, 0.01) == "> 512* (> 384 tokens)"
    assert told({2: 0.5, 8: 0.2, 512: 0.014}, 0.1) == "[8, ∞)* (≥ 6 tokens)"
    assert told({64: 0.007}, 0.02) == "[< 2, 64] (≤ 48 tokens)"
    assert told({}, 0.05) == "[< 2, ∞)"
    in_tokens = context_span(drawn({2: 0.5}, lag_unit="tokens"))
    assert (in_tokens.unit, in_tokens.value, in_tokens.tokens) == ("tokens", 2, None)


def test_one_seed_has_limits_over_documents_and_one_document_has_none() -> None:
    alone = context_span(drawn({2: 0.5, 8: 0.05}, n_seeds=1))
    assert (alone.low, alone.high, alone.text()) == (8, 8, "8 [8, 8] (1 seed)")
    lonely = drawn({2: 0.5, 8: 0.05}, n=1, noise=0.001)
    curve, span = context_curve(lonely), context_span(lonely)
    assert (curve.margins, curve.lows, curve.highs) == (None, None, None)
    assert (span.low, span.high, span.text()) == (None, None, "8† (no interval)")
    assert context_span(drawn({2: 0.5}, n=MANY, noise=0.001)).text() == "2 [2, 2]"


def test_seeds_have_a_span_of_their_own() -> None:
    records = [drawn(gains, 5, noise=0.001)[seed] for seed, gains in enumerate([{2: 0.5}, {2: 0.5, 8: 0.1}, {}])]
    assert context_span(records).log2_seeds == (1, 3, 1)  # the third gains nowhere: the first context


def test_failed_seeds_are_counted_not_averaged() -> None:
    ok = drawn({2: 0.5, 8: 0.05})
    broken = ok[2].model_copy(update={"status": "diverged", "losses": [], "blocks": None})
    span = context_span([*ok[:2], broken])
    assert (span.n_seeds, span.n_diverged, span.value) == (2, 1, 8)
    assert "diverged 1/3" in span.text()
    lost = context_span([broken])
    assert (lost.censor, lost.value, lost.text()) == ("failed", None, "diverged 1/1")
    assert (lost.first_lag, lost.last_lag) == (T, T)


def test_where_no_half_was_scored_or_no_block_kept_there_is_no_span() -> None:
    given = drawn({2: 0.5})
    single = [r.model_copy(update={"losses": [losses for losses in r.losses if losses.context == T]}) for r in given]
    assert context_span(single).text() == "–"
    none = np.zeros(250, dtype=bool)
    assert context_span(given, kept=none).text() == "–"
    assert context_curve(given, none).drop_rate == 1


def test_spans_of_text_that_was_not_measured_do_not_read_as_not_learned() -> None:
    assert Span("bytes", T, 2, 512, n_seeds=3, n_diverged=0, n_failed=0).text() == "–"
