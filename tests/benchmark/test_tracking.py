"""W&B gets all there is to see, and whatever becomes of it, a cell loses nothing. The faults are real ones."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmark import tracking, wandb_process
from benchmark.host import describe
from benchmark.run_options import RunOptions, default_mode
from benchmark.running import run_cell
from benchmark.tracking import BEST, KNOWN, Tracker, best_strength
from benchmark.wandb_process import drop
from leaderboard.measured import Outcome
from leaderboard.record import Record, read_records
from tests.benchmark.cells import cell, run, without_host

FAULTS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(cell(), folder)
    return folder


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is known of W&B, which has less time than usual."""
    monkeypatch.setattr(KNOWN, "out_of_reach", False)
    monkeypatch.setattr(tracking, "ANSWER", 10)
    yield
    drop()


@FAULTS
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


def disturbed(folder: Path, capfd: pytest.CaptureFixture[str], undisturbed: Path, **options: Any) -> str:
    """Run a cell; its record and its CSV are those of an undisturbed run. The one line that was said."""
    capfd.readouterr()
    progress = options.pop("progress", lambda what, share: None)
    record = run_cell(cell(), RunOptions(folder, **options), progress)
    (expected,) = read_records(undisturbed / "records")
    assert without_host(record) == without_host(expected)
    for lag in (2, 4):
        csv = Path("cells") / record.id / f"metrics-{lag}" / "metrics.csv"
        assert (folder / csv).read_text() == (undisturbed / csv).read_text()
    said = capfd.readouterr().err
    assert said.startswith("spanbench: W&B")
    assert said.count("\n") == 1
    return said


def offline_log(folder: Path) -> bytes:
    """The last run that was kept offline."""
    return max(
        (folder / "cells").glob("*/wandb/offline-run-*/*.wandb"), key=lambda log: log.stat().st_mtime_ns
    ).read_bytes()


@FAULTS
@pytest.mark.parametrize("answers", [False, True])
def test_out_of_reach_is_kept_offline_and_asked_once(
    answers: bool, tmp_path: Path, undisturbed: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if answers:  # takes the call, and never says a word
            port.listen(50)
        monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port.getsockname()[1]}")
        said = disturbed(tmp_path, capfd, undisturbed, wandb="online")
        assert "out of reach" in said
        assert f"wandb sync {tmp_path}/cells/*/wandb/offline-run-*" in said
        for word in (b"train/loss@2", b"val/accuracy@4", b"recall_score"):
            assert word in offline_log(tmp_path)
        again = run(cell(seed=1), tmp_path, wandb="online")
    assert again.status == "ok"
    assert capfd.readouterr().err == ""
    assert len(list((tmp_path / "cells").glob("*/wandb/offline-run-*"))) == 2
    assert len(list((tmp_path / "cells").glob("*/wandb/run-*"))) == 1  # the one attempt


@FAULTS
def test_logged_out_is_one_line_a_worker(tmp_path: Path) -> None:
    """Workers are processes of their own."""
    table = tmp_path / "tiny.yaml"
    options = "model: rnn, model.dim: 8, task: delayed_recall, lags: '1', budget.sequences: 160, budget.batch_size: 16"
    table.write_text(f"cells:\n- {{{options}, budget.val_every: 10, seed: [0, 1, 2, 3]}}\n")
    words = ["table", str(table), "--workers", "2", "--wandb", "online", "--output", str(tmp_path)]
    hidden = ("WANDB_", "NETRC")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "benchmark", *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 2
    assert all(line.startswith("spanbench: W&B is out of reach") and "No API key" in line for line in lines)
    assert len(list((tmp_path / "tiny" / "cells").glob("*/wandb/offline-run-*"))) == 4


@FAULTS
def test_a_folder_that_cannot_be_written(tmp_path: Path, undisturbed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "cells" / cell().id / "wandb"
    place.parent.mkdir(parents=True)
    place.write_text("in the way")
    assert "Not a directory" in disturbed(tmp_path, capfd, undisturbed, wandb="offline")


@FAULTS
@pytest.mark.parametrize(("how", "said"), [("ro", "Read-only"), ("size=8k", "No space"), ("size=64k", "No space")])
def test_a_disk_that_is_full_or_read_only(
    how: str, said: str, tmp_path: Path, undisturbed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "cells" / cell().id / "wandb"
    place.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("no disk of our own can be mounted here")
    try:
        assert said in disturbed(tmp_path, capfd, undisturbed, wandb="offline")
    finally:
        drop()
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@FAULTS
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds W&B's process in /proc")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_process_costs_nothing(
    by: signal.Signals,
    tmp_path: Path,
    undisturbed: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that was logged before it was killed, or hung, is in the run that takes its place."""
    monkeypatch.setattr(wandb_process, "PATIENCE", 15.0)
    struck: list[int] = []

    def progress(what: str, share: float) -> None:
        if what.startswith("lag 4") and not struck:
            struck.extend(services())
            for service in struck:
                os.kill(service, by)

    said = disturbed(tmp_path, capfd, undisturbed, wandb="offline", progress=progress)
    assert struck
    assert "written again, offline" in said
    for word in (b"train/loss@2", b"train/lr@4", b"val/accuracy@4", b"recall_score", BEST.encode()):
        assert word in offline_log(tmp_path)
    assert not set(struck) & set(services())


def services() -> list[int]:
    """W&B's processes that are children of ours."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may just have ended
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
            if name.startswith("wandb-core") and int(rest.split()[1]) == os.getpid() and rest.split()[0] != "Z":
                found.append(int(path.parent.name))
    return found


def test_the_choice_goes_by_validation_alone() -> None:
    outcomes = [Outcome(lag=lag, lag_tokens=32 * lag, n=32, total=32.0) for lag in (2, 4)]  # perfect in the test
    record = Record(id="0" * 16, cell=cell(lags=[2, 4, 8, 16]), status="ok", curve=outcomes, host=describe(0.0, "cpu"))
    assert best_strength({2: 0.9, 4: 0.1}, record) == pytest.approx((0.9 + 0.1) / 4)  # 8 and 16 were given up
    assert best_strength({4: 0.1}, record) is None  # 2 was climbed by an earlier run
    assert best_strength({2: 0.9, 4: 0.1}, record.model_copy(update={"status": "diverged"})) is None
    mixed = record.model_copy(update={"cell": cell(regime="retain")})
    assert best_strength({None: 0.7}, mixed) == 0.7


def test_the_best_validation_of_each_lag_counts() -> None:
    tracker = Tracker(cell(), Path("nowhere"), "disabled", "g")
    for key, value in (("@2", 0.2), ("@2", 0.8), ("@2", 0.5), ("@4 lr=0.001", 0.1), ("@4 lr=0.01", 0.3)):
        tracker.log({f"val/strength{key}": value})
    tracker.log({"val/accuracy@2": 0.9})
    assert tracker.best == {2: 0.8, 4: 0.3}


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
