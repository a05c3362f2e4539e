"""Text to predict among the records of a report: a column of bits per byte that ranks nobody."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from leaderboard.groups import group
from leaderboard.record import Record
from leaderboard.reports.plots import draw_recall
from leaderboard.reports.report import write_report
from leaderboard.reports.report_text import markdown
from leaderboard.reports.sheets import costs_csv, long_csv
from leaderboard.reports.tables import ranked, terminal
from leaderboard.statistics.bits import kept_blocks, measure_bits
from leaderboard.statistics.spans import measure_span
from tests.leaderboard.synthetic_records import OCTAVES, language, logistic, part, record

RECALLED = [record(logistic(OCTAVES, 64), 1.0, seed=seed) for seed in range(3)]
FINE = [language(2.5, seed=seed) for seed in range(3)]
COARSE = [language(2.2, 2.0, dropped=[0], tokenizer=part("bpe-512"), seed=seed) for seed in range(3)]
EVERYTHING = [*RECALLED, *FINE, *COARSE]


def cells(records: list[Record]) -> list[list[str]]:
    lines = [line for line in markdown(group(records), "T", {}, "").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_a_column_of_bits_with_their_interval() -> None:
    header, _, row, *_ = cells(EVERYTHING)
    assert header[-2:] == ["language@byte, bits/byte", "language@bpe-512, bits/byte"]
    assert row[-1] == measure_bits(COARSE).text()
    assert row[-2] == measure_bits(FINE, kept_blocks([*FINE, *COARSE])).text()
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(terminal(group(EVERYTHING), "T", {}))
    assert measure_bits(COARSE).text() in console.export_text()


def test_it_ranks_nobody() -> None:
    assert ranked(group(EVERYTHING)) == ranked(group(RECALLED))
    assert "language" not in markdown(group(EVERYTHING), "T", {}, "").partition("## Recall scores")[2]
    only = markdown(group(FINE), "T", {}, "")
    assert "## Recall scores" not in only
    assert cells(FINE)[2][1] == "–"


def test_numbers_and_costs_have_a_line_each() -> None:
    table = list(csv.DictReader(io.StringIO(long_csv(group(EVERYTHING)))))
    by_measure = {row["measure"]: row for row in table}
    assert len(table) == 3
    row = by_measure["language@bpe-512"]
    assert float(row["bits_per_byte"]) == pytest.approx(measure_bits(COARSE).value, rel=1e-5)
    assert (row["span"], row["recall"], row["n_blocks_dropped"], row["n_finished"]) == ("", "", "1", "3")
    assert by_measure["language@byte"]["n_blocks_dropped"] == "1"  # the same blocks for both
    assert by_measure["learn adding@byte"]["bits_per_byte"] == ""
    costs = list(csv.DictReader(io.StringIO(costs_csv(group(EVERYTHING)))))
    assert {row["sequences"] for row in costs if row["regime"] == "language"} == {"1600"}


def test_figures_are_of_what_has_lags(tmp_path: Path) -> None:
    figure = draw_recall(group(EVERYTHING))
    assert figure is not None
    assert [ax.get_title("left") for ax in figure.axes] == ["learn adding@byte"]
    assert draw_recall(group(FINE)) is None
    write_report(EVERYTHING, tmp_path, "All")
    assert (tmp_path / "recall.png").exists()
    names = {path.name for path in write_report(FINE, tmp_path, "Language alone")}
    assert names == {"table.md", "table.csv", "costs.csv"} == {path.name for path in tmp_path.iterdir()}


def test_it_has_no_span() -> None:
    with pytest.raises(ValueError, match="regime language has no span"):
        measure_span(FINE)


def test_a_language_cell_that_failed_is_shown_as_failed() -> None:
    broken = [r.model_copy(update={"status": "failed", "reason": "no room", "losses": [], "facts": None}) for r in FINE]
    assert cells([*RECALLED, *broken])[2][-1] == "failed 3/3"
