"""`make bench`: how fast, as medians of interleaved runs and as ratios within one run. Nothing here can fail a build.

Figures are for this machine, now; ratios travel better than seconds. `python -m tests.bench WORD` runs those whose
name holds WORD.
"""

import os
import sys

from rich.console import Console
from rich.table import Table

from benchmark.environment import missing
from tests.bench import attention, mamba, matrix_states, measures, report, state_spaces, tables, tasks, text

ROOMS = (measures, tables, tasks, text, attention, mamba, matrix_states, state_spaces, report)


def main() -> None:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    console = Console(highlight=False, width=120)
    table = Table("what", "measured", "wanted", box=None, pad_edge=False)
    benches = {name: found for room in ROOMS for name, found in room.BENCHES.items()}
    for name, (bench, wanted) in benches.items():
        if word in name:
            with console.status(name):
                table.add_row(name, bench(), wanted)
    console.print(table)


if __name__ == "__main__":
    if missing():  # memory as training has it, for the yardsticks too
        os.execve(sys.executable, [sys.executable, "-m", "tests.bench", *sys.argv[1:]], {**os.environ, **missing()})
    main()
