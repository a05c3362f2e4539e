"""What is too much for a figure or a screen: the best is shown, the rest said to be left out; small ones are whole."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from leaderboard.groups import Group, group
from leaderboard.record import Record
from leaderboard.reports import bounds, tables
from leaderboard.reports.bounds import LINES, PANELS, drawn, left_out
from leaderboard.reports.granularity import draw_granularity
from leaderboard.reports.learning_cost import draw_learning_cost
from leaderboard.reports.plots import draw_recall
from leaderboard.reports.report import write_report
from leaderboard.reports.report_text import markdown
from leaderboard.reports.tables import by_measure, terminal
from tests.leaderboard.reports.test_report import benchmark
from tests.leaderboard.synthetic_records import logistic, part, record

N_MODELS, N_TASKS = LINES + 5, PANELS + 3
LAGS = [16, 32, 64]
REST = "spanbench profile FOLDER --model NAME draws all of one model"


def many() -> list[Record]:
    """Model 0 recalls worst, the last one best; every task at two granularities would be too much for any figure."""
    return [
        record(
            logistic(LAGS, 2.0 ** (1 + place / 6) * kappa),
            kappa,
            model=part(f"m{place:03}"),
            task=part(f"t{task:02}"),
            tokenizer=part(name),
            lags=LAGS,
        )
        for place in range(N_MODELS)
        for task in range(N_TASKS)
        for name, kappa in (("byte", 1.0), ("bpe-512", 2.0))
    ]


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    return group(many())


def printed(groups: list[Group]) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(terminal(groups, "T", {}))
    return console.export_text()


def test_a_figure_shows_the_first_measures_and_the_best_models(groups: list[Group]) -> None:
    best = [f"m{place:03}" for place in range(N_MODELS)][-LINES:]
    for draw in (draw_recall, draw_learning_cost, draw_granularity):
        figure = draw(groups)
        assert figure is not None
        assert len(figure.axes) == PANELS
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()][:LINES] == best
    recall = draw_recall(groups)
    assert recall is not None
    assert [ax.get_title("left") for ax in recall.axes] == [m.label for m in by_measure(groups)][:PANELS]


def test_what_is_left_out_is_said(groups: list[Group]) -> None:
    said = left_out(groups)
    assert f"the first {PANELS} of {2 * N_TASKS} measures" in said
    assert f"the {LINES} of {N_MODELS} models that recall best" in said
    assert REST in said
    assert said in markdown(groups, "T", {}, "")
    assert left_out(group(benchmark())) == ""
    assert "A figure shows" not in markdown(group(benchmark()), "T", {}, "")


def test_all_is_in_the_tables(groups: list[Group]) -> None:
    spans = markdown(groups, "T", {}, "").partition("## Recall scores")[0]
    lines = [line for line in spans.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + N_MODELS
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 2 * N_TASKS + 3 for line in lines)


def test_a_panel_that_none_of_the_best_ran_is_not_drawn() -> None:
    lone = record(dict.fromkeys(LAGS, 0.0), task=part("adding"), model=part("worst"), lags=LAGS)
    others = [
        record(logistic(LAGS, 64), task=part("copying"), model=part(f"m{place:03}"), lags=LAGS)
        for place in range(LINES)
    ]
    found = {measure.label: members for measure, members in by_measure(group([lone, *others])).items()}
    assert list(found) == ["learn adding", "learn copying"]
    assert list(drawn(found)) == ["learn copying"]


def test_a_screen_shows_the_ranking(groups: list[Group]) -> None:
    assert len(by_measure(groups)) < tables.COLUMNS
    text = printed([g for g in groups if g.measure.task == "t00"])
    assert "see table.md" not in text
    assert all(f"m{place:03}" in text for place in range(N_MODELS))
    wide = group([*many(), *(record(logistic(LAGS, 9), task=part(f"u{i}"), lags=LAGS) for i in range(9))])
    text = " ".join(printed(wide).split())
    assert f"{N_MODELS + 1} of {N_MODELS + 1} models, {len(wide)} cells of {2 * N_TASKS + 9} measures" in text
    assert "learn" not in text
    assert max(len(line) for line in printed(wide).splitlines()) < 100


def test_a_screen_shows_the_best_of_many_models(groups: list[Group], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS", 10)
    text = printed([g for g in groups if g.measure.task == "t00"])
    assert f"10 of {N_MODELS} models, {2 * N_MODELS} cells of 2 measures: see table.md" in " ".join(text.split())
    assert re.findall(r"m\d{3}", text) == [f"m{place:03}" for place in reversed(range(N_MODELS))][:10]


def test_bounds_change_nothing_of_a_small_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = {path.name: path.read_bytes() for path in write_report(benchmark(), tmp_path / "a", "Everything")}
    screen = printed(group(benchmark()))
    for name in ("PANELS", "LINES"):
        monkeypatch.setattr(bounds, name, 10**6)
    for name in ("ROWS", "COLUMNS"):
        monkeypatch.setattr(tables, name, 10**6)
    whole = {path.name: path.read_bytes() for path in write_report(benchmark(), tmp_path / "b", "Everything")}
    assert bounded == whole
    assert screen == printed(group(benchmark()))
