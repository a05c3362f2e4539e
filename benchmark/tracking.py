"""Where a run is watched: a CSV beside it, and Weights & Biases where wanted. No table is ever made from either.

W&B may be out of reach, its folder full, its process killed: all of that is a line on standard error, and the cell
goes on as if there were no W&B.
"""

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from benchmark.run_options import Mode
from benchmark.wandb_process import drop, limited
from leaderboard.cell import Cell
from leaderboard.record import Record
from leaderboard.reports.plots import draw_curve
from leaderboard.statistics.bits import measure_bits
from leaderboard.statistics.spans import measure_span

BEST = "val/best_strength"  # what a choice among runs goes by: the best validated s, mean over the lags of the cell
STRENGTH = re.compile(r"val/strength(?:@(\d+))?(?: lr=.*)?")
ANSWER = 20  # seconds that the server may take to open a run
UPLOAD = 60  # seconds that may pass until all of a run is sent
ROOM = 1 << 16  # bytes that must be free beside a run for it to count as written


@dataclass
class Known:
    """What this process has learned of W&B."""

    out_of_reach: bool = False  # runs are kept offline without asking again


KNOWN = Known()


@dataclass
class Tracker:
    """The loggers of one cell. `folder` is the cell's own."""

    cell: Cell
    folder: Path
    mode: Mode
    group: str
    run: Any = None
    logged: list[dict[str, Any]] = field(default_factory=list)
    best: dict[int | None, float] = field(default_factory=dict)  # best validated s by fixed lag, None where mixed
    replaced: bool = False  # whether `run` is the cell's second, because the first was lost

    def start(self) -> None:
        """Open the W&B run, unless it is disabled; offline where it cannot be online."""
        if self.mode == "disabled" or getattr(rank_zero_only, "rank", 0) != 0:
            return
        mode = "offline" if KNOWN.out_of_reach else self.mode
        error = self._open(mode)
        if error and mode == "online":
            online, error = error, self._open("offline")
            if error is None:
                KNOWN.out_of_reach = True
                self._warn(f"W&B is out of reach: {self._sync('this and later runs are kept offline')}", online)
        if error:
            self._warn("W&B is not available: the cell goes on without it", error)

    def loggers(self, stage: str) -> list[Logger]:
        """The loggers of one training: `stage` ends the name of its folder."""
        version = f"metrics{stage}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Experiment logs directory")
            found: list[Logger] = [CSVLogger(self.folder, name="", version=version, flush_logs_every_n_steps=1000)]
        return found if self.run is None else [*found, _Watched(self)]

    def log(self, values: dict[str, Any]) -> None:
        """Put values on the run."""
        for key, value in values.items():
            if match := STRENGTH.fullmatch(key):
                lag = int(match[1]) if match[1] else None
                self.best[lag] = max(value, self.best.get(lag, value))
        self._attempt(lambda: self.run.log(values))
        self.logged.append(values)

    def leave(self) -> None:
        """Close the run of a cell that is not finished."""
        self._attempt(lambda: self.run.finish(exit_code=1))

    def finish(self, record: Record) -> None:
        """Put spans, the recall curve and its plot on the run, and close it."""
        best = best_strength(self.best, record)
        if best is not None:
            self.log({BEST: best})
        self._attempt(partial(self._conclude, record))

    def _open(self, mode: Mode) -> Exception | None:
        """Open a run; what went wrong where there is none."""
        try:
            self.run = limited(partial(self._init, mode))
        except Exception as error:
            drop()
            return error
        return None

    def _init(self, mode: Mode) -> Any:
        import wandb

        cell = self.cell
        parts = [cell.model.name, cell.task.name, cell.tokenizer.name if cell.tokenizer else "", cell.regime]
        self.folder.mkdir(parents=True, exist_ok=True)
        wandb.setup(wandb.Settings(silent=True))
        logging.getLogger("wandb").setLevel(logging.CRITICAL)  # its log, on a full disk, is tracebacks on our stderr
        return wandb.init(
            project="spanbench",
            group=self.group,
            name="-".join([part for part in parts if part] + [f"seed{cell.seed}"]),
            id=f"{cell.id}-{os.getpid()}-{os.urandom(3).hex()}",
            config=cell.model_dump() | {"cell_id": cell.id},
            dir=self.folder,
            mode=mode,
            settings=wandb.Settings(
                silent=True,
                init_timeout=ANSWER,
                finish_timeout=UPLOAD,
                finish_timeout_raises=True,
                x_disable_stats=True,
                console="off",
            ),
            reinit="finish_previous",
        )

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do `work` on the run. Where W&B fails, all that was logged goes to a new run, offline, and `work` too."""
        if self.run is None:
            return
        try:
            return limited(work)
        except Exception as error:
            lost = error
        self.run = None
        drop()
        again = None
        if not self.replaced:
            self.replaced = True
            again = self._open("offline") or self._again(work)
        if self.run is None or again:
            self.run = None
            self._warn("W&B failed: the cell goes on without it, and its run is not whole", again or lost)
        else:
            self._warn(f"W&B failed: {self._sync('the run was written again, offline')}", lost)

    def _again(self, work: Callable[[], None]) -> Exception | None:
        try:
            for values in self.logged:
                limited(partial(self.run.log, values))
            limited(work)
        except Exception as error:
            drop()
            return error
        return None

    def _conclude(self, record: Record) -> None:
        import wandb

        if record.curve:
            rows: list[Any] = [[point.lag, point.n, point.total] for point in record.curve]
            self.run.log(
                {
                    "recall": wandb.Image(draw_curve([record])),
                    "recall_sums": wandb.Table(columns=["lag", "n", "total"], data=rows),
                }
            )
        if record.losses:
            self.run.summary["bits_per_byte"] = measure_bits([record]).value
        elif record.cell.regime != "language":
            span = measure_span([record])
            self.run.summary.update({"span": span.text(), "recall_score": span.recall})
        self.run.summary["status"] = record.status
        self.run.finish(exit_code=0 if record.status == "ok" else 1)
        with tempfile.TemporaryFile(dir=self.folder / "wandb") as room:  # W&B does not say that it could not write
            room.write(bytes(ROOM))

    def _sync(self, kept: str) -> str:
        return f"{kept}; to send them: wandb sync {self.folder.parent}/*/wandb/offline-run-*"

    def _warn(self, what: str, error: Exception) -> None:
        from benchmark.cli import complain

        reason = str(error).strip().splitlines() or [type(error).__name__]
        complain(f"{what} ({reason[0]})")


class _Watched(WandbLogger):
    """Lightning's logger of a cell's W&B run; where that fails, the tracker knows what to do."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(experiment=tracker.run)
        self._tracker = tracker

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Pass them on, with the optimizer step."""
        self._tracker.log(dict(metrics) | {"trainer/global_step": step})


def best_strength(best: Mapping[int | None, float], record: Record) -> float | None:
    """What a choice among runs goes by: the best validated s, mean over the lags of a climb, without the test.

    A lag that a climb gave up before counts 0. None where the cell failed or went on from an earlier run, whose
    validations are not known here.
    """
    if record.status != "ok":
        return None
    if record.cell.regime != "learn":
        return best.get(None)
    lags = record.cell.lags
    if any(point.lag in lags and point.lag not in best for point in record.curve):
        return None
    return sum(best.get(lag, 0.0) for lag in lags) / len(lags)
