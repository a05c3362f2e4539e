"""Standings: every number of the boards, and the text that shows it, as one structure that JSON can hold.

The terminal's table, the page and its downloads are made from it, so that they cannot differ.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from leaderboard.ranking.boards import CellScore, Ranking, Row, rank
from leaderboard.ranking.differences import Difference, differences
from leaderboard.ranking.entrants import Entrant
from leaderboard.ranking.ledger import UNRANKED
from leaderboard.ranking.readings import SPAN_OF, Readings, questions
from leaderboard.ranking.wording import NONE, amount, duration, interval, number, places, trainings
from leaderboard.statistics.bits import Bits
from leaderboard.statistics.elasticity import Elasticity
from leaderboard.statistics.spans import Span
from leaderboard.suite import Board, OfficialCell, Suite

Told = dict[str, Any]
SCHEMA_VERSION = 1


def standings(entrants: Sequence[Entrant]) -> Told:
    """Suites, latest revision first, with their boards, rows and cells; whatever the order of `entrants`.

    Numbers have all their digits; None is what is not to be had, and an infinite limit, which `unbounded` marks. A
    suite of which a later revision has rows is `frozen`. Raises ValueError where two submissions have one id.
    """
    entrants = sorted(entrants, key=lambda entrant: entrant.id)
    twice = sorted(id for id, count in Counter(entrant.id for entrant in entrants).items() if count > 1)
    if twice:
        raise ValueError(f"two submissions of one id: {', '.join(twice)}")
    suites = {(e.suite.name, e.suite.revision): e.suite for e in entrants}
    latest = {name: max(r for n, r in suites if n == name) for name, _ in suites}
    order = sorted(suites, key=lambda key: (key[1] < latest[key[0]], key[0], -key[1]))
    readings = {entrant.id: Readings(entrant) for entrant in entrants}
    told = [_suite(suites[key], key[1] < latest[key[0]], entrants, readings) for key in order]
    return {"schema_version": SCHEMA_VERSION, "suites": told}


def _suite(suite: Suite, frozen: bool, entrants: Sequence[Entrant], readings: dict[str, Readings]) -> Told:
    rankings = rank(entrants, suite)
    ours = [row.entrant.id for row in rankings[0].rows]
    return {
        "name": suite.name,
        "revision": suite.revision,
        "title": suite.title,
        "frozen": frozen,
        "reference": suite.reference,
        "n_params": suite.n_params,
        "seeds": list(suite.seeds),
        "n_cells": len(suite.cells),
        "boards": [_board(ranking, readings) for ranking in rankings],
        "granularities": {
            question: [{"cell": each.key, **_granularity(each)} for each in cells]
            for question, cells in questions(suite).items()
        },
        "differences": [_difference(id, each) for id in ours for each in differences(readings[id])],
    }


def _board(ranking: Ranking, readings: dict[str, Readings]) -> Told:
    board, cells = ranking.board, ranking.suite.on(ranking.board.name)
    return {
        "name": board.name,
        "title": board.title,
        "question": board.question,
        "per": "byte" if any(cell.cell.tokenizer for cell in cells) else "step",
        "cells": [_cell(cell) for cell in cells],
        "rows": [_row(row, board, ranking.suite, readings[row.entrant.id]) for row in ranking.rows],
    }


def _granularity(official: OfficialCell) -> Told:
    tokenizer = official.cell.tokenizer
    return {"tokenizer": tokenizer.name if tokenizer else None, "bytes_per_token": official.facts.bytes_per_token}


def _cell(official: OfficialCell) -> Told:
    """What is asked, and the anchors; the lags are those that a span can be read between."""
    lags = [test.lag for test in official.tests] or [read.context for read in official.reads if not read.foreign]
    return {
        "key": official.key,
        "title": official.title,
        "task": official.cell.task.name,
        **_granularity(official),
        "span": SPAN_OF[official.cell.regime],
        "unit": official.facts.lag_unit,
        "score": "bits per byte" if official.is_text else "recall score",
        "chance": official.chance,
        "reference": official.reference,
        "best": official.best,
        "horizon": official.cell.horizon,
        "first_lag": min(lags),
        "last_lag": max(lags),
    }


def _row(row: Row, board: Board, suite: Suite, readings: Readings) -> Told:
    entrant, submission = row.entrant, row.entrant.submission
    statuses = Counter(status for cell in row.cells for status in cell.statuses)
    counts = {"finished": statuses["ok"], "diverged": statuses["diverged"], "failed": statuses["failed"]}
    flops = [entrant.flops_per_byte(cell.official.key) for cell in row.cells]
    known = [each for each in flops if each is not None]
    mean_flops = math.fsum(known) / len(known) if len(known) == len(flops) else None
    seconds = math.fsum(r.host.seconds for cell in row.cells for r in entrant.records[cell.official.key])
    gammas = {name: found for name, found in readings.gammas.items() if _asks(suite, name, board)}
    return {
        "id": entrant.id,
        "name": submission.name,
        "family": submission.family,
        "tier": entrant.tier,
        "date": submission.date,
        "link": submission.link,
        "contact": submission.contact,
        "digest": entrant.digest,
        "rank": None if row.rank is None else [int(place) for place in row.rank],
        "score": _plain(row.score),
        "low": _plain(row.low),
        "high": _plain(row.high),
        "tied": row.tied,
        "why": row.why,
        "note": entrant.events[-1].note if entrant.tier in UNRANKED and entrant.events else "",
        "seeds": counts,
        "n_params": entrant.n_params,
        "flops_per_byte": mean_flops,
        "seconds": seconds,
        "cells": [_scored(cell, readings) for cell in row.cells],
        "gammas": {name: _gamma(found) for name, found in gammas.items()},
        "text": {
            "rank": places(row.rank),
            "name": submission.name,
            "tier": entrant.tier,
            "date": submission.date,
            "score": interval(row.score, row.low, row.high, 3),
            "seeds": trainings(**counts),
            "n_params": amount(entrant.n_params),
            "flops_per_byte": amount(mean_flops),
            "seconds": duration(seconds),
        },
    }


def _asks(suite: Suite, question: str, board: Board) -> bool:
    return questions(suite)[question][0].board == board.name


def _scored(cell: CellScore, readings: Readings) -> Told:
    """One row in one cell: raw and normalised scores with their limits and seeds, and the span."""
    key, is_text = cell.official.key, cell.official.is_text
    span = readings.spans[key]
    bits = readings.bits[key] if is_text else Bits(0, 0, 0)
    low, high = (bits.low, bits.high) if is_text else (span.recall_low, span.recall_high)
    raw, digits = _plain(cell.raw_mean), 3 if is_text else 2
    seconds = [record.host.seconds for record in readings.entrant.records[key]]
    return {
        "key": key,
        "raw": raw,
        "raw_low": _plain(low),
        "raw_high": _plain(high),
        "raw_seeds": [_plain(each) for each in cell.raw],
        "normalised": _plain(cell.value),
        "low": _plain(cell.low),
        "high": _plain(cell.high),
        "normalised_seeds": [_plain(each) for each in cell.normalised],
        "statuses": list(cell.statuses),
        "flops_per_byte": readings.entrant.flops_per_byte(key),
        "seconds": math.fsum(seconds),
        "span": _span(span, cell.official.facts.bytes_per_token or 1.0),
        "text": {
            "raw": interval(raw, _plain(low), _plain(high), digits),
            "raw_seeds": [NONE if each is None else number(each, digits + 1) for each in cell.raw],
            "normalised": interval(cell.value, _plain(cell.low), _plain(cell.high), 3),
            "normalised_seeds": [NONE if each is None else number(each, 3) for each in cell.normalised],
            "seconds": duration(math.fsum(seconds)),
        },
    }


def _span(span: Span, kappa: float) -> Told:
    """`reach` is the structural bound: the inputs that an output can depend on, in the span's unit."""
    return {
        "unit": span.unit,
        "censor": span.censor,
        "value": _plain(span.value),
        "low": _plain(span.low),
        "high": _plain(span.high),
        "unbounded": span.high == math.inf,
        "tokens": _plain(span.tokens),
        "beyond_training": span.extrapolated,
        "exploratory": span.exploratory,
        "reach": None if span.receptive_field is None else span.receptive_field * kappa,
        "log2_seeds": [float(at) for at in span.log2_seeds],
        "text": span.text(),
    }


def _gamma(found: Elasticity | None) -> Told:
    """Without a `value`, `low` and `high` are bounds; None: no bound on that side."""
    if found is None:
        return {"value": None, "low": None, "high": None, "n_known": 0, "text": NONE}
    limits = {"value": _plain(found.value), "low": _plain(found.low), "high": _plain(found.high)}
    return {**limits, "n_known": found.n_known, "text": found.text()}


def _difference(id: str, found: Difference) -> Told:
    return {
        "id": id,
        "question": found.question,
        "fine": found.fine,
        "coarse": found.coarse,
        "n_seeds": found.n_seeds,
        "value": _plain(found.value),
        "low": _plain(found.low),
        "high": _plain(found.high),
        "bound": found.bound,
        "text": found.text(),
    }


def _plain(value: float | None) -> float | None:
    """A number of Python's own; None for what JSON has no word for."""
    return float(value) if value is not None and math.isfinite(value) else None
