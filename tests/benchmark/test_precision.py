"""Half precision: every architecture trains in it, and what cannot is said before any work."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from benchmark.cells import build_model, build_task
from benchmark.cli import call
from benchmark.lit_sequence import LitSequence
from benchmark.registry import names
from benchmark.training import quietly
from leaderboard.cell import Cell
from tasks.feeds import Feed
from tests.benchmark.cells import run
from tests.benchmark.ranks import cell

TEXT = "--task language --task.block 32 --lags 32 --tokenizer byte"
QUESTIONS = {  # one for each loss, and each regime
    "learn": "--task adding --regime learn --lags 8",
    "retain": "--task mqar --regime retain --lags 2,8",
    "language": TEXT,
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(f"the sea was old and cold; it sang {n} times" for n in range(1500)))
    return path


def question(name: str, regime: str, text: Path, precision: str) -> Cell:
    size = "--budget.sequences 16 --budget.batch_size 8 --budget.val_every 1 --budget.n_val 4"
    corpus = ["--corpus", f"files:{text}"] if regime == "language" else []
    return cell(f"--model {name} --model.dim 16 {QUESTIONS[regime]} {size} --precision {precision}", *corpus)


def one_step(given: Cell) -> LitSequence:
    """The module after a step of Lightning's on one batch."""
    seed_everything(0, verbose=False)
    task = build_task(given)
    lit = LitSequence(build_model(given), task.spec, given.budget)
    feed = Feed(0, 8, (given.horizon, given.horizon), (given.horizon,), (), n_val=4, n_test=4)
    task.serve(feed)
    lit.serve(feed)
    trainer = quietly(
        Trainer, accelerator="cpu", precision=given.precision, max_steps=1, gradient_clip_val=1.0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    quietly(trainer.fit, lit, datamodule=task)
    return lit


@pytest.mark.parametrize("regime", QUESTIONS)
@pytest.mark.parametrize("name", names("models"))
def test_a_training_step_in_mixed_precision_is_near_that_in_full(name: str, regime: str, text: Path) -> None:
    """Weights stay float32 and finite, all of them move, and the gradients point the same way."""
    given = question(name, regime, text, "bf16-mixed")
    if regime == "language" and not build_model(given).causal:
        pytest.skip("it would read its targets")
    half, full = one_step(given), one_step(given.model_copy(update={"precision": "32-true"}))
    slopes = [[parameter.grad for parameter in lit.parameters()] for lit in (half, full)]
    for parameter in half.parameters():
        assert parameter.dtype == torch.float32
        assert parameter.isfinite().all()
    flat = [torch.cat([grad.flatten() for grad in each if grad is not None]) for each in slopes]
    assert [grad is None for grad in slopes[0]] == [grad is None for grad in slopes[1]]
    assert torch.cosine_similarity(flat[0], flat[1], dim=0) > 0.97
    assert not torch.equal(flat[0], flat[1])  # it did compute in half precision


FAULTY = """
import torch
from torch import Tensor, nn
from models.base import SequenceModel

class OneWay(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.dtype = x.dtype
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        if ctx.dtype == torch.bfloat16:
            raise NotImplementedError("no gradient of halves")
        return grad

class Faulty(SequenceModel):
    def __init__(self, dim: int = 8):
        super().__init__(dim)
        self.map = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return OneWay.apply(self.map(x)).to(x.dtype)
"""


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_gradients_that_cannot_be_had_in_half_precision_are_one_line_before_any_work(
    precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    words = ["run", "--model", f"{tmp_path / 'faulty.py'}:Faulty", "--task", "delayed_recall", "--lags", "4"]
    assert call([*words, "--precision", precision, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"in precision {precision}: NotImplementedError: no gradient of halves" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there it can be had")
def test_a_precision_that_lightning_would_replace_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No record says 16-mixed of what was trained in bf16-mixed."""
    words = ["--model", "rnn", "--task", "delayed_recall", "--lags", "4", "--precision", "16-mixed"]
    assert call(["run", *words, "--output", str(tmp_path / "out")]) == 2
    reason = "precision 16-mixed is not to be had on a cpu; bf16-mixed is"
    assert capsys.readouterr().err == f"spanbench: --trainer: {reason}\n"
    assert not (tmp_path / "out").exists()
    found = run(question("rnn", "retain", tmp_path, "16-mixed"), tmp_path)
    assert (found.status, found.reason) == ("failed", f"ValueError: {reason}")


def test_precision_is_the_cells_not_the_trainers(capsys: pytest.CaptureFixture[str]) -> None:
    """It changes results."""
    assert call(["run", "--model", "rnn", "--task", "mqar", "--trainer.precision", "bf16-mixed"]) == 2
    assert "did you mean --precision?" in capsys.readouterr().err
    assert question("rnn", "retain", Path(), "bf16-mixed").id != question("rnn", "retain", Path(), "32-true").id
