"""The numbers of the page as files: JSON as it is, CSV that no spreadsheet takes for a formula."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

Told = dict[str, Any]
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
LEADING = ["suite", "revision", "board", "id", "name", "family", "tier", "date", "rank_first", "rank_last"]
LEADING += ["score", "low", "high", "tied", "why", "finished", "diverged", "failed", "n_params", "flops_per_byte"]
LEADING += ["seconds"]
OF_A_CELL = ("raw", "raw_low", "raw_high", "normalised", "low", "high")
OF_A_SPAN = ("value", "low", "high", "censor", "unit")
CURVES = ["suite", "revision", "cell", "id", "name", "seed", "at", "value"]
DIFFERENCES = ["id", "question", "fine", "coarse", "n_seeds", "value", "low", "high", "bound"]


def harmless(value: Any) -> str:
    """A CSV field: text that a spreadsheet might take for a formula gets a ' before it; numbers are left alone.

    >>> harmless("=1+1"), harmless(-0.5), harmless("-0.5"), harmless(None)
    ("'=1+1", '-0.5', '-0.5', '')
    """
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def csv_of(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """RFC 4180 but for line ends, which are \\n."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(value) for value in row] for row in rows)
    return file.getvalue().encode()


def json_of(told: Told) -> bytes:
    """Keys sorted, every digit of every number."""
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _leading(suite: Told, board: Told, row: Told) -> list[Any]:
    first, last = row["rank"] or (None, None)
    plain = {**row, **row["seeds"], "suite": suite["name"], "revision": suite["revision"], "board": board["name"]}
    return [{"rank_first": first, "rank_last": last, **plain}[key] for key in LEADING]


def standings_csv(told: Told) -> bytes:
    """Every row of every board."""
    rows = (
        _leading(suite, board, row) for suite in told["suites"] for board in suite["boards"] for row in board["rows"]
    )
    return csv_of(LEADING, rows)


def board_csv(suite: Told, board: Told) -> bytes:
    """One board with what its rows have in every cell, and γ."""
    header = list(LEADING)
    for cell in board["cells"]:
        header += [f"{cell['key']} {name}" for name in OF_A_CELL]
        header += [f"{cell['key']} span {name}" for name in OF_A_SPAN]
    gammas = list(board["rows"][0]["gammas"]) if board["rows"] else []
    header += [f"gamma {name} {key}" for name in gammas for key in ("value", "low", "high")]
    rows = []
    for row in board["rows"]:
        found = _leading(suite, board, row)
        for cell in row["cells"]:
            found += [cell[name] for name in OF_A_CELL] + [cell["span"][name] for name in OF_A_SPAN]
        rows.append(found + [row["gammas"][name][key] for name in gammas for key in ("value", "low", "high")])
    return csv_of(header, rows)


def differences_csv(told: Told) -> bytes:
    """Each granularity against the finest."""
    rows = (
        [suite["name"], suite["revision"], *(each[key] for key in DIFFERENCES)]
        for suite in told["suites"]
        for each in suite["differences"]
    )
    return csv_of(["suite", "revision", *DIFFERENCES], rows)
