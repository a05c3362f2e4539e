"""What the charts draw, as JSON beside the tables that hold the same numbers."""

from collections.abc import Sequence
from typing import Any

from leaderboard.site.curves import Curves

Told = dict[str, Any]
COLOURS, MARKERS, DASHES = 7, 6, 4
COSTS = {"flops_per_byte": "FLOPs", "n_params": "Parameters", "seconds": "Training time, seconds"}
UNPLACED = 10**6
SHOWN = 6  # lines that a chart shows before anybody chooses


def series_of(suite: Told) -> list[Told]:
    """The rows of a suite, best mean place first, each with a look of its own: colour, marker and dash.

    `on`: drawn before anybody chooses. Rows that are not ranked come last.
    """
    places: dict[str, list[float]] = {}
    names: dict[str, str] = {}
    for board in suite["boards"]:
        for place, row in enumerate(board["rows"]):
            names[row["id"]] = row["name"]
            places.setdefault(row["id"], []).append(place if row["rank"] else UNPLACED)
    order = sorted(places, key=lambda id: (sum(places[id]), names[id].casefold(), id))
    return [
        {
            "id": id,
            "name": names[id],
            "look": {"colour": i % COLOURS, "marker": (i + i // COLOURS) % MARKERS, "dash": (i // COLOURS) % DASHES},
            "on": i < SHOWN,
            "ranked": min(places[id]) < UNPLACED,
        }
        for i, id in enumerate(order)
    ]


def granularity_chart(suite: Told) -> Told:
    """Spans of each question, and bits per byte, against bytes per token: a panel each, a line a model."""
    by_key = {cell["key"]: cell for board in suite["boards"] for cell in board["cells"]}
    panels = []
    for question, cells in suite["granularities"].items():
        keys = [each["cell"] for each in cells]
        ticks = [{"at": each["bytes_per_token"], "label": each["tokenizer"]} for each in cells]
        asked = [by_key[key] for key in keys]
        span = {"title": f"{question.capitalize()} span", "unit": "bytes", "is_span": True, "ticks": ticks}
        ends = {"first": min(a["first_lag"] for a in asked), "last": max(a["last_lag"] for a in asked)}
        panels.append({"key": question, **span, **ends, "horizon": asked[0]["horizon"], "lines": _spans(suite, cells)})
        if asked[0]["score"] == "bits per byte":
            title = {"title": "Bits per byte", "unit": "bits per byte", "is_span": False, "ticks": ticks}
            panels.append({"key": question.replace("context", "bits"), **title, "lines": _bits(suite, cells)})
    return {"series": series_of(suite), "panels": panels}


def cells_by_row(suite: Told) -> dict[str, dict[str, Told]]:
    """What each submission scored, by id and the key of the cell."""
    found: dict[str, dict[str, Told]] = {}
    for board in suite["boards"]:
        for row in board["rows"]:
            found.setdefault(row["id"], {}).update({cell["key"]: cell for cell in row["cells"]})
    return found


def _spans(suite: Told, cells: Sequence[Told]) -> dict[str, list[Told]]:
    """A span with its limits; one of which nothing is known stands at the grid's first lag."""
    lines: dict[str, list[Told]] = {}
    for id, scored in cells_by_row(suite).items():
        points = []
        for each in cells:
            span = scored[each["cell"]]["span"]
            if span["censor"] == "failed":
                continue
            kept = {name: span[name] for name in ("low", "high", "censor", "text")}
            points.append({"x": each["bytes_per_token"], "y": span["value"], **kept})
        if points:
            lines[id] = points
    return lines


def _bits(suite: Told, cells: Sequence[Told]) -> dict[str, list[Told]]:
    lines: dict[str, list[Told]] = {}
    for id, scored in cells_by_row(suite).items():
        found = [(each["bytes_per_token"], scored[each["cell"]]) for each in cells]
        points = [
            {"x": x, "y": c["raw"], "low": c["raw_low"], "high": c["raw_high"], "text": c["text"]["raw"]}
            for x, c in found
            if c["raw"] is not None
        ]
        if points:
            lines[id] = points
    return lines


def curves_chart(suite: Told, found: Curves) -> Told:
    """Each cell's curves, with T and the structural bound of every model that has one."""
    scored, cells = cells_by_row(suite), []
    for board in suite["boards"]:
        for cell in board["cells"]:
            reach = {id: own[cell["key"]]["span"]["reach"] for id, own in scored.items()}
            lines = {
                id: [{"x": p.at, "y": p.value, "low": p.low, "high": p.high} for p in points]
                for id, points in found[cell["key"]].items()
            }
            told = {key: cell[key] for key in ("key", "title", "unit", "score", "horizon", "first_lag", "last_lag")}
            cells.append({**told, "reach": {id: at for id, at in reach.items() if at}, "lines": lines})
    return {"series": series_of(suite), "cells": cells}


def cost_chart(suite: Told) -> Told:
    """Score against each cost, a board each; `front` says which rows no other beats in both."""
    boards = []
    for board in suite["boards"]:
        rows = [row for row in board["rows"] if row["rank"] is not None]
        fronts = {cost: front([(row[cost], row["score"]) for row in rows]) for cost in COSTS}
        points = [
            {
                **{key: row[key] for key in ("id", "score", "low", "high", *COSTS)},
                "front": {cost: i in fronts[cost] for cost in COSTS},
            }
            for i, row in enumerate(rows)
        ]
        labels = COSTS | {"flops_per_byte": f"FLOPs per {board['per']}, forward pass"}
        boards.append({"name": board["name"], "title": board["title"], "labels": labels, "points": points})
    return {"series": series_of(suite), "boards": boards}


def front(points: Sequence[tuple[float | None, float]]) -> set[int]:
    """Which of (cost, score) no other point beats: none costs no more and scores no less, and differs in one.

    >>> sorted(front([(1, 0.5), (2, 0.4), (3, 0.9), (None, 1.0)]))
    [0, 2]
    """
    known = [(i, cost, score) for i, (cost, score) in enumerate(points) if cost is not None]
    return {
        i
        for i, cost, score in known
        if not any(c <= cost and s >= score and (c, s) != (cost, score) for _, c, s in known)
    }
