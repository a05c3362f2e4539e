"""`spanbench models`: every architecture at one budget of parameters and one length, side by side."""

from rich.console import Console
from rich.table import Table

from benchmark.budget import fit_width, part_named, sizes
from benchmark.cells import build
from benchmark.registry import UsageError, entry, names

COLUMNS = ("name", "family", "paper", "dim", "parameters", "FLOPs/token", "state", "sees", "causal", "streams")


def show(n_params: int, length: int) -> int:
    """A line a model, its name first."""
    console = Console(highlight=False)
    said = (
        f"Widths for at most {n_params:,} parameters, embedding and head apart; inputs of {length:,} positions.\n"
        "FLOPs: of the forward pass, matrix products alone. state: what streaming carries, float32.\n"
        "sees: inputs that an output can depend on."
    )
    if not console.is_terminal:
        for name in names("models"):
            cells = row(name, n_params, length)
            print("  ".join([*cells[:3], *map(" ".join, zip(COLUMNS[3:8], cells[3:8], strict=True)), *cells[8:]]))
        return 0
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for name in names("models"):
        table.add_row(*row(name, n_params, length))
    console.print(table)
    console.print(f"\n{said}")
    return 0


def row(name: str, n_params: int, length: int) -> tuple[str, ...]:
    """One model's columns as text. A model without parameters, or too wide at its narrowest, stands as it is."""
    found, part = entry("models", name), part_named(name)
    try:
        part = fit_width(part, n_params)
    except UsageError:
        part = part_named(name)
    size = sizes(build(part), length)
    return (
        name,
        found.get("family", "–"),
        found.get("paper", "–"),
        str(size.dim),
        f"{size.n_params:,}",
        f"{size.flops_per_token:,.0f}",
        f"{size.state_bytes:,} B" if size.state_bytes is not None else "–",
        f"{size.bound:,}" if size.bound is not None else "all",
        "causal" if size.causal else "not causal",
        "streams" if size.state_bytes is not None else "–",
    )
