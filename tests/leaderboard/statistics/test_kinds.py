"""Context spans in the joint effect: sources whose span is a number of tokens, or a stretch of text."""

import numpy as np
import pytest

from leaderboard.groups import Group, group
from leaderboard.record import Record
from leaderboard.statistics.context import context_curve
from leaderboard.statistics.elasticity import elasticity
from leaderboard.statistics.joint import joint_effect
from leaderboard.statistics.kinds import RECALL, context_in_bytes, context_reading, kind_of, recall_reading
from tests.leaderboard.context_records import OCTAVES, drawn
from tests.leaderboard.synthetic_records import OCTAVES as LAGS
from tests.leaderboard.synthetic_records import part, record

KAPPAS = {"byte": 1.0, "bpe-512": 2.0, "bpe-4096": 4.0}


def cell_of(model: str, tokenizer: str, last_gain: int, unit: str = "bytes", seeds: int = 3) -> list[Record]:
    """Seeds of one cell whose last doubling that helps ends at `last_gain`."""
    gains = {context: 0.2 for context in OCTAVES[1:] if context <= last_gain}
    found = drawn(gains, seeds, n=220, key=len(model) + last_gain, lag_unit=unit, bytes_per_token=KAPPAS[tokenizer])
    parts = {"model": part(model), "tokenizer": part(tokenizer), "measures": ["context"]}
    cells = [r.cell.model_copy(update=parts) for r in found]
    return [r.model_copy(update={"cell": cell, "id": cell.id}) for r, cell in zip(found, cells, strict=True)]


@pytest.mark.parametrize(("in_tokens", "truth"), [(True, 1.0), (False, 0.0)])
def test_windows_of_tokens_and_of_text(in_tokens: bool, truth: float) -> None:
    cells = {k: cell_of("lstm", k, round(16 * (kappa if in_tokens else 1))) for k, kappa in KAPPAS.items()}
    found = elasticity([(KAPPAS[k], records) for k, records in cells.items()], kind_of("language"))
    assert found is not None
    assert found.n_known == 3
    assert found.holds(truth)
    assert found.value == pytest.approx(truth, abs=0.1)


def test_a_span_in_tokens_is_told_in_bytes() -> None:
    records = cell_of("lstm", "bpe-512", 16, unit="tokens")
    span = context_in_bytes(records)
    assert (span.unit, span.value, span.tokens) == ("bytes", 32.0, 16.0)
    assert (span.last_lag, span.horizon) == (1024, 256)
    assert 2 ** context_reading(records[0]).log2_span == pytest.approx(32)
    assert span.log2_seeds == pytest.approx([5.0] * 3)


def test_a_seeds_own_reading_is_a_bound_at_the_grids_ends_alone() -> None:
    def bound(last_gain: int) -> int:
        return context_reading(cell_of("lstm", "byte", last_gain, seeds=1)[0]).bound

    assert [bound(last) for last in (0, 16, 512)] == [-1, 0, 1]
    assert context_reading(cell_of("lstm", "byte", 16, seeds=1)[0]).step == 1


def test_recall_is_read_as_its_span_is() -> None:
    for s, bound in (([1, 1, 0, 0, 0, 0], 0), ([1] * 6, 1), ([0] * 6, -1), ([0.3, 0, 0, 0, 0, 0], -1)):
        found = recall_reading(record(dict(zip(LAGS, s, strict=True))))
        assert found.bound == bound
        assert found.step == 1
    assert kind_of("learn") is kind_of("retain") is RECALL


def test_the_joint_effect_of_cells_of_text() -> None:
    spans = {("lstm", "byte"): 16, ("lstm", "bpe-512"): 32, ("lstm", "bpe-4096"): 64}
    spans |= {("tcn", k): 64 for k in KAPPAS}
    groups: list[Group] = group(r for (model, k), last in spans.items() for r in cell_of(model, k, last))
    found = joint_effect(groups)
    assert (found.n_known, found.n_spans) == (6, 6)
    gammas = {model: gamma.value for model, gamma in found.elasticities.items() if gamma}
    assert gammas == pytest.approx({"lstm": 1, "tcn": 0}, abs=0.05)
    assert not isinstance(found.shares, str)
    # log2 S: lstm 4, 5, 6; tcn 6, 6, 6 -> effects ±1/2 of architecture, ∓1/2, 0 of granularity and of interaction
    squares = {"architecture": 6 * 0.25, "granularity": 4 * 0.25, "interaction": 4 * 0.25}
    whole = sum(squares.values())
    for source, square in squares.items():
        assert found.shares[source].value == pytest.approx(square / whole, abs=0.02)
    assert np.isclose(sum(share.value for share in found.shares.values()), 1)


def test_gains_without_limits_are_the_same_gains() -> None:
    records = cell_of("lstm", "byte", 64)
    judged, bare = context_curve(records), context_curve(records, judged=False)
    assert np.allclose(bare.gains, judged.gains, rtol=1e-12)
    assert np.array_equal(bare.seed_gains, judged.seed_gains)
    assert bare.margins is None
