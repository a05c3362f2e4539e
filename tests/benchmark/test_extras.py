"""What a cell measures besides its question: chosen, applied, or refused with a reason."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from benchmark.cells import blocks_of, build_task
from benchmark.commands import run as run_command
from benchmark.extras import not_applicable, scored_contexts
from benchmark.lit_sequence import LitSequence
from benchmark.measures.context import block_losses, contexts, foreign_losses
from benchmark.measures.recall import feed_for
from benchmark.options import cell_parser, make_cell
from benchmark.preflight import refuse_impossible
from benchmark.registry import UsageError
from benchmark.training import Trained
from leaderboard.cell import EXTRAS, Budget, Cell
from leaderboard.record import Record, read_records
from models.tcn import Tcn
from tasks.language import Language
from tasks.parity import Parity
from tasks.tokenizers import Bpe, Byte
from tests.benchmark.cells import TINY, cell, run
from tests.tasks.test_language import LINES, Prose


def asked(*words: str) -> Cell:
    return make_cell(["--model", "rnn", "--model.dim", "8", *words], cell_parser())[0]


@pytest.fixture(scope="module")
def prose(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixty documents, as a folder."""
    folder, rng = tmp_path_factory.mktemp("prose"), np.random.default_rng(0)
    for n in range(60):
        (folder / f"{n}.txt").write_text("".join(rng.choice(LINES, 60 + n)))
    return f"files:{folder}"


def test_a_cell_takes_all_that_its_regime_can_unless_told_otherwise() -> None:
    task = "--task", "delayed_recall"
    assert asked(*task).measures == []
    assert asked(*task, "--regime", "retain").measures == list(EXTRAS["retain"])
    assert asked(*task, "--regime", "retain", "--measures", "audit,influence").measures == ["influence", "audit"]
    assert asked(*task, "--regime", "retain", "--measures", "none").measures == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--regime", "retain", "--measures", "influense"), 'unknown measure "influense": did you mean influence?'),
        (("--regime", "retain", "--measures", "context"), "context is not taken in --regime retain: choose from infl"),
        (("--measures", "audit"), "none: a climb trains a model a lag"),
        (("--regime", "retain", "--measures", "none,audit"), "none stands alone"),
        (("--regime", "retain", "--c-max", "512"), "c_max is for the context measure of the language regime alone"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked("--task", "delayed_recall", *words)


def test_the_longest_context_follows_the_documents(prose: str) -> None:
    text = "--task", "language", "--tokenizer", "byte", "--corpus", prose, "--task.block", "32"
    assert asked(*text, "--lags", "64").c_max == 256  # all 12 test documents have room
    assert asked(*text, "--lags", "2048").c_max == 2048  # none has for twice as much
    assert asked(*text, "--lags", "64", "--measures", "none").c_max is None
    with pytest.raises(UsageError, match="c_max must be T \\(64\\) or more, got 32"):
        asked(*text, "--lags", "64", "--c-max", "32")
    with pytest.raises(UsageError, match="--c-max: the test split: no document is long enough: 100000 bytes"):
        refuse_impossible([asked(*text, "--lags", "64", "--c-max", "100000")])


def test_contexts_are_halvings_down_and_doublings_up() -> None:
    for shortest, horizon, c_max in ((4, 64, 256), (1, 100, 400), (4, 7, 7), (1, 1, 4)):
        found = contexts(shortest, horizon, c_max)
        assert found == sorted(set(found))
        assert {horizon, found[-1]} <= set(found)
        assert found[-1] <= c_max < 2 * found[-1]
        assert all(c // 2 in found for c in found if c // 2 >= shortest)
        assert np.diff(np.log2([c for c in found if 16 <= c <= horizon])).max(initial=0) < 0.6


@pytest.mark.parametrize("c_max", [64, 90, 96, 128])
def test_losses_and_blocks_are_of_the_same_place(c_max: int, prose: str, tmp_path: Path) -> None:
    """Whatever C_max is: a byte-wise uniform model has ln 256 nats for each byte that the record says a block has."""
    given = asked("--task", "language", "--tokenizer", "byte", "--corpus", prose, "--lags", "64", "--task.block", "32",
                  "--c-max", str(c_max), "--measures", "context")  # fmt: skip
    given = given.model_copy(update={"budget": TINY})
    task = build_task(given)
    lit = LitSequence(Tcn(dim=8), task.spec, TINY)
    torch.nn.init.zeros_(lit.head.weight)
    torch.nn.init.zeros_(lit.head.bias)
    assert isinstance(task, Language)
    n_bytes = blocks_of(task, given).n_bytes
    feed = feed_for(given, (64, 64), (64,))
    trained = Trained(lit, Trainer(accelerator="cpu", logger=False, enable_progress_bar=False), 0, False, 0.0, {})
    found = [*block_losses(trained, task, feed, scored_contexts(given, task)), *foreign_losses(lit, task, given, [16])]
    assert max(losses.context for losses in found) == c_max
    for losses in found:
        pairs = [(nats, size) for nats, size in zip(losses.nats, n_bytes, strict=True) if nats is not None]
        assert len(pairs) > 20
        assert all(nats == pytest.approx(size * math.log(256), rel=1e-5) for nats, size in pairs)


def test_without_the_context_measure_only_what_is_named_is_scored() -> None:
    task = Language(Prose(), Byte(), block=32)
    assert scored_contexts(cell(regime="language", lags=[20, 64]), task) == [20, 64]
    grid = scored_contexts(cell(regime="language", lags=[20, 64], c_max=128, measures=["context"]), task)
    assert grid == sorted({20, *contexts(4, 64, 128)})


@pytest.mark.parametrize("bpe", [False, True])
def test_a_model_that_sees_less_than_the_context_does_not_rely_on_the_rest(bpe: bool) -> None:
    """F(c) = L(T), block by block, once c covers the receptive field; before that what is foreign counts."""
    task = Language(Prose(), Bpe(300) if bpe else Byte(), block=32)
    given = cell(regime="language", lags=[64], measures=["context"], budget=TINY)
    lit = LitSequence(Tcn(dim=8, levels=3, kernel=2), task.spec, Budget()).double()  # sees 8 inputs
    blocks = task.blocks("test", TINY.n_test, 64)
    batch = task.scored(blocks, "test", 64)
    with torch.no_grad():
        logits = lit(batch.inputs, batch.positions).log_softmax(-1)
    asked_for = batch.targets >= 0
    nats = -(logits.gather(2, batch.targets.clamp(min=0)[..., None])[..., 0] * asked_for).sum(1)
    near, far = foreign_losses(lit, task, given, [4, 32])
    for losses, same in ((near, False), (far, True)):
        pairs = [(own, float(nat)) for own, nat in zip(losses.nats, nats, strict=True) if own is not None]
        assert len(pairs) > 20
        assert (max(abs(a - b) for a, b in pairs) < 1e-9) == same
    assert far.foreign
    assert math.isfinite(sum(n for n in near.nats if n is not None))


def test_tasks_without_a_source_say_why_nothing_applies(tmp_path: Path) -> None:
    assert not_applicable(Parity()) is not None
    words = "--model rnn --model.dim 8 --task parity --regime retain --lags 2,8 --wandb disabled"
    small = "--budget.sequences 160 --budget.batch_size 16 --budget.val_every 10 --budget.n_test 16"
    assert run_command([*words.split(), *small.split(), "--output", str(tmp_path)]) == 0
    (record,) = read_records(tmp_path / "run" / "records")
    assert [each.measure for each in record.skipped] == ["influence", "gradient", "audit"]
    assert (record.influence, record.gradient, record.audit) == (None, None, None)


def test_a_whole_record_of_text_and_of_recall(prose: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = "--budget.sequences 160 --budget.batch_size 16 --budget.val_every 10 --budget.n_test 20 --wandb disabled"
    text = f"--model gru --model.dim 8 --task language --tokenizer bpe-300 --corpus {prose} --lags 32 --task.block 32"
    assert run_command([*text.split(), *small.split(), "--output", str(tmp_path)]) == 0
    (record,) = read_records(tmp_path / "run" / "records")
    assert record.skipped == []
    own = [each.context for each in record.losses if not each.foreign]
    assert own == contexts(4, 32, 128)
    assert [each.context for each in record.losses if each.foreign] == [4, 8, 16]
    assert record.influence is not None
    assert record.influence.curve[-1].lag == 25  # 8 bytes before it are left of T
    assert record.gradient is not None
    assert record.gradient.gates is not None
    said = capsys.readouterr().out
    for line in ("context span: ", "influence to 1%: ", "gradients before: "):
        assert line in said


def test_the_same_cell_measures_the_same_twice(tmp_path: Path) -> None:
    given = cell(regime="retain", lags=[2, 8], measures=list(EXTRAS["retain"]))
    a, b = (run(given, tmp_path / name) for name in ("a", "b"))

    def measured(record: Record) -> object:
        return record.influence, record.gradient, record.audit

    assert measured(a) == measured(b) != (None, None, None)
