"""Groups, tables and plots of synthetic records."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from leaderboard.cell import Corpus
from leaderboard.groups import Group, group
from leaderboard.record import Record
from leaderboard.reports.granularity import draw_granularity
from leaderboard.reports.plots import draw_curve, draw_recall, looks, render
from leaderboard.reports.report import write_report
from leaderboard.reports.report_text import markdown
from leaderboard.reports.sheets import costs_csv, long_csv
from leaderboard.reports.tables import ranked
from tests.leaderboard.synthetic_records import HALF_OCTAVES, OCTAVES, budget, facts, logistic, part, record

MODELS = {"lstm": 40.0, "gru": 100.0, "transformer": 5000.0}
KAPPAS = {"byte": 1.0, "bpe-512": 2.0, "bpe-2048": 3.0}


def benchmark() -> list[Record]:
    """Three models on text at three granularities, spans growing with κ as κ^1, and one that never learns."""
    found = []
    for seed in range(3):
        for model, span in MODELS.items():
            for tokenizer, kappa in KAPPAS.items():
                curve = logistic(OCTAVES, span * kappa * 2 ** (0.2 * (seed - 1)))
                found.append(record(curve, kappa, model=part(model), tokenizer=part(tokenizer), seed=seed))
            shape = {"regime": "retain", "lags": [2, 128], "model": part(model), "seed": seed}
            found.append(record(logistic(HALF_OCTAVES, span), **shape))
        for tokenizer, kappa in KAPPAS.items():
            none = dict.fromkeys(OCTAVES, 0.0)
            found.append(record(none, kappa, model=part("rnn"), tokenizer=part(tokenizer), seed=seed))
    return found


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def recall(groups: Sequence[Group]) -> Figure:
    figure = draw_recall(groups)
    assert figure is not None
    return figure


def test_seeds_come_together_and_nothing_else_does() -> None:
    groups = group(benchmark())
    assert len(groups) == 4 * 3 + 3
    assert all(len(found.records) == 3 for found in groups)
    assert [found.measure.label for found in groups if found.model == "gru"] == [
        "learn adding@byte",
        "learn adding@bpe-512",
        "learn adding@bpe-2048",
        "retain adding",
    ]


def test_models_of_one_name_that_differ_are_told_apart() -> None:
    curve = logistic(OCTAVES, 64)
    wide, slow = part("gru", dim=128), budget(lr=1e-2)
    records = [record(curve), record(curve, model=wide), record(curve, model=part("lstm")), record(curve, seed=1)]
    assert {found.model for found in group(records)} == {"gru (dim=64)", "gru (dim=128)", "lstm"}
    labels = {found.model for found in group([*records, record(curve, budget=slow)])}
    assert len(labels) == 4
    assert any("lr=" in label for label in labels)


def test_measures_of_one_name_that_differ_are_told_apart() -> None:
    curve = logistic(OCTAVES, 64)
    other = Corpus(name="news", digest="cd" * 32)
    records = [record(curve, 1.0), record(curve, 1.0, corpus=other), record(curve, 1.0, lags=[16, 32])]
    assert len({found.measure.label for found in group(records)}) == 3


def test_a_record_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two records of one cell"):
        group([record({16: 1.0}), record({16: 0.5})])


def test_reports_are_the_same_in_any_order() -> None:
    records = benchmark()
    shuffled = [records[i] for i in np.random.default_rng(0).permutation(len(records))]
    for write in (lambda g: markdown(g, "T", {}, ""), long_csv, costs_csv, lambda g: render(recall(g), "svg")):
        assert write(group(records)) == write(group(shuffled))


def test_the_long_table_holds_what_was_simulated() -> None:
    table = rows(long_csv(group(benchmark())))
    assert len(table) == 15
    for row in table:
        assert not {"seconds", "peak_bytes", "device"} & row.keys()
        if row["model"] in ("lstm", "gru") and row["regime"] == "learn" and row["censor"] == "none":
            truth = MODELS[row["model"]] * KAPPAS[row["tokenizer"]]
            assert float(row["span"]) == pytest.approx(truth, rel=0.15)
            assert float(row["span_low"]) < truth < float(row["span_high"])
            assert float(row["span_tokens"]) == pytest.approx(float(row["span"]) / KAPPAS[row["tokenizer"]], rel=0.02)
            assert float(row["flops_per_byte"]) == pytest.approx(2000 / KAPPAS[row["tokenizer"]])
        if row["model"] == "transformer":
            assert row["censor"] in ("above", "open")
        if row["model"] == "rnn":
            assert (row["censor"], row["span"]) == ("not learned", "")


def test_costs_have_a_line_a_record() -> None:
    records = [*benchmark(), record(status="failed", seed=7)]
    table = rows(costs_csv(group(records)))
    assert {row["id"] for row in table} == {found.id for found in records}
    assert {row["status"] for row in table} == {"ok", "failed"}
    assert all(float(row["seconds"]) == 1.5 for row in table)


def test_best_models_come_first() -> None:
    assert [each.model for each in ranked(group(benchmark()))] == ["transformer", "gru", "lstm", "rnn"]


def test_what_did_not_finish_is_listed_with_its_reason() -> None:
    lost = [record(status="failed", seed=seed) for seed in range(50)]
    lost[0] = lost[0].model_copy(update={"reason": "RuntimeError: a | b"})
    page = markdown(group([*benchmark(), *lost]), "T", {}, "")
    _, _, listed = page.partition("## Not finished\n\n")
    listed, _, _ = listed.partition("\n## ")
    assert listed.count("| failed |") == 40
    assert r"| failed | RuntimeError: a \| b |" in listed
    assert "40 of 50: costs.csv has them all." in listed
    assert "Not finished" not in markdown(group(benchmark()), "T", {}, "")


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_what_did_not_finish_is_in_no_mean_and_gains_no_rank(status: str) -> None:
    curves = {"gru": logistic(OCTAVES, 400), "rnn": logistic(OCTAVES, 20)}
    records = [record(curves[name], model=part(name), task=part(task)) for name in curves for task in ("a", "b")]
    cut_short = records[1].model_copy(update={"status": status, "curve": []})  # gru, b
    lost = [records[0], cut_short, *records[2:]]
    whole, cut = ({each.model: each for each in ranked(group(given))} for given in (records, lost))
    assert (list(whole), list(cut)) == (["gru", "rnn"], ["rnn", "gru"])
    assert cut["gru"].score == pytest.approx(whole["gru"].score)  # of its other measure alone
    assert (whole["gru"].text(), cut["gru"].text()) == (f"{whole['gru'].score:.3f}", f"{whole['gru'].score:.3f} (1/2)")
    none = ranked(group([r.model_copy(update={"status": status, "curve": []}) for r in records]))
    assert [(each.score, each.text()) for each in none] == [(None, "–")] * 2


def test_markdown_is_a_table_whose_names_cannot_break_it() -> None:
    text = markdown(group([record({16: 1.0}, model=part("a|b<script>*c*"))]), "A | title", {}, "")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines[:3]}) == 1
    assert "<script>" not in text
    assert r"a\|b&lt;script&gt;\*c\*" in text


def test_chance_stands_beside_the_baseline_of_the_literature() -> None:
    given = record(logistic(OCTAVES, 64))
    adding = given.model_copy(update={"facts": facts(metric="mse", chance=1 / 12, baseline=1 / 6)})
    assert "learn adding mse 0.0833 (0.167)" in markdown(group([adding]), "T", {}, "")


def test_failures_are_shown_as_what_they_are() -> None:
    curve = logistic(OCTAVES, 64)
    records = [record(curve), record(curve, seed=1), record(curve, seed=2, status="diverged")]
    assert "diverged 1/3" in markdown(group(records), "T", {}, "")


def test_a_report_is_files_that_open(tmp_path: Path) -> None:
    written = write_report(benchmark(), tmp_path, "Everything")
    figures = {f"{name}.{kind}" for name in ("recall", "learning_cost", "granularity") for kind in ("png", "svg")}
    names = {"table.md", "table.csv", "costs.csv"} | figures
    assert {path.name for path in written} == names == {path.name for path in tmp_path.iterdir()}
    for path in written:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_no_granularity_plot_without_two_granularities(tmp_path: Path) -> None:
    only = [record(logistic(OCTAVES, 64), 1.0, seed=seed) for seed in range(3)]
    assert draw_granularity(group(only)) is None
    write_report(benchmark(), tmp_path, "Two")
    assert "granularity.svg" not in {path.name for path in write_report(only, tmp_path, "One")}
    assert not (tmp_path / "granularity.svg").exists()
    with pytest.raises(ValueError, match="no records"):
        write_report([], tmp_path, "None")


def lines_of(figure: Figure, colour: str) -> list[np.ndarray]:
    """Of one model: the mean's, then each seed's."""
    ax, own = figure.axes[0], to_rgba(colour)[:3]
    means = [np.asarray(line.get_xydata()) for line in ax.lines if to_rgba(line.get_color())[:3] == own]
    lines = [each for each in ax.collections if isinstance(each, LineCollection)]
    seeds = [each for each in lines if tuple(np.ravel(each.get_color())[:3]) == own]
    return means + [np.asarray(line) for each in seeds for line in each.get_segments()]


def test_curves_on_the_figure_are_those_of_the_records() -> None:
    curve = logistic(OCTAVES, 100)
    figure = recall(group([record(curve, seed=seed) for seed in range(3)]))
    drawn = lines_of(figure, looks(["gru"])["gru"]["color"])
    assert len(drawn) == 4  # three seeds and their mean
    for line in drawn:
        assert np.allclose(line, list(curve.items()))
    assert figure.axes[0].get_title("left") == "learn adding"


def test_points_on_the_headline_plot_are_the_spans() -> None:
    groups = group(benchmark())
    figure = draw_granularity(groups)
    assert figure is not None
    models = sorted({found.model for found in groups})
    line = lines_of(figure, looks(models)["gru"]["color"])[0]
    spans = [found.span.value or 0.0 for found in groups if found.model == "gru" and found.measure.regime == "learn"]
    assert np.allclose(line[:, 1], spans)
    assert np.allclose(line[:, 0], list(KAPPAS.values()), rtol=0.05)


def test_svg_is_the_same_every_time_and_one_cell_has_a_figure_of_its_own() -> None:
    records = [record(logistic(OCTAVES, 100))]
    assert render(draw_curve(records), "svg") == render(draw_curve(records), "svg")
    assert render(draw_curve([record(status="failed")]), "png").startswith(b"\x89PNG")


def test_a_score_without_a_span_says_so_in_tables_and_plots() -> None:
    records = [
        record({16: 1.0, 32: 0.5}, task=part("parity"), seed=seed).model_copy(update={"facts": facts(lag_unit="none")})
        for seed in range(3)
    ]
    groups = group(records)
    assert "mean s over lengths" in markdown(groups, "A table", {}, "")
    assert recall(groups).axes[0].get_xlabel() == "length (steps)"
