"""The site's files by name: pages from templates that escape whatever was submitted, and downloads."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboard.ranking.entrants import Entrant
from leaderboard.ranking.standings import standings
from leaderboard.site import charts, downloads, provenance
from leaderboard.site.columns import table_of, two_lines
from leaderboard.site.curves import Curves, curve_rows, curves
from leaderboard.site.tables import curve_tables, granularity_rows
from leaderboard.validation.submission import ID

Told = dict[str, Any]
TEMPLATES = Path(__file__).parent / "templates"
QUESTION = "How far back does a sequence model remember, and how much of that is the tokenizer’s doing?"
SIZES = (1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 25_000)  # a filter's choices: at most so many parameters


def environment() -> Environment:
    """Templates of this folder; every value is escaped, and a missing one is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters["two_lines"] = two_lines
    made.filters["https_link"] = https_link
    made.globals["question"] = QUESTION
    return made


def https_link(link: str | None) -> str:
    """An https address; anything else is no link."""
    return link if link is not None and link.startswith("https://") else ""


def site_files(entrants: Sequence[Entrant], attestations: Path) -> dict[str, bytes]:
    """Everything but the assets. Raises ValueError where an id cannot name a page."""
    entrants = sorted(entrants, key=lambda entrant: entrant.id)
    for entrant in entrants:
        if not re.fullmatch(ID, entrant.id):
            raise ValueError(f"{entrant.id[:80]!r} cannot be the name of a page")
    told = standings(entrants)
    of_suite = {
        (suite["name"], suite["revision"]): [e for e in entrants if _suite_of(e) == (suite["name"], suite["revision"])]
        for suite in told["suites"]
    }
    drawn = {key: curves(ours, ours[0].suite) for key, ours in of_suite.items()}
    made = environment()
    pages = _views(made, told, drawn) | _models(made, told, entrants, attestations)
    rows = [row for ours in of_suite.values() for row in curve_rows(ours, ours[0].suite)]
    return pages | _downloads(told) | {"data/curves.csv": downloads.csv_of(downloads.CURVES, rows)}


def _suite_of(entrant: Entrant) -> tuple[str, int]:
    return entrant.suite.name, entrant.suite.revision


def _views(made: Environment, told: Told, drawn: dict[tuple[str, int], Curves]) -> dict[str, bytes]:
    """The boards, and a page for each kind of chart, which shows the suites in force."""
    suites = [suite for suite in told["suites"] if not suite["frozen"]]
    found = [(suite, drawn[suite["name"], suite["revision"]]) for suite in suites]
    asked = [suite for suite in suites if suite["granularities"]]
    names: dict[str, Told] = {
        "index.html": {"tables": _tables(suites), "filters": _filters(suites), "frozen": _frozen(told)},
        "granularity.html": {"views": [(s, charts.granularity_chart(s), granularity_rows(s)) for s in asked]},
        "curves.html": {"views": [(s, charts.curves_chart(s, own), curve_tables(s, own)) for s, own in found]},
        "cost.html": {"views": [(s, charts.cost_chart(s)) for s in suites]},
    }
    context = {"root": "", "suites": suites, "several": len(suites) > 1, "files": _data_names(told)}
    return {name: made.get_template(name).render(page=name, **context, **more).encode() for name, more in names.items()}


def _tables(suites: Sequence[Told]) -> list[tuple[Told, Any]]:
    return [(suite, table_of(board)) for suite in suites for board in suite["boards"]]


def _frozen(told: Told) -> list[tuple[Told, list[Any]]]:
    return [(suite, [table_of(board) for board in suite["boards"]]) for suite in told["suites"] if suite["frozen"]]


def _filters(suites: Sequence[Told]) -> dict[str, list[Any]]:
    """What there is to choose from."""
    boards = [board for suite in suites for board in suite["boards"]]
    rows = [row for board in boards for row in board["rows"]]
    limit = max((suite["n_params"] for suite in suites), default=0)
    tokenizers = dict.fromkeys(cell["tokenizer"] for board in boards for cell in board["cells"] if cell["tokenizer"])
    return {
        "families": sorted({row["family"] for row in rows}),
        "tiers": sorted({row["tier"] for row in rows}),
        "sizes": [size for size in SIZES if size <= limit],
        "granularities": list(tokenizers),
    }


def _models(made: Environment, told: Told, entrants: Sequence[Entrant], attestations: Path) -> dict[str, bytes]:
    """A page a model, and the attestations that it links to."""
    template, files = made.get_template("model.html"), {}
    by_name = {(suite["name"], suite["revision"]): suite for suite in told["suites"]}
    for entrant in entrants:
        suite = by_name[_suite_of(entrant)]
        own = [next(row for row in board["rows"] if row["id"] == entrant.id) for board in suite["boards"]]
        pairs = [list(zip(b["cells"], row["cells"], strict=True)) for b, row in zip(suite["boards"], own, strict=True)]
        boards = list(zip(suite["boards"], own, pairs, strict=True))
        events, copied = provenance.attested(entrant, attestations)
        page = template.render(
            page="", root="../", suite=suite, boards=boards, row=own[0], facts=provenance.facts(entrant),
            lost=provenance.lost(entrant), weights=provenance.weights(entrant), command=provenance.command(entrant),
            events=events,
        )  # fmt: skip
        files |= {f"models/{entrant.id}.html": page.encode()} | copied
    return files


def _board_file(suite: Told, board: Told) -> str:
    return f"data/{suite['name']}-{suite['revision']}-{board['name']}.csv"


def _data_names(told: Told) -> list[tuple[str, str]]:
    """Downloads, and what each holds."""
    boards = [(suite, board) for suite in told["suites"] for board in suite["boards"]]
    return [
        ("data/standings.json", "everything on these pages but the curves, with all digits"),
        ("data/standings.csv", "a line for each row of each board"),
        *((_board_file(s, b), f"{b['title']}, {s['title']}: every cell’s scores and spans") for s, b in boards),
        ("data/differences.csv", "each tokenizer against the finest one"),
        ("data/curves.csv", "recall against lag, and bits per byte against context, of every seed"),
    ]


def _downloads(told: Told) -> dict[str, bytes]:
    found = {"data/standings.json": downloads.json_of(told), "data/standings.csv": downloads.standings_csv(told)}
    found["data/differences.csv"] = downloads.differences_csv(told)
    for suite in told["suites"]:
        found |= {_board_file(suite, board): downloads.board_csv(suite, board) for board in suite["boards"]}
    return found
