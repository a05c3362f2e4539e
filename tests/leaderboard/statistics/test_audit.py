"""Verdicts of the memory audit on scores whose truth is known, and how often noise alone is taken for a loss."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pytest

from leaderboard.measured import Audit, Score
from leaderboard.record import Facts, Record
from leaderboard.statistics.audit import Verdict, audit_verdict
from tests.leaderboard.synthetic_records import facts, record

N = 256
Part = Literal["shifted", "perturbed", "decoded"]


def score(s: float, at: int = 0, told: Facts | None = None) -> Score:
    """That of an s, above a chance of 0 where nothing else is told."""
    told = told or facts()
    mean = (1 - s) * told.chance if told.metric == "mse" else told.chance + s * (1 - told.chance)
    return Score(at=at, n=N, total=N * mean)


def audited(
    plain: float = 1.0,
    shifted: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    perturbed: float | None = 1.0,
    decoded: Mapping[int, float] = {16: 1.0, 32: 1.0, 64: 1.0},
    seed: int = 0,
    told: Facts | None = None,
    skipped: Mapping[Part, str] = {},
) -> Record:
    """A seed audited at lag 32 of T = 128."""
    found = Audit(
        lag=32,
        plain=score(plain, told=told),
        shifted=[score(s, 32 * k, told) for k, s in enumerate(shifted)],
        perturbed=None if perturbed is None else score(perturbed, 16, told),
        decoded=[score(s, lag, told) for lag, s in decoded.items()],
        skipped=dict(skipped),
    )
    made = record({8: 1.0}, regime="retain", lags=[2, 128], seed=seed)
    return made.model_copy(update={"audit": found, "facts": told or made.facts})


def verdict(*records: Record) -> Verdict:
    found = audit_verdict(records)
    assert found is not None
    return found


TOLD = [
    facts(),
    facts(chance=0.125),
    facts(chance=0.5),
    facts(metric="mse", chance=1 / 12),
]
EACH = pytest.mark.parametrize("told", TOLD, ids=["0", "1/8", "1/2", "mse"])


@EACH
def test_a_memory_is_one(told: Facts) -> None:
    found = verdict(*(audited(0.95, [0.95, 0.95, 0.94, 0.95], 0.92, seed=seed, told=told) for seed in range(3)))
    assert found.word == "memory"
    assert found.text() == "memory (shift −0.01, noise −0.03, linear to 64)"
    assert found.s == pytest.approx(0.95)
    assert found.shift is not None
    assert found.shift.at == 64


@EACH
def test_a_clock_drifts(told: Facts) -> None:
    found = verdict(audited(1.0, [1.0, 0.6, 0.1, 0.3], 0.2, told=told))
    assert found.word == "drift"  # named before fragility
    assert found.shift is not None
    assert (found.shift.value, found.shift.at) == (pytest.approx(0.9), 64)
    assert found.text() == "drift (shift −0.90, noise −0.80, linear to 64)"


@EACH
def test_what_noise_destroys_is_fragile(told: Facts) -> None:
    found = verdict(*(audited(0.9, [0.9] * 4, s, seed=seed, told=told) for seed, s in enumerate((0.3, 0.5))))
    assert found.word == "fragile"
    assert found.noise is not None
    assert found.noise.value == pytest.approx(0.5)


def test_a_loss_is_the_mean_over_seeds() -> None:
    """One clock among three models is a drift of the architecture's mean; a small loss of all is none."""
    mixed = verdict(*(audited(1.0, [1.0, 1.0, 1.0, s], seed=seed) for seed, s in enumerate((0.4, 1.0, 1.0))))
    assert mixed.word == "drift"
    assert mixed.shift is not None
    assert mixed.shift.value == pytest.approx(0.2)
    assert verdict(*(audited(1.0, [1.0, 1.0, 1.0, 0.92], seed=seed) for seed in range(3))).word == "memory"


def test_the_lower_limit_is_that_of_a_difference_of_binomials() -> None:
    found = verdict(*(audited(0.9, [0.9], 0.6, seed=seed, told=facts(chance=0.2)) for seed in range(2)))
    p, q = 0.2 + 0.8 * 0.9, 0.2 + 0.8 * 0.6
    error = ((p * (1 - p) + q * (1 - q)) / (2 * N)) ** 0.5 / 0.8  # of 512 examples
    assert found.noise is not None
    assert found.noise.low == pytest.approx(0.3 - 1.959964 * error)


def test_a_loss_that_noise_explains_is_none() -> None:
    """At a chance of 1/2 a quarter of 16 examples is nothing: the loss is above LOSS and its lower limit below 0."""
    few = audited(told=facts(chance=0.5))
    assert few.audit is not None
    plain, worse = Score(at=0, n=16, total=15), Score(at=64, n=16, total=12)
    lost = few.audit.model_copy(update={"plain": plain, "shifted": [worse], "perturbed": None})
    found = verdict(few.model_copy(update={"audit": lost}))
    assert found.shift is not None
    assert found.shift.value == pytest.approx(0.375)
    assert found.shift.low < 0
    assert found.word == "memory"


@EACH
def test_noise_alone_is_seldom_a_drift(told: Facts) -> None:
    """Examples drawn anew for every figure, s = .7 throughout, three shifts: 5% at most."""
    rng, wrong = np.random.default_rng(0), 0

    def drawn(at: int) -> Score:
        if told.metric == "mse":
            return Score(at=at, n=N, total=float((rng.normal(0, (0.3 * told.chance) ** 0.5, N) ** 2).sum()))
        return Score(at=at, n=N, total=float(rng.binomial(N, told.chance + 0.7 * (1 - told.chance))))

    for _ in range(400):
        audit = Audit(lag=32, plain=drawn(0), shifted=[drawn(32 * k) for k in range(1, 4)], perturbed=drawn(16))
        wrong += verdict(audited(told=told).model_copy(update={"audit": audit, "facts": told})).word != "memory"
    assert wrong / 400 <= 0.05


def test_what_is_not_recalled_has_no_verdict() -> None:
    found = verdict(audited(0.3, [0.3, 0.0, 0.0, 0.0], 0.0))
    assert found.word is None
    assert found.text() == "does not recall at lag 32"
    assert verdict(audited(0.9), audited(0.3, seed=1)).word == "memory"  # the mean does


def test_decoding_counts_from_the_shortest_lag_on() -> None:
    assert verdict(audited(decoded={16: 0.9, 32: 0.4, 64: 0.9})).linear_to == 16
    nowhere = verdict(audited(decoded={16: 0.2, 32: 0.9}))
    assert nowhere.linear_to is None
    assert nowhere.text() == "memory (shift 0.00, noise 0.00, not linear)"
    seeds = [audited(decoded={64: 0.9, 16: 0.8}), audited(decoded={16: 0.3, 64: 0.3}, seed=1)]
    assert verdict(*seeds).linear_to == 64  # means .55 and .60


def test_what_was_skipped_is_named() -> None:
    why = "its state is the whole past"
    found = verdict(audited(1.0, [1.0, 0.98], None, {}, skipped={"perturbed": why, "decoded": why}))
    assert found.word == "memory"
    assert found.rests_on == ("shift",)
    assert found.text() == f"memory by the shift test alone (shift −0.02; noise, linear: {why})"


def test_without_either_test_there_is_no_word() -> None:
    found = verdict(audited(1.0, [1.0], None, {16: 1.0}, skipped={"shifted": "nothing fits before"}))  # shift 0 is none
    assert found.word is None
    assert found.text() == "recalls at lag 32, untested (linear to 16; shift: nothing fits before; noise: not asked)"


def test_a_cell_that_was_not_audited_has_no_verdict() -> None:
    assert audit_verdict([record({8: 1.0}), record({}, status="diverged", seed=1)]) is None
