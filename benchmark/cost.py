"""`spanbench cost`: what models take, in seconds and memory, as inputs grow longer, layers wider or states larger."""

import inspect
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmark.budget import part_named
from benchmark.cells import build
from benchmark.host import device_name
from benchmark.parsing import check_output
from benchmark.registry import UsageError, load_class, unknown
from benchmark.stopwatch import Subject
from leaderboard.cell import Part
from leaderboard.record import write_atomically
from leaderboard.reports.costs import HEADER, Axis, CostPoint, CostStudy, draw, markdown, rows, table_csv
from leaderboard.reports.plots import render


def cost(
    model: str,
    length: str | None,
    dim: str,
    state: str | None,
    batch: int,
    rounds: int,
    device: str | None,
    output: str,
) -> int:
    """Measure, print and draw. Raises UsageError."""
    length = length or ("1024" if "," in f"{dim}{state}" else "256,512,1024,2048,4096,8192")
    grids = {"length": integers("length", length), "dim": integers("dim", dim)}
    grids |= {"state": integers("state", state)} if state is not None else {}
    several = [name for name, grid in grids.items() if len(grid) > 1]
    if len(several) > 1:
        raise UsageError(f"one axis at a time: --{' and --'.join(several)} have several values each")
    for name, value in (("batch", batch), ("rounds", rounds)):
        if value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    axis: Axis = several[0] if several else "length"  # pyright: ignore[reportAssignmentType]
    place = _device(device)
    parts = _parts(model, grids)
    folder = Path(output) / "cost"
    check_output(folder)
    torch.set_num_threads(1)
    fixed = {name: grid[0] for name, grid in grids.items() if name != axis} | {"batch": batch}
    points = _measure(parts, grids, axis, batch, rounds, place)
    _report(CostStudy(axis=axis, fixed=fixed, device=device_name(place.type), points=points), folder)
    return 0


def integers(name: str, text: str) -> list[int]:
    """'256,512' -> [256, 512]. Raises UsageError."""
    try:
        found = sorted(int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f'--{name}: expected whole numbers like 256,512, got "{text}"') from None
    if found[0] < 1 or len(set(found)) < len(found):
        raise UsageError(f"--{name}: expected different numbers of at least 1, got {text}")
    return found


def _device(wanted: str | None) -> torch.device:
    choices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    if wanted is not None and wanted not in choices:
        raise unknown("device on this machine", wanted, choices)
    return torch.device(wanted or choices[-1])


def _parts(models: str, grids: dict[str, list[int]]) -> list[Part]:
    """Every model named, each of its sizes tried without weights, so that what it refuses is said before any work."""
    parts = [part_named(name) for name in dict.fromkeys(models.split(","))]
    for part in parts:
        keys = list(inspect.signature(load_class(part.class_path)).parameters)
        for key in grids.keys() - {"length"}:
            if key not in keys:
                raise UsageError(f"--{key}: {part.name} has no {key}; it takes {', '.join(keys)}")
        for sized in _sizes(part, grids):
            try:
                with torch.device("meta"):
                    build(sized)
            except ValueError as error:
                raise UsageError(f"{part.name}: {error}") from None
    return parts


def _sizes(part: Part, grids: dict[str, list[int]]) -> list[Part]:
    return [
        part.model_copy(update={"init_args": part.init_args | {"dim": dim} | ({"state": state} if state else {})})
        for dim in grids["dim"]
        for state in grids.get("state", [0])
    ]


def _measure(
    parts: list[Part], grids: dict[str, list[int]], axis: Axis, batch: int, rounds: int, device: torch.device
) -> list[CostPoint]:
    """Whole rounds over all models and values, so that a busy moment falls on all alike."""
    subjects = []
    with torch.random.fork_rng(), Console(stderr=True).status("warming up") as status:
        torch.manual_seed(0)
        for part in parts:
            for sized in _sizes(part, grids):
                for length in grids["length"]:
                    at = length if axis == "length" else sized.init_args[axis]
                    x = torch.randn(batch, length, sized.init_args["dim"], device=device)
                    subjects.append(Subject(part.name, at, build(sized).to(device), x))
                    status.update(f"warming up {part.name} at {axis} {at}")
                    subjects[-1].warm_up()
        for number in range(rounds):
            status.update(f"round {number + 1} of {rounds}")
            for subject in subjects:
                subject.round()
    return [subject.point() for subject in subjects]


def _report(study: CostStudy, folder: Path) -> None:
    files = {"costs.json": study.model_dump_json(indent=1), "table.md": markdown(study), "table.csv": table_csv(study)}
    figure = draw(study)
    pictures = {"cost.png": render(figure, "png"), "cost.svg": render(figure, "svg")}
    for name, data in ({key: text.encode() for key, text in files.items()} | pictures).items():
        write_atomically(folder / name, data)
    console = Console(highlight=False)
    table = Table(*HEADER, box=None, pad_edge=False)
    for line in rows(study):
        table.add_row(*line)
    if console.is_terminal:
        console.print(markdown(study).splitlines()[0], table, sep="\n", markup=False)
    else:
        print(markdown(study), end="")
    console.print(f"written to {folder}: {', '.join([*files, *pictures])}", markup=False, soft_wrap=True)
