"""`spanbench table`: its plan comes first, and torch only where something is to be trained."""

from pathlib import Path
from typing import Any

from rich.console import Console

from benchmark.dry_run import dry_run as say_what_is_left
from benchmark.launch.finish import finish
from benchmark.parsing import manner_of
from benchmark.plan import plan_for
from benchmark.run_options import Mode, RunOptions, default_mode


def table(name: str, output: str, model: str | None, dry_run: bool, wandb: Mode | None, **how: Any) -> int:
    """Train a table's missing cells, then print and draw it; or only say what that will take.

    `model`: those of an open table; `how`: as add_manner has it.
    """
    manner, again = manner_of(how)
    plan = plan_for(name, [each.strip() for each in model.split(",")] if model else [])
    folder, console = Path(output) / plan.name, Console()
    if dry_run:
        return say_what_is_left(plan, folder, manner.workers, console, again)
    options = RunOptions(folder, wandb or default_mode(), plan.name)
    records, code = finish(console, plan.cells(), options, manner, plan.title, again, plan.core_seconds)
    from benchmark.reporting import print_report

    print_report(console, records, folder, plan.title)
    return code
