"""Text made ready before any training starts: tokenizers trained, splits encoded, each once for all processes."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from benchmark.cells import build_task
from benchmark.display import title
from benchmark.registry import UsageError
from leaderboard.cell import Cell
from tasks.text_task import TextTask


def prepare(cells: Iterable[Cell], console: Console) -> None:
    """Encode what the cells will read, unless it is cached. Raises UsageError where a task cannot be built."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:.0f}%"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    distinct = {(str(cell.task), str(cell.tokenizer), str(cell.corpus)): cell for cell in cells if cell.tokenizer}
    with bars:
        for cell in distinct.values():
            assert cell.tokenizer is not None
            assert cell.corpus is not None
            bar = bars.add_task(f"{cell.tokenizer.name} on {cell.corpus.name}: tokenizer", total=1.0)
            try:
                task = build_task(cell)
                assert isinstance(task, TextTask)
                for split in task.encoded:
                    bars.reset(bar, description=f"{cell.tokenizer.name} on {cell.corpus.name}: {split} split")
                    task.tokens(split, lambda share, bar=bar: bars.update(bar, completed=share))
            except (ValueError, TypeError, OSError) as error:
                raise UsageError(f"{title(cell)}: {error}") from None
            bars.remove_task(bar)
