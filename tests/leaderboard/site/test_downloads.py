"""Downloads: numbers with all their digits, and text that no spreadsheet runs."""

import csv
import io
import json
from pathlib import Path

import pytest

from leaderboard.site.curves import curve_rows, curves
from leaderboard.site.downloads import csv_of, harmless
from leaderboard.site.render import render_site
from leaderboard.statistics.curves import strength
from tests.leaderboard.site.sites import EVIL, FORMULA, SUITE, entrants


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "site"
    render_site(entrants(), folder)
    return folder / "data"


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "-", "+", "-inf"])
def test_what_a_spreadsheet_might_run_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("value", [-0.5, 0, 1e-300, -1.5e10, "-0.5", "+3", "1e-05", "gru", "", "a=b", "–"])
def test_numbers_and_plain_text_are_left_alone(value: object) -> None:
    assert harmless(value) == str(value)


def test_fields_with_commas_quotes_and_line_ends_come_back() -> None:
    rows = [["a,b", 'say "hi"', "two\nlines", "=x", None, True, -1.25]]
    found = list(csv.reader(io.StringIO(csv_of(["h"] * 7, rows).decode(), newline="")))
    assert found[1] == ["a,b", 'say "hi"', "two\nlines", "'=x", "", "true", "-1.25"]


def test_no_field_of_any_file_begins_like_a_formula(data: Path) -> None:
    found = [(path.name, field) for path in data.glob("*.csv") for row in read(path) for field in row.values()]
    assert any(field == f"'{FORMULA}" for _, field in found)
    assert any(field == EVIL for _, field in found)
    for name, field in found:
        if field.startswith(("=", "+", "-", "@", "\t", "\r")):
            float(field)
        assert field is not None, name


def test_the_csv_files_hold_the_numbers_of_standings_json(data: Path) -> None:
    (suite,) = json.loads((data / "standings.json").read_bytes())["suites"]
    every = read(data / "standings.csv")
    assert len(every) == sum(len(board["rows"]) for board in suite["boards"])
    for board in suite["boards"]:
        found = read(data / f"tiny-1-{board['name']}.csv")
        assert found == [{**row, **of} for row, of in zip(found, _of(every, board), strict=True)]
        for row, line in zip(board["rows"], found, strict=True):
            assert line["score"] == ("" if row["score"] is None else repr(row["score"]))
            assert [line["rank_first"], line["rank_last"]] == [str(p) for p in row["rank"] or ["", ""]]
            for cell in row["cells"]:
                assert line[f"{cell['key']} raw"] == ("" if cell["raw"] is None else repr(cell["raw"]))
                value = cell["span"]["value"]
                assert line[f"{cell['key']} span value"] == ("" if value is None else repr(value))
            for name, gamma in row["gammas"].items():
                assert line[f"gamma {name} value"] == ("" if gamma["value"] is None else repr(gamma["value"]))


def _of(every: list[dict[str, str]], board: dict) -> list[dict[str, str]]:
    return [row for row in every if row["board"] == board["name"]]


def test_curves_are_those_of_the_records(data: Path) -> None:
    found = read(data / "curves.csv")
    assert len(found) == len(curve_rows(entrants(), SUITE))
    gru = next(each for each in entrants() if each.submission.name == "Gru")
    for record in gru.records["retain-delayed_recall"]:
        assert record.facts is not None
        own = {o.lag: strength(o.total, o.n, record.facts) for o in record.curve}
        rows = [
            r for r in found
            if (r["id"], r["cell"], r["seed"]) == (gru.id, "retain-delayed_recall", str(record.cell.seed))
        ]  # fmt: skip
        assert {int(row["at"]): float(row["value"]) for row in rows} == own
    drawn = curves(entrants(), SUITE)["retain-delayed_recall"][gru.id]
    for point in drawn:
        assert point.value == pytest.approx(sum(point.seeds.values()) / 3)
        assert point.low is not None
        assert point.low < point.value
