"""The tables beside the charts: the same numbers, all of them, for whoever reads without the drawings."""

from typing import Any

from leaderboard.ranking.wording import NONE, number
from leaderboard.site.charts import cells_by_row, series_of
from leaderboard.site.curves import Curves, Point

Told = dict[str, Any]


def granularity_rows(suite: Told) -> dict[str, Told]:
    """By id: what was scored in each cell, γ by question, and differences as text by question and tokenizer."""
    gammas: dict[str, Told] = {}
    for board in suite["boards"]:
        for row in board["rows"]:
            gammas.setdefault(row["id"], {}).update(row["gammas"])
    apart: dict[str, dict[tuple[str, str], str]] = {}
    for each in suite["differences"]:
        apart.setdefault(each["id"], {})[each["question"], each["coarse"]] = each["text"]
    return {
        id: {"cells": cells, "gammas": gammas[id], "differences": apart[id]}
        for id, cells in cells_by_row(suite).items()
    }


def curve_tables(suite: Told, found: Curves) -> list[Told]:
    """A table a cell: rows of models, a column for each lag or context that any of them was scored at."""
    series, scored, tables = series_of(suite), cells_by_row(suite), []
    for board in suite["boards"]:
        for cell in board["cells"]:
            own = found[cell["key"]]
            lags = sorted({point.at for points in own.values() for point in points})
            rows = [
                {
                    **each,
                    "lags": _values(own.get(each["id"], []), lags, 3 if cell["score"] == "bits per byte" else 2),
                    "span": scored[each["id"]][cell["key"]]["span"]["text"],
                }
                for each in series
            ]
            tables.append({**cell, "is_text": cell["score"] == "bits per byte", "lags": lags, "rows": rows})
    return tables


def _values(points: list[Point], lags: list[float], digits: int) -> list[str]:
    by_lag = {point.at: number(point.value, digits) for point in points}
    return [by_lag.get(lag, NONE) for lag in lags]
