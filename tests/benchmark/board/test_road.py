"""The road to the leaderboard, on a suite of two seeds: frozen, submitted, verified, reproduced."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.board import again, submit, verify
from benchmark.board.again import allowance, draws, read_submitted
from benchmark.board.official import freeze
from benchmark.board.reproduce import reproduce
from benchmark.cli import call
from benchmark.launch import missing
from benchmark.registry import UsageError
from leaderboard import suite as suites
from leaderboard.ranking.attestation import Attestation
from leaderboard.ranking.entrants import read_entrants
from leaderboard.ranking.ledger import read_ledger
from leaderboard.record import read_records
from leaderboard.scores import raw_score
from leaderboard.suite import Suite, Tolerance, read_suite
from leaderboard.validation.validate import validate
from tests.leaderboard.boards import edited

TABLE = """
title: Tiny
cells:
- &each
  task: delayed_recall
  task.symbols: 2
  task.distractors: 2
  regime: retain
  measures: none
  lags: 2,4
  seed: [1, 2]
  n-params: 1500
  budget.sequences: 960
  budget.batch_size: 16
  budget.val_every: 10
  budget.n_val: 16
  budget.n_test: 64
- <<: *each
  regime: learn
  lags: 2,4
- task: language
  tokenizer: [byte, bpe-300]
  corpus: files:texts
  regime: language
  measures: context
  lags: 16
  seed: [1, 2]
  n-params: 1500
  budget.sequences: 160
  budget.batch_size: 16
  budget.val_every: 5
  budget.n_val: 16
  budget.n_test: 16
"""
MODEL = '''
"""Mean of what came before."""
import torch
from torch import nn
from models.base import SequenceModel


class Mean(SequenceModel):
    """y_t = W mean(x_1 … x_t)."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__(dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        return self.out(x.cumsum(1) / n[:, None])
'''
TEXT = "the old house by the sea was sold, they said; to whom and for how much (if at all) nobody knew"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with texts, a suite frozen from two models, and the board's folder."""
    place = tmp_path_factory.mktemp("road")
    patch = pytest.MonkeyPatch()
    patch.chdir(place)
    patch.setenv("WANDB_MODE", "disabled")
    rng = np.random.default_rng(0)
    (place / "texts").mkdir()
    for number in range(45):
        text = "\n".join(" ".join(rng.choice(TEXT.split(), 12)) for _ in range(60))
        (place / "texts" / f"{number}.txt").write_text(text)
    (place / "tiny.yaml").write_text(TABLE)
    (place / "mean.py").write_text(MODEL)
    patch.setattr(suites, "SUITES", place / "suites")
    patch.setattr(submit, "SUBMISSIONS", place / "board" / "submissions")
    patch.setattr(again, "SUBMISSIONS", place / "board" / "submissions")
    assert call(["table", "tiny.yaml", "--workers", "2", "--model", "gru,min_gru"]) == 0
    assert freeze("tiny.yaml", "gru", "runs/tiny") == 0
    yield place
    patch.undo()


@pytest.fixture(scope="module")
def gru(place: Path) -> Path:
    assert submit.submit("gru", "GRU", "@someone", suite="tiny", wandb="disabled") == 0
    (folder,) = (place / "board" / "submissions").glob("gru-*")
    return folder


@pytest.fixture(scope="module")
def mean(place: Path) -> Path:
    assert submit.submit("./mean.py:Mean", "Mean", "a@b.org", family="average", suite="tiny", wandb="disabled") == 0
    (folder,) = (place / "board" / "submissions").glob("mean-*")
    return folder


def the_suite() -> Suite:
    return read_suite("tiny")


def test_a_frozen_suite_holds_what_the_tasks_say_and_anchors_of_the_reference(place: Path) -> None:
    suite = the_suite()
    assert [cell.key for cell in suite.cells] == [
        "retain-delayed_recall", "learn-delayed_recall", "language-byte", "language-bpe-300",
    ]  # fmt: skip
    assert (suite.seeds, suite.n_params, suite.revision) == ([1, 2], 1500, 1)
    records = read_records(place / "runs" / "tiny" / "records")
    for official in suite.cells:
        own = [r for r in records if r.cell == official.for_model(r.cell.model, r.cell.seed, r.cell.budget.lr)]
        assert len(own) == 4
        scores = {r.cell.model.name: [] for r in own}
        for record in own:
            score = raw_score(official, record, suite)
            assert score is not None
            scores[record.cell.model.name].append(score)
            assert {(o.lag, o.n, o.lag_tokens) for o in record.curve} <= {
                (t.lag, t.n, t.lag_tokens) for t in official.tests if t.seed == record.cell.seed
            }
        assert official.reference == pytest.approx(np.mean(scores["gru"]))
        pooled = np.sqrt(np.mean([np.var(each, ddof=1) for each in scores.values()]))
        assert official.spread == pytest.approx(pooled)
        assert official.spread_df == 2
    assert 0 < the_suite().by_key["language-byte"].best < 8
    assert suite.tolerance.n == 8  # the first seed of two models in four cells
    assert suite.tolerance.answers == sum(o.n for r in records if r.cell.seed == 1 for o in r.curve)
    assert suite.tolerance.flips < 0.01 * suite.tolerance.answers


def test_what_cannot_be_frozen_is_said_in_one_line(place: Path) -> None:
    shutil.copytree("runs/tiny/records", "others/records")
    with pytest.raises(UsageError, match="No such file"):  # the weights are elsewhere
        freeze("tiny.yaml", "gru", "others")
    Path("deaf.yaml").write_text(TABLE.partition("- task: language")[0])
    with pytest.raises(UsageError, match="a suite needs a cell of text to predict"):
        freeze("deaf.yaml", "gru", "runs/tiny")
    Path("Odd-1.yaml").write_text(TABLE)
    with pytest.raises(UsageError, match="name"):
        freeze("Odd-1.yaml", "gru", "runs/tiny")
    assert [path.name for path in (place / "suites").iterdir()] == ["tiny-1.json"]


def test_a_submission_is_valid_and_brings_no_place_of_this_machine(gru: Path, mean: Path, place: Path) -> None:
    for folder in (gru, mean):
        assert validate(folder).findings == []
        for path in folder.rglob("*.json"):
            assert str(place) not in path.read_text()
    told = json.loads((mean / "submission.json").read_text())
    assert told["model"]["class_path"] == "mean.py:Mean"
    assert told["argv"][0] == "mean.py:Mean"
    assert not list((place / "board").glob(".packing*"))


def test_what_was_run_is_not_run_again(gru: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing, "run_cells", lambda *_: pytest.fail("trained again"))
    before = {path.name: path.read_bytes() for path in gru.rglob("*.json")}
    assert submit.submit("gru", "GRU", "@someone", suite="tiny", wandb="disabled") == 0
    assert {path.name: path.read_bytes() for path in gru.rglob("*.json")} == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "<script>"}, "--name: expected letters"),
        ({"contact": "nobody"}, "--contact: expected an e-mail"),
        ({"link": "http://a.org"}, "--link: expected an https"),
        ({"family": "Big ONE"}, "--family: expected a few words"),
        ({"suite": "huge"}, "no revision 1 of suite huge"),
        ({"model": "gur"}, "did you mean gru"),
        ({"model": "bidirectional"}, "."),
    ],
)
def test_bad_input_is_refused_before_any_work(
    place: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(missing, "run_cells", lambda *_: pytest.fail("trained"))
    usual = {"model": "gru", "name": "GRU", "contact": "@someone", "suite": "tiny"}
    with pytest.raises(UsageError, match=said):
        submit.submit(**(usual | changes))  # pyright: ignore


def test_a_submission_scored_again_is_rescored_and_attested(gru: Path, place: Path) -> None:
    assert verify.verify(gru.name, rescore=True, by="us") == 0
    entry = read_ledger(place / "board" / "ledger.jsonl")[-1]
    assert (entry.id, entry.event, entry.by) == (gru.name, "rescored", "us")
    (path,) = (place / "board" / "attestations" / gru.name).glob("*.json")
    attestation = Attestation.model_validate_json(path.read_bytes())
    assert attestation.passed
    assert len(attestation.compared) == 8
    assert max(abs((each.found or 0) - (each.submitted or 0)) for each in attestation.compared) < 1e-6


def test_a_model_from_outside_is_named_by_who_verifies(mean: Path, place: Path) -> None:
    with pytest.raises(UsageError, match="brings a model of its own"):
        verify.verify(mean.name, rescore=True)
    (place / "other.py").write_text(MODEL.replace("before", "after"))
    with pytest.raises(UsageError, match="not the source that was submitted"):
        verify.verify(mean.name, rescore=True, model="./other.py:Mean")
    assert verify.verify(mean.name, rescore=True, model="./mean.py:Mean", by="us") == 0


def test_cells_run_again_are_drawn_by_the_value_alone(gru: Path, place: Path) -> None:
    suite = the_suite()
    drawn = draws("d" * 64, "round 1", suite, 2)
    assert drawn == draws("d" * 64, "round 1", suite, 2)
    assert len({draw.official.key for draw in drawn}) == 2
    others = [draws("d" * 64, f"round {n}", suite, 2) for n in range(2, 40)]
    assert {draw.official.key for each in others for draw in each} == set(suite.by_key)
    assert all(draw.seed not in suite.seeds for each in others for draw in each)
    with pytest.raises(UsageError, match="1 to 4 cells"):
        draws("d" * 64, "round 1", suite, 5)
    assert verify.verify(gru.name, rerun=2, after="round 1", by="us") in (0, 1)
    assert read_ledger(place / "board" / "ledger.jsonl")[-1].event in ("rerun", "disputed")


def test_a_submission_that_claims_too_much_is_disputed(place: Path, gru: Path, tmp_path: Path) -> None:
    """Weights that are not the ones scored, and figures that no rerun comes near."""
    board = tmp_path / "board" / "submissions"
    copy = board / gru.name
    (copy / "cells").mkdir(parents=True)
    for path in gru.rglob("*.json"):
        (copy / path.relative_to(gru)).write_bytes(path.read_bytes())
    key = "language-byte"

    def better(data: dict) -> None:
        for record in data["records"]:
            for losses in record["losses"]:
                losses["nats"] = [None if nats is None else nats * 0.6 for nats in losses["nats"]]

    edited(copy / "cells" / f"{key}.json", better)
    suite = the_suite()

    def claimed(data: dict) -> None:
        (claim,) = (each for each in data["claims"] if each["cell"] == key)
        claim["seeds"] = [score * 0.6 for score in claim["seeds"]]
        claim["score"] *= 0.6

    edited(copy / "submission.json", claimed)
    found = validate(copy)
    assert [finding.line() for finding in found.findings] == []  # sums and claims agree: only the weights know
    assert verify.verify(str(copy), rescore=True, by="us") == 1
    value = next(
        str(n) for n in range(99) if draws(verify.submission_digest(copy), str(n), suite, 1)[0].official.key == key
    )
    assert verify.verify(str(copy), rerun=1, after=value, by="us", output=str(tmp_path / "runs")) == 1
    (entrant,) = read_entrants(board)
    assert entrant.tier == "disputed"
    assert [event.event for event in entrant.events] == ["disputed", "disputed"]
    assert verify.withdraw(str(copy), "made up", "us") == 0
    assert read_entrants(board)[0].tier == "withdrawn"


def test_weights_that_are_others_or_gone_are_refused(gru: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        verify.verify(gru.name, rescore=True, weights=str(tmp_path))
    submitted = read_submitted(gru.name, None)
    record = submitted.records["retain-delayed_recall"][0]
    (tmp_path / record.id).mkdir()
    (tmp_path / record.id / "weights.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(UsageError, match="not the weights that were submitted"):
        verify.verify(gru.name, rescore=True, weights=str(tmp_path))


def test_a_row_is_reproduced_in_every_sum(gru: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce(f"{gru.name}:retain-delayed_recall") == 0
    said = capsys.readouterr().out
    assert "1 of 1 are identical in every sum" in said
    with pytest.raises(UsageError, match=r"unknown cell.*did you mean learn-delayed_recall"):
        reproduce(f"{gru.name}:learn-delayed_recal")
    with pytest.raises(UsageError, match="unknown submission"):
        reproduce("nobody-1")


def test_as_many_answers_may_flip_as_chance_allows(place: Path) -> None:
    """At 1 flip seen in 10,000 answers the rate is at most 4.74 in 10,000 (the exact Poisson limit)."""
    tolerance = Tolerance(n=1, answers=10_000, flips=1, recall=0.1, bits=0.2)
    suite = the_suite().model_copy(update={"tolerance": tolerance})
    official = suite.by_key["retain-delayed_recall"].model_copy(update={"spread": 0.0})
    record = next(r for r in read_records(place / "runs" / "tiny" / "records") if r.cell.regime == "retain")
    assert stats.poisson.cdf(1, 4.744) == pytest.approx(0.05, abs=1e-3)
    answers = 64 * len(record.curve)
    flips = next(k for k in range(99) if stats.poisson.sf(k, 4.744e-4 * answers) <= 0.01 / (4 * 2))
    expected = flips / answers / (1 - official.facts.chance)
    assert again.rescoring_allowance(official, record, suite) == pytest.approx(expected)
    text = suite.by_key["language-byte"]
    assert again.rescoring_allowance(text.model_copy(update={"spread": 0.0}), record, suite) == pytest.approx(0.4)
    assert again.rescoring_allowance(text.model_copy(update={"spread": 9.0}), record, suite) == pytest.approx(0.9)


def test_two_scorings_are_apart_by_every_figure(place: Path) -> None:
    """A loss that no score adds up counts, and so do two that were exchanged."""
    suite, records = the_suite(), read_records(place / "runs" / "tiny" / "records")
    record = next(r for r in records if r.cell.regime == "language")
    assert again.apart(record, record, suite) == 0
    a, b, *_ = suite.kept
    nats = list(record.losses[0].nats)
    nats[a], nats[b] = nats[b], nats[a]
    first = record.losses[0].model_copy(update={"nats": nats})
    changed = record.model_copy(update={"losses": [first, *record.losses[1:]]})
    n_bytes = sum(suite.blocks.n_bytes[k] for k in suite.kept)
    assert again.apart(record, changed, suite) == pytest.approx(2 * abs(nats[a] - nats[b]) / np.log(2) / n_bytes)  # pyright: ignore
    recall = next(r for r in records if r.cell.regime == "retain")
    last = replace(recall.curve[-1], total=recall.curve[-1].total + 1)
    changed = recall.model_copy(update={"curve": [*recall.curve[:-1], last]})
    assert recall.facts is not None
    expected = 1 / 64 / (1 - recall.facts.chance) / len(recall.curve)
    assert again.apart(recall, changed, suite) == pytest.approx(expected)


def test_an_allowance_covers_honest_seeds_as_often_as_it_says(place: Path) -> None:
    """The one-sided t interval, by simulation: scatter known from 10 degrees of freedom, three seeds submitted."""
    rng = np.random.default_rng(0)
    official = the_suite().cells[0].model_copy(update={"spread_df": 10})
    beyond, trials = 0, 4000
    for _ in range(trials):
        spread = float(np.sqrt(rng.chisquare(10) / 10))
        allowed = allowance(official.model_copy(update={"spread": spread}), 3, 1)
        seeds, fresh = rng.normal(size=3), rng.normal()
        beyond += seeds.mean() - fresh > allowed
    assert 0.004 < beyond / trials < 0.017  # 1%
