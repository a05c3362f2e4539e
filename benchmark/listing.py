"""What there is: models, tasks, tokenizers, corpora and tables."""

import inspect
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark.registry import CONFIGS, entry, load_class, names, unknown

MODEL_COLUMNS = (
    "parameters: embedding and head apart; widths are those that a model's heads divide. FLOPs: of the forward pass, "
    "matrix products and Fourier transforms alone. state: what streaming carries from input to input, float32. "
    "sees: how many inputs an output can depend on."
)


def show(kind: str, name: str | None) -> int:
    """All of a kind, a line each, its name first; or one of them whole."""
    console = Console(highlight=False)
    if name is not None:
        _whole(console, kind, name)
        return 0
    rows = [(stem, summary(CONFIGS / kind / f"{stem}.yaml")) for stem in names(kind)]
    if not console.is_terminal:
        for stem, text in rows:
            print(f"{stem}  {text}")
        return 0
    table = Table("name", "what it is", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return 0


def summary(path: Path) -> str:
    """The first comment line of a YAML."""
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def _whole(console: Console, kind: str, name: str) -> None:
    if kind == "tables":
        if name not in names(kind):
            raise unknown("table", name, names(kind))
        print((CONFIGS / kind / f"{name}.yaml").read_text(encoding="utf-8"), end="")
        return
    if kind == "tasks":
        from benchmark import taskview

        taskview.show(console, name)
        return
    if kind == "corpora":
        from benchmark import corpusview

        corpusview.show(console, name)
        return
    found = entry(kind, name)
    chosen = load_class(found["class_path"])
    from benchmark.resolver import check_kind

    check_kind(kind.removesuffix("s"), name, chosen)
    print(f"{name}  {found['class_path']}\n\n{inspect.getdoc(chosen)}\n")
    for key, parameter in inspect.signature(chosen).parameters.items():
        default = found["init_args"].get(key, parameter.default)
        shown = "set by an option of its own" if default is inspect.Parameter.empty else default
        print(f"  --{kind.removesuffix('s')}.{key}  {shown}")
