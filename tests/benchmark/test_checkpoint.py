"""A training that is stopped goes on from its checkpoint to the very same weights, figures and log."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from benchmark import checkpoint
from benchmark.checkpoint import Stopped
from benchmark.registry import source_of
from benchmark.run_options import RunOptions
from benchmark.running import never, run_cell
from leaderboard.cell import Cell, Part
from leaderboard.record import Record
from models.base import SequenceModel
from tests.benchmark.cells import TINY, cell, without_host

PLACE = f"{__file__}:Dropping"
DROPPING = Part(name="dropping", class_path=PLACE, init_args={"dim": 8}, source=source_of(PLACE, {}))


class Dropping(SequenceModel):
    """Draws random numbers at every step of training."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__(dim)
        self.rnn, self.drop = nn.GRU(dim, dim, batch_first=True), nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:  # (B, L, D) -> (B, L, D)
        return self.drop(self.rnn(x)[0])


def run(given: Cell, folder: Path, stop: Any = never) -> Record:
    return run_cell(given, RunOptions(folder), lambda what, share: None, stop)


def files(folder: Path, given: Cell, pattern: str) -> dict[str, bytes]:
    top = folder / "cells" / given.id
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob(pattern))}


@pytest.fixture(scope="module", params=["learn", "retain", "trials"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, Path, Record]:
    budget = TINY.model_copy(update={"sequences": 960})
    kinds: dict[str, dict[str, Any]] = {
        "learn": {"regime": "learn"},
        "retain": {"regime": "retain", "model": DROPPING},
        "trials": {"regime": "retain", "lrs": [3e-3, 1e-2], "budget": budget},
    }
    given = cell(**{"budget": budget} | kinds[request.param])
    folder = tmp_path_factory.mktemp("whole")
    record = run(given, folder)
    assert record.status == "ok", record.reason
    return given, folder, record


@pytest.mark.parametrize("after", [1, 9, 10, 11, 29, 47, 73])
def test_stopped_after_any_step_it_goes_on_to_the_same_bits(
    after: int, undisturbed: tuple[Cell, Path, Record], tmp_path: Path
) -> None:
    given, whole, expected = undisturbed
    steps = count(1)
    try:
        stopped = run(given, tmp_path, lambda: next(steps) >= after)
    except Stopped:
        stopped = None
    assert (stopped is None) == (not (tmp_path / "records").exists())
    if stopped is None:
        assert list((tmp_path / "cells" / given.id).glob("training*.ckpt"))
    assert without_host(run(given, tmp_path)) == without_host(expected)
    for pattern in ("weights*.safetensors", "metrics.csv"):
        assert files(tmp_path, given, pattern) == files(whole, given, pattern) != {}
    assert not list((tmp_path / "cells" / given.id).glob("training*.ckpt"))


def test_a_training_that_validates_at_every_step_stops_too(tmp_path: Path) -> None:
    given = cell(budget=TINY.model_copy(update={"val_every": 1}))
    steps = count(1)
    with pytest.raises(Stopped):
        run(given, tmp_path / "cut", lambda: next(steps) >= 5)
    assert without_host(run(given, tmp_path / "cut")) == without_host(run(given, tmp_path / "whole"))


@pytest.fixture
def cut(tmp_path: Path) -> tuple[Cell, Path]:
    """A training stopped half-way: its cell, and its checkpoint."""
    given, steps = cell(), count(1)
    with pytest.raises(Stopped):
        run(given, tmp_path / "cut", lambda: next(steps) >= 15)
    (path,) = (tmp_path / "cut" / "cells" / given.id).glob("training*.ckpt")
    return given, path


@pytest.mark.parametrize("damage", ["cut", "code", "other"])
def test_a_checkpoint_that_is_damaged_or_of_other_code_is_left_and_training_starts_over(
    damage: str,
    cut: tuple[Cell, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given, path = cut
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "code":
        path.write_bytes(b"\x80\x04cos\nsystem\n(S'echo run > " + str(tmp_path / "ran").encode() + b"'\ntR.")
    else:
        checkpoint._origin.cache_clear()
        monkeypatch.setattr(checkpoint.host, "commit", lambda: "another")
    assert without_host(run(given, tmp_path / "cut")) == without_host(run(given, tmp_path / "whole"))
    assert not (tmp_path / "ran").exists()
    said = "a checkpoint of other code" if damage == "other" else "not a whole checkpoint"
    assert f"{path}: {said} (" in (err := capsys.readouterr().err)
    assert err.endswith("): its training starts over\n")
    checkpoint._origin.cache_clear()


def test_now_and_then_a_checkpoint_is_saved_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed loses no more than so many seconds."""
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    saved: list[int] = []
    original = checkpoint.AtomicIO.save_checkpoint

    def save(self: checkpoint.AtomicIO, data: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        saved.append(data["global_step"])
        original(self, data, path, storage_options)
        if data["global_step"] == 17:
            raise MemoryError  # stands for a kill right after the write

    monkeypatch.setattr(checkpoint.AtomicIO, "save_checkpoint", save)
    given = cell(lags=[2])
    assert run(given, tmp_path / "cut").status == "failed"
    assert saved == [step for step in range(1, 18) if step % TINY.val_every]
    (tmp_path / "cut" / "records" / f"{given.id}.json").unlink()
    monkeypatch.setattr(checkpoint.AtomicIO, "save_checkpoint", original)
    assert without_host(run(given, tmp_path / "cut")) == without_host(run(given, tmp_path / "whole"))
