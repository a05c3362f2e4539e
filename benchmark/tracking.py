"""Where a run is watched: a CSV beside it, and Weights & Biases where wanted. No table is ever made from either."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from leaderboard.cell import Cell
from leaderboard.record import Record
from leaderboard.reports.plots import draw_curve
from leaderboard.statistics.bits import measure_bits
from leaderboard.statistics.spans import measure_span

Mode = Literal["online", "offline", "disabled"]


def default_mode() -> Mode:
    """Online with an account (an API key in the environment or in ~/.netrc), offline without."""
    if os.environ.get("WANDB_MODE") in ("online", "offline", "disabled"):
        return os.environ["WANDB_MODE"]  # pyright: ignore[reportReturnType]
    netrc = Path.home() / ".netrc"
    known = "WANDB_API_KEY" in os.environ or (netrc.is_file() and "wandb" in netrc.read_text(errors="replace"))
    return "online" if known else "offline"


@dataclass
class Tracker:
    """The loggers of one cell. `folder` is the cell's own."""

    cell: Cell
    folder: Path
    mode: Mode
    group: str
    run: Any = None

    def start(self) -> None:
        """Open the W&B run, unless it is disabled. Trouble there is a warning: the cell goes on without it."""
        if self.mode == "disabled":
            return
        import wandb

        cell = self.cell
        parts = [cell.model.name, cell.task.name, cell.tokenizer.name if cell.tokenizer else "", cell.regime]
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.run = wandb.init(
                project="spanbench",
                group=self.group,
                name="-".join([part for part in parts if part] + [f"seed{cell.seed}"]),
                id=f"{cell.id}-{os.getpid()}-{os.urandom(3).hex()}",
                config=cell.model_dump() | {"cell_id": cell.id},
                dir=self.folder,
                mode=self.mode,
                settings=wandb.Settings(silent=True, init_timeout=20, x_disable_stats=True, console="off"),
                reinit="finish_previous",
            )
        except (wandb.Error, OSError) as error:
            warnings.warn(f"W&B is not available, going on without it: {error}", stacklevel=2)

    def loggers(self, lag: int | None) -> list[Logger]:
        """The loggers of one training."""
        version = "metrics" if lag is None else f"metrics-{lag}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Experiment logs directory")
            found: list[Logger] = [CSVLogger(self.folder, name="", version=version, flush_logs_every_n_steps=1000)]
        return found if self.run is None else [*found, WandbLogger(experiment=self.run)]

    def finish(self, record: Record) -> None:
        """Put spans, the recall curve and its plot on the run, and close it."""
        if self.run is None:
            return
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
