"""A table's cells, finished: what is missing is run, what is damaged is set aside, and every record comes back."""

from collections.abc import Collection, Iterable
from pathlib import Path

from rich.console import Console

from benchmark.display import title
from benchmark.launch.manner import Manner
from benchmark.parsing import check_output
from benchmark.registry import UsageError
from benchmark.run_options import RunOptions
from leaderboard.cell import Cell
from leaderboard.record import Record, collector_paused, read_record


def finish(
    console: Console,
    cells: Iterable[Cell],
    options: RunOptions,
    manner: Manner,
    caption: str,
    again: Collection[str] = (),
    core_seconds: float = 0,
) -> tuple[list[Record], int]:
    """Run the cells that have no record yet, and those whose status is in `again`; all records, and the exit code.

    Raises UsageError where a cell cannot be run at all, OSError where the machine fails, KeyboardInterrupt on demand;
    what is done is kept, and the same call goes on. Where nothing is missing torch is not needed.
    """
    asked = {cell.id: cell for cell in cells}
    done = recorded(asked, options.folder, console)
    missing = {key: cell for key, cell in asked.items() if key not in done or done[key].status in again}
    before = f"{caption}: {len(asked)} cells, {len(asked) - len(missing)} done before"
    if missing:
        from benchmark.launch.missing import run_missing

        run_missing(console, asked, missing, options, manner, before, core_seconds * len(missing) / len(asked))
        done |= {key: read(path_of(key, options.folder)) for key in missing}
        say(console, sync_hint(options))
    else:
        check_output(options.folder)
        say(console, before)
    records = [done[key] for key in asked]
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        say(console, f"failed: {title(record.cell)}: {record.reason} (--retry failed tries again)")
    return records, 1 if failed else 0


def recorded(cells: dict[str, Cell], folder: Path, console: Console) -> dict[str, Record]:
    """The records there are, by id. One that is damaged is named and set aside, so that its cell runs again."""
    found = {}
    with collector_paused():
        for key, cell in cells.items():
            path = path_of(key, folder)
            if not path.exists():
                continue
            try:
                found[key] = read_record(path)
            except ValueError as error:
                aside = set_aside(path)
                say(console, f"{error}; set aside as {aside.name}, and {title(cell)} runs again")
    return found


def set_aside(path: Path) -> Path:
    """Rename a file so that nothing reads it, and nothing is lost."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def read(path: Path) -> Record:
    """A record, or one line about what is wrong with it."""
    try:
        return read_record(path)
    except ValueError as error:
        raise UsageError(str(error)) from None


def path_of(cell_id: str, folder: Path) -> Path:
    """Where a cell's record is."""
    return folder / "records" / f"{cell_id}.json"


def say(console: Console, line: str) -> None:
    """A line that is not to be wrapped or coloured; nothing where there is nothing to say."""
    if line:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def sync_hint(options: RunOptions) -> str:
    """How to send offline W&B runs later."""
    if options.wandb != "offline":
        return ""
    return f"W&B runs are kept offline; to send them: wandb sync {options.folder}/cells/*/wandb/offline-run-*"
