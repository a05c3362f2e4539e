"""Charts' data: the front against brute force, looks that differ, lines that are the tables' numbers."""

import json

import numpy as np
import pytest

from leaderboard.ranking.standings import standings
from leaderboard.site.charts import cost_chart, curves_chart, front, granularity_chart, series_of
from leaderboard.site.columns import gamma_order, span_order, table_of, two_lines
from leaderboard.site.curves import curves
from leaderboard.site.tables import curve_tables
from tests.leaderboard.site.sites import SUITE, entrants

(SMALL,) = standings(entrants())["suites"]


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_no_other_point_beats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [(float(c), float(s)) for c, s in rng.integers(0, 6, (12, 2))]
    found = front([*points, (None, 99.0)])
    reach = {cost: max(s for c, s in points if c <= cost) for cost, _ in points}  # best score for that much or less
    least = {s: min(c for c, other in points if other >= s) for _, s in points}
    assert found == {i for i, (c, s) in enumerate(points) if s == reach[c] and c == least[s]}
    assert found


def test_models_look_different_and_the_best_are_drawn_first() -> None:
    series = series_of(SMALL)
    looks = {tuple(each["look"].values()) for each in series}
    assert len(looks) == len(series) == len(entrants())
    assert [each["on"] for each in series] == [True] * 6 + [False] * 4
    assert len({each["look"]["colour"] for each in series if each["on"]}) == 6
    assert [each["name"] for each in series if not each["ranked"]] == ["Disputed", "Withdrawn"]


def test_twenty_eight_models_have_looks_of_their_own() -> None:
    rows = [{"id": f"m{i}", "name": f"m{i}", "rank": [1, 28]} for i in range(28)]
    looks = {tuple(each["look"].values()) for each in series_of({"boards": [{"rows": rows}]})}
    assert len({(colour, dash) for colour, _, dash in looks}) == 28


def test_lines_against_bytes_per_token_are_the_spans_and_bits_of_the_boards() -> None:
    chart = granularity_chart(SMALL)
    assert [panel["key"] for panel in chart["panels"]] == ["learning", "context", "bits"]
    json.dumps(chart, allow_nan=False)
    scored = {row["id"]: row["cells"] for board in SMALL["boards"] if board["name"] == "text" for row in board["rows"]}
    bits = chart["panels"][-1]["lines"]
    for id, points in bits.items():
        assert [point["y"] for point in points] == [cell["raw"] for cell in scored[id]]
        assert [point["x"] for point in points] == [1.0, 1.9, 2.7, 3.3]


def test_curves_come_with_t_and_the_structural_bound() -> None:
    found = curves(entrants(), SUITE)
    chart = curves_chart(SMALL, found)
    json.dumps(chart, allow_nan=False)
    by_key = {cell["key"]: cell for cell in chart["cells"]}
    assert by_key["retain-delayed_recall"]["horizon"] == 64
    assert by_key["language-byte"]["reach"] == {}  # these models have no bound
    for table in curve_tables(SMALL, found):
        lines = by_key[table["key"]]["lines"]
        for row in table["rows"]:
            told = [value for value in row["lags"] if value != "–"]
            assert len(told) == len(lines[row["id"]])
            assert float(told[0].replace("−", "-")) == pytest.approx(lines[row["id"]][0]["y"], abs=0.006)


def test_costs_have_the_ranked_rows_alone() -> None:
    for board, told in zip(cost_chart(SMALL)["boards"], SMALL["boards"], strict=True):
        assert [p["id"] for p in board["points"]] == [row["id"] for row in told["rows"] if row["rank"]]
        best = max(board["points"], key=lambda point: point["score"])
        assert all(best["front"].values()) or any(p["score"] == best["score"] for p in board["points"])


def test_a_span_stands_in_two_lines_unless_it_is_an_interval() -> None:
    told = {
        "57 [22, > 128]*": ("57", "[22, > 128]*"),
        "[91, ∞)*": ("[91, ∞)*", ""),
        "[< 16, 64]": ("[< 16, 64]", ""),
        "> 128": ("> 128", ""),
        "64 (1 seed)": ("64", "(1 seed)"),
        "[91, ∞); diverged 1/3": ("[91, ∞)", "diverged 1/3"),
        "not learned; diverged 1/3": ("not learned", "diverged 1/3"),
        "diverged 3/3": ("diverged 3/3", ""),
        "19/21, 1 diverged": ("19/21", "1 diverged"),
        "≥ 0.40": ("≥ 0.40", ""),
    }
    assert {text: (two_lines(text).lead, two_lines(text).more) for text in told} == told


def test_what_is_only_bounded_sorts_at_its_bound() -> None:
    known, beyond = {"value": 256.0, "censor": "none"}, {"value": 256.0, "censor": "above"}
    nothing, lost = {"value": None, "censor": "not learned"}, {"value": None, "censor": "failed"}
    order = [span_order(nothing), span_order(known), span_order(beyond)]
    assert order == sorted(set(order))  # pyright: ignore
    assert span_order(lost) == ""
    assert gamma_order({"value": None, "low": 0.4, "high": None}) == 0.4
    assert gamma_order({"value": None, "low": None, "high": None}) == ""


def test_a_table_has_a_cell_for_every_column() -> None:
    for board in SMALL["boards"]:
        table = table_of(board)
        assert all(len(line.shown) == len(table.columns) for line in table.lines)
        assert len({column.key for column in table.columns}) == len(table.columns)
        assert sum(len(columns) for _, columns in table.groups) == len(table.columns)
        for line in table.lines:
            assert line.bar is not None
            assert 0 <= line.bar[0] <= line.bar[1] <= line.bar[2] <= 100
