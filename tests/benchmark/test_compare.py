"""`spanbench compare`, made small."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.cells import build_task, train_bytes
from benchmark.cli import call
from benchmark.compare import Asked
from benchmark.launch import missing
from leaderboard.cell import Cell

TEXT = "the old house by the sea was sold, they said; to whom and for how much (if at all) nobody knew"
WORDS = TEXT.split(" ")
SMALL = [
    f"--{regime}.budget.{key}={value}"
    for regime in ("language", "learn", "retain")
    for key, value in {"sequences": 160, "batch_size": 16, "val_every": 5, "n_val": 8, "n_test": 16}.items()
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of texts beside the output, the current one."""
    rng = np.random.default_rng(0)
    for number in range(45):
        text = "\n".join(" ".join(rng.choice(WORDS, 12)) for _ in range(60))
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / "texts" / f"{number}.txt").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(**changes: object) -> Asked:
    usual: dict[str, object] = {
        "model": "rnn,gru", "tokenizer": "byte,bpe-300", "corpus": "files:texts", "arm": "bytes", "seeds": 2,
        "n_params": "2k", "lags": "16,32", "horizon": 64, "context": 64,
        "own": {"language": {}, "learn": {}, "retain": {}},
    }  # fmt: skip
    return Asked(**usual | changes)  # pyright: ignore


def test_every_model_meets_every_tokenizer_in_three_questions(place: Path) -> None:
    cells = asked().cells()
    points = {(c.model.name, c.tokenizer.name, c.regime, c.seed) for c in cells}  # pyright: ignore
    assert len(points) == len(cells) == 2 * 2 * 3 * 2
    assert len({cell.id for cell in cells}) == len(cells)
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert {c.regime: c.lags for c in cells} == {"language": [64], "learn": [16, 32], "retain": [16, 64]}


def trained_on(cells: list[Cell]) -> dict[str, set[int]]:
    """Bytes of training text that the cells of each regime have."""
    found: dict[str, set[int]] = {}
    for cell in cells:
        found.setdefault(cell.regime, set()).add(train_bytes(cell, build_task(cell)) or 0)
    return found


def test_both_arms_train_on_equal_bytes(place: Path) -> None:
    by_bytes, by_tokens = (asked(arm=arm, tokenizer="byte,bpe-300,bpe-400").cells() for arm in ("bytes", "tokens"))
    assert all(len(found) == 1 for found in trained_on(by_bytes).values())
    for regime, found in trained_on(by_tokens).items():
        (expected,) = trained_on(by_bytes)[regime]
        assert all(n_bytes == pytest.approx(expected, rel=0.01) for n_bytes in found)
    for cell in by_tokens:
        kappa = build_task(cell).bytes_per_token or 1
        if cell.regime == "retain":
            assert cell.lags == [16, round(64 * kappa)]
        if cell.regime == "language":
            assert (cell.lags, cell.task.init_args["arm"]) == ([64], "tokens")


def test_an_option_of_one_regime_changes_that_regime_alone(place: Path) -> None:
    cells = asked(own={"language": {}, "learn": {"budget.lr": "0.1"}, "retain": {}}).cells()
    assert {(cell.regime, cell.budget.lr == 0.1) for cell in cells} == {
        ("language", False), ("learn", True), ("retain", False),
    }  # fmt: skip


def test_it_reports_and_answers_from_its_records(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model=rnn,gru", "--tokenizer=byte,bpe-300", "--corpus=files:texts", "--seeds=2", "--n-params=2k"]
    command = ["compare", *words, "--lags=16", "--horizon=64", "--context=64", *SMALL]
    assert call(command) == 0
    (report,) = (place / "runs" / "compare").glob("texts-*-bytes")
    made = {path.name: path.read_bytes() for path in report.iterdir()}
    assert {"index.html", "comparison.md", "comparison.csv"} <= set(made)
    assert {Path(name).suffix for name in made} >= {".png", ".svg"}
    assert len(list((place / "runs" / "compare" / "records").glob("*.json"))) == 24
    assert "bpe-300" in capsys.readouterr().out
    monkeypatch.setattr(missing, "run_cells", lambda *_: pytest.fail("trained again"))
    assert call(command) == 0
    again = {path.name: path.read_bytes() for path in report.iterdir()}
    assert again == made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "gur", "--tokenizer", "byte"], 'unknown model "gur": did you mean gru?'),
        (["--model", "gru", "--tokenizer", "bpe-100"], "257 to 65536 tokens, got 100"),
        (["--model", "gru", "--tokenizer", "byte,byte"], "--tokenizer: expected distinct names"),
        (["--model", "gru", "--tokenizer", "byte", "--seeds", "0"], "--seeds must be at least 1"),
        (["--model", "gru", "--tokenizer", "byte", "--arm", "words"], "one of bytes, tokens"),
        (["--model", "gru"], "--tokenizer is needed"),
        (["--model", "gru", "--tokenizer", "byte", "--corpus", "files:none"], "none does not exist"),
        (["--model", "gru", "--tokenizer", "byte", "--learn.lag", "3"], 'unknown option "--lag": did you mean --lags?'),
        (["--model", "gru", "--tokenizer", "byte", "--lern.lags", "3"], "--lern.lags"),
        (["--model", "linear", "--tokenizer", "byte"], "linear has no parameters"),
        (["--model", "gru", "--tokenizer", "byte", "--horizon", "16"], "--horizon must be at least 17"),
        (["--model", "gru", "--tokenizer", "byte", "--context", "9000"], "split: no document is long enough"),
        (["--model", "gru", "--tokenizer", "byte", "--lags", "9000"], "has text for lags up to"),
        (["--model", "gru", "--tokenizer", "byte", "--learn.model.dim", "8"], "the same for every regime"),
        (["--model", "gru", "--tokenizer", "byte", "--retain.seed", "8"], "the same for every regime"),
        (["--model", "gru", "--tokenizer", "file:none.json"], "none.json: No such file"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    place: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["compare", "--corpus", "files:texts", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (place / "runs").exists()
