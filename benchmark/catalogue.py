"""`spanbench models`: every architecture at one budget of parameters and one length, side by side."""

from rich.console import Console
from rich.table import Table

from benchmark.budget import Sizes, TooLarge, count, fit_width, part_named, sizes
from benchmark.cells import build
from benchmark.listing import MODEL_COLUMNS
from benchmark.registry import UsageError, entry, names

COLUMNS = ("name", "family", "paper", "dim", "parameters", "FLOPs/token", "state", "sees", "causal", "streams")
FIGURES = COLUMNS[3:8]


def show(n_params: int, length: int) -> int:
    """A line a model, its name first."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for name in names("models"):
            print(line(name, n_params, length))
        return 0
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in FIGURES else "left")
    for name in names("models"):
        table.add_row(*row(name, n_params, length))
    console.print(table)
    console.print(f"\nAt most {n_params:,} parameters, inputs of {length:,} positions. {MODEL_COLUMNS}")
    return 0


def line(name: str, n_params: int, length: int) -> str:
    """A model's columns in one line, figures labelled."""
    cells = row(name, n_params, length)
    return "  ".join([*cells[:3], *map(" ".join, zip(FIGURES, cells[3:8], strict=True)), *cells[8:]])


def row(name: str, n_params: int, length: int) -> tuple[str, ...]:
    """One model's columns as text. What has no parameters stands as it is; what is too large has no figures."""
    found, part = entry("models", name), part_named(name)
    try:
        model = build(part)
        if count(model):
            model = build(fit_width(part, n_params))
        size = sizes(model, length)
    except TooLarge:
        size = None
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name}: {error}") from None
    figures = ("–", "too many", "–", "–", "–", "–", "–") if size is None else _figures(size)
    return name, found.get("family", "–"), found.get("paper", "–"), *figures


def _figures(size: Sizes) -> tuple[str, ...]:
    return (
        str(size.dim),
        f"{size.n_params:,}",
        f"{size.flops_per_token:,.0f}",
        f"{size.state_bytes:,} B" if size.state_bytes is not None else "–",
        f"{size.bound:,}" if size.bound is not None else "all",
        "causal" if size.causal else "not causal",
        "streams" if size.state_bytes is not None else "–",
    )
