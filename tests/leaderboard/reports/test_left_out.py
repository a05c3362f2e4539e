"""Seeds that did not finish: shown with their count and status wherever seeds are counted, and in no mean or figure."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from leaderboard.comparison.compared import compared
from leaderboard.comparison.comparison_tables import comparison_csv, sheets
from leaderboard.groups import Group, group
from leaderboard.record import Record
from leaderboard.reports.granularity import draw_granularity
from leaderboard.reports.learning_cost import draw_learning_cost
from leaderboard.reports.plots import draw_recall, looks
from leaderboard.reports.report_text import markdown
from leaderboard.reports.sheets import long_csv
from leaderboard.reports.tables import terminal
from tests.leaderboard.synthetic_records import OCTAVES, Status, comparison, language, logistic, part, record

STATUSES: list[Status] = ["diverged", "failed"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def printed(groups: list[Group]) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(terminal(groups, "T", {}))
    return console.export_text()


def ended(given: Record, status: Status, **changes: object) -> Record:
    return given.model_copy(update={"status": status, "reason": "it was stopped", **changes})


def with_and_without(status: Status) -> tuple[list[Group], list[Group]]:
    """Two granularities of three seeds, the third of which recalls perfectly in one and did not finish; and without."""
    given = [
        record(logistic(OCTAVES, 40 * kappa), kappa, tokenizer=part(name), seed=seed)
        for name, kappa in (("byte", 1.0), ("bpe-512", 2.0))
        for seed in range(2)
    ]
    third = record(dict.fromkeys(OCTAVES, 1.0), 1.0, tokenizer=part("byte"), seed=2)
    return group([*given, ended(third, status)]), group(given)


@pytest.mark.parametrize("status", STATUSES)
def test_tables_count_it_and_average_the_others(status: Status) -> None:
    groups, without = with_and_without(status)
    note = f"; {status} 1/3"
    text = markdown(groups, "T", {}, "")
    assert text.count(note) == 2  # its span and its score
    before, listed, after = re.split(r"## Not finished\n\n(.*?)\n\nIn no mean and in no span\.\n\n", text, flags=re.S)
    assert f"| 2 | {status} | it was stopped |" in listed
    text = before + after
    assert text.replace(note, "").replace("2–3 seeds", "2 seeds") == markdown(without, "T", {}, "")
    assert f"{status} 1/3" in " ".join(printed(groups).split())
    (row,) = (found for found in rows(long_csv(groups)) if found["tokenizer"] == "byte")
    (other,) = (found for found in rows(long_csv(without)) if found["tokenizer"] == "byte")
    assert (row["n_finished"], row[f"n_{status}"]) == ("2", "1")
    assert row | {f"n_{status}": "0"} == other


@pytest.mark.parametrize("status", STATUSES)
def test_figures_draw_the_others(status: Status) -> None:
    groups, without = with_and_without(status)
    for draw in (draw_recall, draw_learning_cost, draw_granularity):
        drawn, expected = draw(groups), draw(without)
        assert drawn is not None
        assert expected is not None
        for ax, other in zip(drawn.axes, expected.axes, strict=True):
            lines, others = ([np.asarray(line.get_xydata()) for line in each.lines] for each in (ax, other))
            assert len(lines) == len(others)
            assert all(np.array_equal(a, b) for a, b in zip(lines, others, strict=True))


@pytest.mark.parametrize("status", STATUSES)
def test_a_cell_without_a_finished_seed_has_a_status_for_a_number_and_no_line(status: Status) -> None:
    good = [record(logistic(OCTAVES, 64), 1.0, model=part("lstm"), seed=seed) for seed in range(3)]
    lost = [ended(record(seed=seed), status, facts=None) for seed in range(3)]
    text_lost = [ended(record(logistic(OCTAVES, 64), 1.0, seed=s), status, facts=None, curve=[]) for s in range(3)]
    groups = group([*good, *lost, *text_lost])
    assert markdown(groups, "T", {}, "").count(f"{status} 3/3") == 4  # two cells, span and score
    assert printed(groups).count(f"{status} 3/3") == 2
    found = [row for row in rows(long_csv(groups)) if row["model"] == "gru"]
    assert [(row["span"], row["recall"], row["n_finished"], row[f"n_{status}"]) for row in found] == [
        ("", "", "0", "3")
    ] * 2
    figure = draw_recall(groups)
    assert figure is not None
    colours = looks(["gru", "lstm"])
    drawn = [[line.get_color() for line in ax.lines] for ax in figure.axes]
    assert not any(colours["gru"]["color"] in lines for lines in drawn)
    by_title = {ax.get_title("left"): ax for ax in figure.axes}
    assert by_title["learn adding@byte"].get_xlabel() == "lag (bytes)"  # of those that know


@pytest.mark.parametrize("status", STATUSES)
def test_bits_count_it_and_average_the_others(status: Status) -> None:
    fine = [language(2.5, seed=seed) for seed in range(2)]
    groups = group([*fine, ended(language(0.5, seed=2), status)])
    (row,), (other,) = rows(long_csv(groups)), rows(long_csv(group(fine)))
    assert (row["n_finished"], row[f"n_{status}"], row["bits_per_byte"]) == ("2", "1", other["bits_per_byte"])
    assert f"{status} 1/3" in markdown(groups, "T", {}, "")
    assert f"{status} 1/3" in printed(groups)


@pytest.mark.parametrize("status", STATUSES)
def test_a_comparison_counts_it_and_averages_the_others(status: Status) -> None:
    everything = comparison(documents=40)
    lost = [r for r in everything if r.cell.seed == 2 and r.cell.model.name == "gru" and r.cell.regime != "language"]
    perfect = [ended(r, status, curve=[replace(o, total=float(o.n)) for o in r.curve]) for r in lost]
    rest = [r for r in everything if r not in lost]
    found, without = compared([*rest, *perfect], "bytes"), compared(rest, "bytes")
    assert found.elasticities == without.elasticities
    assert found.shares == without.shares
    for row, other in zip(rows(comparison_csv(found)), rows(comparison_csv(without)), strict=True):
        n = "1" if row["model"] == "gru" else "0"
        assert (row[f"learn_n_{status}"], row[f"retain_n_{status}"]) == (n, n)
        assert row | {f"learn_n_{status}": "0", f"retain_n_{status}": "0"} == other
    table = sheets(found)[0]
    shown = {row[0]: sum(f"{status} 1/3" in cell for cell in row) for row in table.rows}
    assert shown == {"gru": 2, "lstm": 0, "tcn": 0, "transformer": 0}
