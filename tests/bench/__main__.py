"""`make bench`: how fast, as medians of interleaved runs and as ratios within one run. Nothing here can fail a build.

Figures are for this machine, now; ratios travel better than seconds. `python -m tests.bench WORD` runs those whose
name holds WORD.
"""

import sys

from rich.console import Console
from rich.table import Table

from tests.bench.measures import BENCHES


def main() -> None:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    console = Console(highlight=False, width=120)
    table = Table("what", "measured", "wanted", box=None, pad_edge=False)
    for name, (bench, wanted) in BENCHES.items():
        if word in name:
            with console.status(name):
                table.add_row(name, bench(), wanted)
    console.print(table)


if __name__ == "__main__":
    main()
