"""Draws docs/architecture.svg, what runs where and what travels between: `.venv/bin/python docs/architecture.py`."""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

WIDTH, HEIGHT = 1200, 640  # in the units of the places below, y downwards
INK, FAINT, PAPER = "#1f2933", "#52606d", "#fbfaf7"
TORCH, PLAIN, HINGE = "#e3edf7", "#e6f1e4", "#fbe3b5"


class Box(NamedTuple):
    """A box with its title and a line or two below it."""

    x: int
    y: int
    width: int
    height: int
    title: str
    said: str = ""
    colour: str = "white"


ROOMS = [
    Box(30, 30, 720, 405, "benchmark/    from a configuration to a record; torch and Lightning", colour=TORCH),
    Box(30, 510, 300, 100, "models/", "architectures: (B, L, D) → (B, L, D)", TORCH),
    Box(370, 510, 380, 100, "tasks/", "corpora, tokenizers, tasks: batches\nmade from (seed, split, index)", TORCH),
    Box(915, 30, 260, 580, "leaderboard/   no torch", colour=PLAIN),
]
BOXES = {
    "words": Box(55, 85, 200, 90, "command line", "names become classes:\na YAML in configs/ each"),
    "cell": Box(290, 85, 200, 90, "cell", "fully resolved;\nits id is its hash"),
    "launch": Box(525, 85, 200, 90, "launch/", "a queue of claims;\nworkers, here or on Ray"),
    "lit": Box(75, 290, 190, 110, "LitSequence", "embedding → model\n→ head, masked loss"),
    "loop": Box(295, 290, 190, 110, "one training loop", "Lightning's Trainer:\nthe same for every cell"),
    "measures": Box(515, 290, 190, 110, "measures/", "curves by lag,\nas sums and counts"),
    "record": Box(775, 265, 120, 160, "record", "a cell, what\nit left, and\non which host", HINGE),
    "statistics": Box(945, 85, 200, 110, "statistics/", "spans and intervals,\nfrom records alone"),
    "reports": Box(945, 250, 200, 110, "reports/", "tables, figures, pages;\ncomparison/ of\ngranularities"),
    "board": Box(945, 470, 200, 110, "validation/", "submissions are data:\nchecked, then ranking/\nand site/"),
}
WORKER = Box(55, 225, 670, 190, "a worker, one cell at a time")
DATA = [
    ((255, 130), (290, 130)),
    ((490, 130), (525, 130)),
    ((625, 175), (625, 225)),
    ((265, 345), (295, 345)),
    ((485, 345), (515, 345)),
    ((705, 345), (775, 345)),
    ((895, 345), (915, 345)),
    ((1045, 195), (1045, 250)),
    ((150, 510), (150, 400)),
    ((430, 510), (430, 400)),
]
IMPORTS = [((200, 435), (200, 510)), ((640, 435), (640, 510)), ((750, 215), (915, 215))]


def text(axes: Axes, x: float, y: float, said: str, size: float, colour: str = INK, **style: str) -> None:
    """Words in the middle of a place, or as `style` has it."""
    axes.text(x, y, said, size=size, color=colour, **({"ha": "center", "va": "center"} | style))  # pyright: ignore


def box(axes: Axes, place: Box, edge: str, line: str = "-") -> None:
    """An outline with rounded corners."""
    corner = f"round,pad=0,rounding_size={12 if place.colour != HINGE else 18}"
    low = (place.x, place.y)
    axes.add_patch(
        FancyBboxPatch(low, place.width, place.height, corner, fc=place.colour, ec=edge, lw=1.4, linestyle=line)
    )


def arrow(axes: Axes, begin: tuple[int, int], end: tuple[int, int], imports: bool) -> None:
    """Data travel along a solid arrow, imports along a dashed one."""
    style = {"color": FAINT, "linestyle": (0, (4, 3)), "lw": 1.5} if imports else {"color": INK, "lw": 2.0}
    axes.add_patch(FancyArrowPatch(begin, end, arrowstyle="-|>", mutation_scale=16, shrinkA=0, shrinkB=1, **style))


def drawn() -> Figure:
    """The whole picture."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.axis("off")
    for room in ROOMS:
        box(axes, room, "none")
        text(axes, room.x + 18, room.y + 28, room.title, 12.5, ha="left", weight="bold")
        text(axes, room.x + 18, room.y + 64, room.said, 11, FAINT, ha="left")
    box(axes, WORKER._replace(colour="none"), FAINT, "--")
    text(axes, WORKER.x + 20, WORKER.y + 32, WORKER.title, 11.5, ha="left", style="italic")
    for place in BOXES.values():
        box(axes, place, INK)
        middle = place.x + place.width / 2
        text(axes, middle, place.y + 24, place.title, 12.5, weight="bold")
        text(axes, middle, place.y + 24 + (place.height - 24) / 2, place.said, 11, FAINT)
    for begin, end in DATA:
        arrow(axes, begin, end, imports=False)
    for begin, end in IMPORTS:
        arrow(axes, begin, end, imports=True)
    arrow(axes, (775, 560), (812, 560), imports=False)
    arrow(axes, (775, 590), (812, 590), imports=True)
    text(axes, 820, 560, "data", 11, ha="left")
    text(axes, 820, 590, "imports", 11, ha="left")
    return figure


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_suffix(".svg")
    with mpl.rc_context({"svg.hashsalt": "spanbench", "font.family": "DejaVu Sans"}):
        drawn().savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None, dpi=100)
