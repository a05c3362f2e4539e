"""The memory audit, on models whose memory is known."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from benchmark.lit_sequence import LitSequence
from benchmark.measures.audit import audit
from benchmark.measures.held import halfway, held_by_the_source, settled
from benchmark.measures.recall import half_octaves
from benchmark.measures.ridge import fitted, kernel, left_out
from benchmark.measures.stream import Stream, basis, displaced, features
from benchmark.metrics import RecallSums
from benchmark.registry import entry, load_class
from leaderboard.cell import Budget, Cell
from leaderboard.measured import Score
from leaderboard.protocol import N_AUDIT, PENALTIES
from models.base import SequenceModel, StreamingModel
from models.gru import Gru
from models.transformer import Transformer
from tasks.adding import Adding
from tasks.base import Task
from tasks.copy_memory import CopyMemory
from tasks.delayed_recall import DelayedRecall
from tasks.feeds import EvalBatches, Feed
from tasks.latch import Latch
from tasks.mqar import Mqar
from tasks.planted import Planted
from tasks.tokenizers import Bpe, Byte
from tests.benchmark.cells import cell
from tests.tasks.checks import ALPHA
from tests.tasks.planted_texts import prose

SYMBOLS = 4
RECALL = DelayedRecall(symbols=SYMBOLS, distractors=4)
DIM = RECALL.spec.n_inputs


def retain(longest: int = 64, seed: int = 0) -> Cell:
    return cell(regime="retain", lags=[2, longest], seed=seed)


def lit_of(model: SequenceModel, task: Task = RECALL) -> LitSequence:
    return LitSequence(model, task.spec, Budget())


class Known(StreamingModel):
    """What a model of known memory has in common; inputs come as one-hot vectors, and outputs are the answer's."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__(dim)

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = self.init_state(len(x)), []
        for x_t in x.unbind(1):
            output, state = self.step(x_t, state)
            outputs.append(output)
        return torch.stack(outputs, 1)


def known(model: Known, task: Task = RECALL) -> LitSequence:
    """Symbols in, symbols out."""
    lit = lit_of(model, task)
    with torch.no_grad():
        if task.spec.inputs == "symbols":
            lit.embedding.weight.copy_(torch.eye(model.dim))  # pyright: ignore
        lit.head.weight.copy_(torch.eye(model.dim)[: len(lit.head.weight)])
        lit.head.bias.zero_()
    return lit


def answer_of(x_t: Tensor) -> Tensor:
    """What an input says of the answer, (B, D)."""
    return x_t * (torch.arange(x_t.shape[1]) < SYMBOLS)


class Holds(Known):
    """Keeps the answer's symbol wherever it stands, beside the latest input and an integer that counts."""

    def init_state(self, batch: int) -> Any:
        return {"held": self.zeros(batch, self.dim), "rest": (self.zeros(batch, self.dim), torch.zeros(batch).long())}

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        held, (_, count) = state["held"] + answer_of(x_t), state["rest"]
        assert not count.is_floating_point()
        return held, {"held": held, "rest": (x_t, count + 1)}


class Clock(Known):
    """Answers at one place alone: by a count that runs from the beginning."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def init_state(self, batch: int) -> Any:
        return [self.zeros(batch, self.dim), self.zeros(batch)]

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        held, time = state[0] + answer_of(x_t), state[1] + 1
        return held * ((time - 1 - self.at).abs() < 0.5)[:, None], [held, time]


class Fragile(Known):
    """Keeps the answer as a difference of 1% between two numbers that both wander with the distractors."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(1)))

    def init_state(self, batch: int) -> Any:
        return self.zeros(batch, self.dim), self.zeros(batch, self.dim)

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        wander = (x_t - answer_of(x_t)) @ self.codes  # pyright: ignore
        one, other = state[0] + wander, state[1] + wander + 0.01 * answer_of(x_t)
        return (other - one) * 100, (one, other)


class Window(Known):
    """Keeps the last inputs and no more; says the oldest."""

    def __init__(self, size: int, dim: int = DIM) -> None:
        super().__init__(dim)
        self.size = size

    def init_state(self, batch: int) -> Any:
        return self.zeros(batch, self.size, self.dim)

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = torch.cat([state[:, 1:], x_t[:, None]], 1)
        return state[:, 0], state


class Explodes(Holds):
    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        latest = state["rest"][0]  # one-hot, or zeros, unless it was displaced
        exploded = ((latest * (latest - 1)).abs() > 0.01).any(1, keepdim=True)
        held, state = super().step(x_t, state)
        return held, state | {"held": held.masked_fill(exploded, torch.nan)}


class Sums(Known):
    """Adds up the marked numbers."""

    def init_state(self, batch: int) -> Any:
        return self.zeros(batch, 1)

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = state + (x_t[:, 0] * x_t[:, 1])[:, None]
        return state.expand(-1, self.dim), state


def totals(scores: list[Score]) -> dict[int, float]:
    assert {score.n for score in scores} == {N_AUDIT}
    return {score.at: score.total for score in scores}


def is_chance(total: float, chance: float = 1 / SYMBOLS) -> bool:
    return bool(binomtest(int(total), N_AUDIT, chance).pvalue > ALPHA)


def test_a_memory_passes() -> None:
    found = audit(known(Holds()), RECALL, retain())
    assert found.lag == 16
    assert found.plain == Score(at=0, n=N_AUDIT, total=N_AUDIT)
    assert totals(found.shifted) == dict.fromkeys((0, 16, 32, 48), N_AUDIT)
    assert found.perturbed == Score(at=0, n=N_AUDIT, total=N_AUDIT)
    assert totals(found.decoded) == dict.fromkeys(half_octaves(2, 64), N_AUDIT)
    assert found.skipped == {}


def test_a_clock_is_found_out_by_moving_the_source() -> None:
    """Elsewhere it says nothing, which reads as the first symbol."""
    found = audit(known(Clock(at=16)), RECALL, retain())
    targets = RECALL.examples(0, "test", 16, 0, N_AUDIT).targets
    silent = int((targets == 0).sum())
    assert totals(found.shifted) == {0: N_AUDIT, 16: silent, 32: silent, 48: silent}
    assert found.perturbed is not None
    assert found.perturbed.total == N_AUDIT
    assert totals(found.decoded) == dict.fromkeys(half_octaves(2, 64), N_AUDIT)


def test_an_answer_below_the_noise_of_the_state_does_not_survive_it() -> None:
    found = audit(known(Fragile()), RECALL, retain())
    assert found.plain.total == N_AUDIT
    assert set(totals(found.shifted).values()) == {N_AUDIT}
    assert found.perturbed is not None
    assert is_chance(found.perturbed.total)


def test_what_left_the_state_is_not_read_from_it() -> None:
    """A window of 24 holds what is up to 23 inputs old."""
    found = audit(known(Window(24)), RECALL, retain())
    for at, total in totals(found.decoded).items():
        assert total == N_AUDIT if at < 24 else is_chance(total), at
    assert [score.at for score in found.decoded if score.at < 24]
    assert [score.at for score in found.decoded if score.at >= 24]


def test_a_state_that_explodes_when_displaced_answers_nothing() -> None:
    found = audit(known(Explodes()), RECALL, retain())
    assert found.plain.total == N_AUDIT
    assert found.perturbed is not None
    assert found.perturbed.total == int((RECALL.examples(0, "test", 16, 0, N_AUDIT).targets == 0).sum())


def test_a_sum_is_a_memory_of_its_first_addend() -> None:
    """The answer also takes the second one, so there is nothing to read before that comes."""
    task = Adding()
    lit = known(Sums(2), task)
    lit.embedding, lit.norm = nn.Identity(), nn.Identity()  # pyright: ignore
    found = audit(lit, task, retain())
    assert found.perturbed is not None
    for score in (found.plain, *found.shifted, found.perturbed):
        assert score.n == N_AUDIT
        assert score.total < 1e-8 * N_AUDIT
    assert [score.at for score in found.shifted] == [0, 16, 32, 48]
    assert found.decoded == []
    assert set(found.skipped) == {"decoded"}


def test_plain_is_what_the_recall_curve_has() -> None:
    """Also where several answers an example are probes; and the shifted ones are other inputs."""
    task = CopyMemory(tokens=3, symbols=3)
    lit = lit_of(Gru(dim=16), task)
    found = audit(lit, task, retain(40, seed=3))
    sums = RecallSums("accuracy")
    feed = Feed(3, 1, (2, 40), (), (10,), n_val=1, n_test=N_AUDIT)
    with torch.no_grad():
        for batch in EvalBatches(task, feed, "test", 10, N_AUDIT):
            lit.probe(batch, sums)
    assert found.lag == 10
    assert (found.plain.total, found.plain.n) == (float(sums.total), int(sums.n))
    assert found.plain.n == 3 * N_AUDIT
    assert found.shifted[0] == found.plain
    assert [score.at for score in found.shifted] == [0, 10, 20, 30]
    assert found.perturbed is not None
    assert {score.n for score in found.shifted} == {found.perturbed.n} == {3 * N_AUDIT}


def test_an_audit_is_the_same_every_time_and_draws_from_no_global_stream() -> None:
    lit = lit_of(Gru(dim=16))
    lit.train()
    before = torch.get_rng_state()
    one = audit(lit, RECALL, retain())
    assert torch.equal(before, torch.get_rng_state())
    assert one == audit(lit, RECALL, retain())
    assert one != audit(lit, RECALL, retain(seed=1))


def test_weights_of_half_precision_are_audited_in_full() -> None:
    task, lit = Adding(), lit_of(Gru(dim=8), Adding())
    halved = lit.bfloat16().state_dict()
    found = audit(lit, task, retain())
    full = lit_of(Gru(dim=8), Adding())
    full.load_state_dict({name: weights.float() for name, weights in halved.items()})
    assert found == audit(full, task, retain())
    assert found.perturbed is not None


def test_what_cannot_be_asked_is_skipped_with_its_reason() -> None:
    found = audit(lit_of(Transformer(dim=16, layers=1), Latch()), Latch(), retain(16))
    assert (found.shifted, found.perturbed, found.decoded) == ([], None, [])
    assert "nothing can be put before" in found.skipped["shifted"]
    assert found.skipped["perturbed"] == found.skipped["decoded"]
    found = audit(lit_of(Gru(dim=16), Mqar(pairs=2, vocab=8)), Mqar(pairs=2, vocab=8), retain(16))
    assert len(found.shifted) == 4
    assert found.skipped["perturbed"] != found.skipped["decoded"]
    task = CopyMemory(tokens=7)
    assert audit(lit_of(Gru(dim=16), task), task, cell(regime="retain", lags=[7, 8])).skipped["shifted"]
    many = DelayedRecall(symbols=100_000)
    found = audit(lit_of(Gru(dim=4), many), many, retain(4))
    assert "too many" in found.skipped.get("perturbed", "")


def test_the_source_moves_no_further_than_t() -> None:
    task = CopyMemory(tokens=10)  # its shortest lag is more than a quarter of T
    found = audit(lit_of(Gru(dim=8), task), task, cell(regime="retain", lags=[11, 32]))
    assert found.lag == 11
    assert [score.at for score in found.shifted] == [0, 7, 14, 21]


@cache
def planted(folder: Path, bpe: bool) -> Planted:
    return Planted(prose(folder), Bpe(400) if bpe else Byte())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text")


def test_on_text_so_many_bytes_include_the_sources_own(folder: Path) -> None:
    """A window of 24 bytes holds the word's first byte until 24 bytes have been read, that one included."""
    task = planted(folder, bpe=False)
    found = audit(known(Window(24, dim=256), task), task, cell(regime="retain", lags=[10, 80]))
    for at, total in totals(found.decoded).items():
        assert total == N_AUDIT if at <= 24 else is_chance(total, 1 / 8), at
    assert list(totals(found.decoded)) == half_octaves(10, 80)
    assert [score.at for score in found.shifted] == [0, 20, 40, 60]
    assert found.skipped == {}


def test_on_text_of_long_tokens_bytes_are_counted_on_average(folder: Path) -> None:
    task = planted(folder, bpe=True)
    found = audit(lit_of(Gru(dim=16), task), task, cell(regime="retain", lags=[20, 160]))
    tokens = torch.cat([task.examples(0, split, 160, 0, N_AUDIT).lag_tokens for split in ("val", "test")])
    per_token = 160 / float(tokens.double().mean())
    expected = [lag * int(tokens.min()) // 160 for lag in half_octaves(20, 160)]
    assert [score.at for score in found.decoded] == [round(each * per_token) for each in expected]
    assert found.perturbed is not None
    assert found.skipped == {}


def test_a_stream_gives_what_forward_gives_wherever_examples_begin() -> None:
    """The addends stand at other places in every example; each stream meets them at once."""
    task = Adding()
    batch = task.examples(0, "test", 24, 0, 20)
    lit = lit_of(Gru(dim=8), task).eval()
    model = lit.model
    assert isinstance(model, Gru)
    with torch.no_grad():
        every = model(lit.embedding(batch.inputs))
        stream = Stream(lit, batch.inputs, task.source_at(batch))
        stream.run_to(5)
        expected = torch.stack([row[at + 5] for row, at in zip(every, task.source_at(batch), strict=True)])
        torch.testing.assert_close(stream.state[-1], expected)  # a GRU's state is its output
        positions = torch.cat([batch.positions - 3, batch.positions], 1)
        outputs = stream.outputs(positions)
        torch.testing.assert_close(outputs, every.gather(1, positions[..., None].expand(-1, -1, 8)))
        alone = [Stream(lit, batch.inputs[[row]], task.source_at(batch)[[row]]) for row in range(20)]
        for row, one in enumerate(alone):
            one.run_to(5)
            torch.testing.assert_close(one.state[0], expected_first(model, lit, batch.inputs, row, int(one.anchor) + 5))


def expected_first(model: Gru, lit: LitSequence, inputs: Tensor, row: int, last: int) -> Tensor:
    """The first layer's state, from torch's own run over the sequence."""
    return model.cells[0](lit.embedding(inputs[[row], : last + 1]))[1][0]


def test_the_displacement_is_as_large_as_what_the_answer_leaves_unexplained() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(5), 400)
    spread = np.array([0.0, 0.1, 3.0])
    means = rng.normal(size=(5, 3)) * 10
    real = torch.tensor(means[classes] + spread * rng.normal(size=(2000, 3)), dtype=torch.float32)
    turned = torch.complex(real[:, 1:2] * 2, real[:, 2:3])
    state = {"a": (real, torch.arange(2000)), "b": [turned, torch.ones(2000, 0)]}
    span = basis(torch.nn.functional.one_hot(torch.from_numpy(classes)).float())
    assert span.shape == (2000, 5)
    moved = displaced(state, span, torch.Generator().manual_seed(0))
    assert torch.equal(moved["a"][1], torch.arange(2000))
    assert moved["b"][0].dtype == torch.complex64
    shift = moved["a"][0] - real
    within = np.sqrt(sum(np.var(real.numpy()[classes == each], 0) * 400 for each in range(5)) / 1995)
    np.testing.assert_allclose(shift.std(0).numpy(), within, rtol=0.06, atol=1e-5)
    turn = torch.view_as_real(moved["b"][0] - turned)[:, 0]
    np.testing.assert_allclose(turn.std(0).numpy(), within[1:] * (2, 1), rtol=0.06)
    together = np.corrcoef(torch.cat([shift[:, 1:], turn], 1).numpy().T)
    assert np.abs(together - np.eye(4)).max() < 4 / np.sqrt(2000)
    assert abs(np.corrcoef(shift[:, 2], real[:, 2])[0, 1]) < 4 / np.sqrt(2000)


def test_a_numbers_share_of_the_state_is_regressed_out() -> None:
    generator = torch.Generator().manual_seed(2)
    value = torch.rand(3000, 1, generator=generator)
    state = 7 * value + 3 + 0.2 * torch.randn(3000, 2, generator=generator)
    moved = displaced(state, basis(value), torch.Generator().manual_seed(0))
    np.testing.assert_allclose((moved - state).std(0).numpy(), 0.2, rtol=0.05)


def test_a_basis_has_no_more_columns_than_there_are_directions() -> None:
    same = torch.nn.functional.one_hot(torch.arange(12) % 3).float()
    assert basis(torch.cat([same, same * 2], 1)).shape == (12, 3)
    assert basis(torch.eye(12)).shape == (12, 12)


def examples(n_features: int, n: int = 24, more: int = 8) -> tuple[list[Tensor], np.ndarray, Tensor]:
    """Features in two matrices, one of them constant in a column; the same standardised; targets of the first n."""
    rng = np.random.default_rng(n_features)
    raw = rng.normal(size=(n + more, n_features)) * rng.uniform(0.01, 100, n_features) + rng.normal(size=n_features)
    matrices = [torch.tensor(part, dtype=torch.float32) for part in (raw[:, :2], raw[:, 2:])]
    matrices.append(torch.full((n + more, 1), 5.1))
    scaled = (raw - raw[:n].mean(0)) / raw[:n].std(0) / np.sqrt(n_features)
    targets = torch.tensor(scaled[:n, :3] * 5 + rng.normal(size=(n, 3)) + 1)
    return matrices, scaled, targets


def by_rows(z: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Ridge coefficients, the bias first: least squares with a row for each penalised coefficient."""
    width = z.shape[1]
    left = np.block([[np.ones((len(z), 1)), z], [np.zeros((width, 1)), np.sqrt(penalty) * np.eye(width)]])
    return np.linalg.lstsq(left, np.vstack([y, np.zeros((width, y.shape[1]))]), rcond=None)[0]


@pytest.mark.parametrize("n_features", [5, 30])
def test_ridge_is_least_squares_with_a_row_for_each_penalty(n_features: int) -> None:
    matrices, z, y = examples(n_features)
    products = kernel(matrices, 24)
    np.testing.assert_allclose(products.numpy(), z @ z[:24].T, atol=1e-4)

    def literally_left_out(penalty: float) -> float:
        total = 0.0
        for out in range(24):
            rest = np.delete(np.arange(24), out)
            weights = by_rows(z[rest], y.numpy()[rest], penalty)
            total += ((y.numpy()[out] - weights[0] - z[out] @ weights[1:]) ** 2).sum()
        return total

    exact = torch.from_numpy(z @ z[:24].T)
    values, vectors = torch.linalg.eigh(exact[:24])
    errors = {penalty: literally_left_out(penalty) for penalty in PENALTIES}
    for penalty, error in errors.items():
        found = left_out(values.clamp(min=0), vectors, y - y.mean(0), penalty)
        assert found == pytest.approx(error, rel=1e-3)
    best = min(errors, key=lambda penalty: errors[penalty])
    assert PENALTIES[0] < best < PENALTIES[-1]
    weights = by_rows(z[:24], y.numpy(), best)
    np.testing.assert_allclose(fitted(exact, y).numpy(), weights[0] + z @ weights[1:], rtol=1e-6, atol=1e-8)


def test_numbers_of_a_state_are_found_however_nested() -> None:
    state = {"a": [torch.ones(3, 2, 4), torch.ones(3).long()], "b": (torch.ones(3), torch.ones(3, 5) * 1j)}
    assert [tuple(matrix.shape) for matrix in features(state)] == [(3, 8), (3, 1), (3, 10)]


def named(name: str) -> Task:
    found = entry("tasks", name)
    return load_class(found["class_path"])(**found["init_args"])


HELD = {  # is the answer settled half way, and does what is held half way come from the source alone?
    "delayed_recall": (True, True),
    "copy": (True, True),
    "induction": (True, True),
    "latch": (True, True),
    "two_timescales": (True, True),
    "adding": (False, True),
    "lagged_parity": (False, True),
    "temporal_order": (False, False),
    "mqar": (False, False),
    "noisy_recall": (False, False),
    "fuzzy_recall": (False, False),
    "palindrome": (False, False),
    "selective_copy": (False, False),
    "reverse": (False, False),
}


@pytest.mark.parametrize("name", HELD)
def test_the_oracle_says_what_has_to_be_held(name: str) -> None:
    task = named(name)
    for lag in {max(8, task.spec.min_lag), 32}:
        batch = task.examples(0, "test", lag, 0, 128)
        half = halfway(task, batch)
        assert (settled(task, batch, half), held_by_the_source(task, batch, half)) == HELD[name]


@pytest.mark.parametrize("bpe", [False, True])
def test_text_with_one_word_told_holds_it_alone(folder: Path, bpe: bool) -> None:
    for pairs in (1, 4):
        task = Planted(planted(folder, bpe).corpus, planted(folder, bpe).tokenizer, pairs=pairs)
        batch = task.examples(0, "test", task.spec.min_lag + 6, 0, 128)
        half = halfway(task, batch)
        assert settled(task, batch, half) == held_by_the_source(task, batch, half) == (pairs == 1)
