from pathlib import Path

import pytest
import wandb

from benchmark.tracking import Tracker, default_mode
from tests.benchmark.cells import cell, run


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_an_offline_run_holds_configuration_curves_rate_and_plot(tmp_path: Path) -> None:
    record = run(cell(), tmp_path, wandb="offline", group="some-table")
    (folder,) = (tmp_path / "cells" / record.id / "wandb").glob("offline-run-*")
    (log,) = folder.glob("*.wandb")
    logged = log.read_bytes()
    for word in (b"some-table", record.id.encode(), b"train/loss@2", b"train/lr@4", b"val/accuracy@4", b"recall_score"):
        assert word in logged
    assert list((folder / "files" / "media" / "images").glob("recall*.png"))


def test_disabled_tracking_leaves_a_csv_alone(tmp_path: Path) -> None:
    record = run(cell(), tmp_path)
    folder = tmp_path / "cells" / record.id
    assert not (folder / "wandb").exists()
    assert (folder / "metrics-2" / "metrics.csv").exists()


def test_trouble_with_tracking_is_a_warning_and_the_cell_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: object) -> None:
        raise wandb.Error("nobody there")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.warns(UserWarning, match="nobody there"):
        record = run(cell(), tmp_path, wandb="online")
    assert record.status == "ok"


def test_the_default_is_online_only_with_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert default_mode() == "offline"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password x\n")
    assert default_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert default_mode() == "disabled"


def test_a_disabled_tracker_opens_nothing(tmp_path: Path) -> None:
    tracker = Tracker(cell(), tmp_path, "disabled", "g")
    tracker.start()
    assert tracker.run is None
