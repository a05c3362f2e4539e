"""How a cell is run, without being part of it: where to, on which devices, watched by whom. Known without torch."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Mode = Literal["online", "offline", "disabled"]


@dataclass(frozen=True)
class TrainerOptions:
    """What a user may pass through to Lightning's Trainer without changing the cell.

    Attributes:
        accelerator: cpu, gpu, … or auto
        devices: how many devices share each batch
        num_nodes: how many machines do
        strategy: ddp, fsdp, … or auto
        compile: run the model through torch.compile
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    compile: bool = False

    @property
    def several(self) -> bool:
        """Whether devices share each batch."""
        return (self.devices, self.num_nodes) != (1, 1)


@dataclass(frozen=True)
class RunOptions:
    """How cells run, without being part of them. `folder` is the table's: records/ and cells/ lie in it."""

    folder: Path
    wandb: Mode = "disabled"
    group: str = "run"
    trainer: TrainerOptions = field(default_factory=TrainerOptions)


def default_mode() -> Mode:
    """Online with an account (an API key in the environment or in ~/.netrc), offline without."""
    if os.environ.get("WANDB_MODE") in ("online", "offline", "disabled"):
        return os.environ["WANDB_MODE"]  # pyright: ignore[reportReturnType]
    netrc = Path.home() / ".netrc"
    known = "WANDB_API_KEY" in os.environ or (netrc.is_file() and "wandb" in netrc.read_text(errors="replace"))
    return "online" if known else "offline"
