"""A profile: which records it is made of, its numbers against closed forms, and a figure in which nothing collides."""

import itertools
import random

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from leaderboard.cell import Corpus
from leaderboard.record import Record
from leaderboard.reports.plots import render
from leaderboard.reports.profile import PANELS, choose, lines_of, missing
from leaderboard.reports.profile_panels import fitted, logistic
from leaderboard.reports.profile_plot import Mark, draw_profile, limits_of, marks_of, placed
from leaderboard.reports.profile_table import Row, gaps_of, profile_markdown, rows_of
from leaderboard.statistics.curves import log2_span
from leaderboard.statistics.gradient import shape
from tests.leaderboard import synthetic_records as synthetic
from tests.leaderboard.profile_records import KAPPA, RHO, influence, model_records
from tests.leaderboard.synthetic_records import OCTAVES, facts, part, record


def rows(records: list[Record]) -> dict[tuple[str, str], Row]:
    return {(row.line.name, row.what): row for row in rows_of(lines_of(records))}


def test_one_model_one_tokenizer_one_corpus_are_chosen_or_asked_for() -> None:
    records = [
        *model_records(1),
        *model_records(1, "lstm"),
        *model_records(1, tokenizer="byte"),
        record({16: 1.0}, model=part("rnn")),
    ]
    with pytest.raises(ValueError, match="3 models here: choose one with --model: gru, lstm, rnn"):
        choose(records)
    with pytest.raises(ValueError, match="2 tokenizers here: choose one with --tokenizer: bpe-512, byte"):
        choose(records, "gru")
    with pytest.raises(ValueError, match='no model "gur" here: choose from gru, lstm, rnn'):
        choose(records, "gur")
    assert choose(records, "gru", "byte") == model_records(1, tokenizer="byte")
    assert choose(records, "lstm") == model_records(1, "lstm")
    assert choose(records, "rnn", "none") == records[-1:]


def test_a_corpus_is_its_text_whatever_it_was_called() -> None:
    first, second = (record({16: 1.0}, 1.0, corpus=Corpus(name=name, digest="ab" * 32)) for name in ("a", "b"))
    assert choose([first, second]) == [first, second]
    other = record({16: 1.0}, 1.0, corpus=Corpus(name="a", digest="cd" * 32))
    with pytest.raises(ValueError, match="2 corpora here: choose one with --corpus: a:abababab, a:cdcdcdcd"):
        choose([first, other])
    assert choose([first, other], corpus="a:cdcdcdcd") == [other]


def test_seeds_come_together_and_a_seed_comes_once() -> None:
    lines = lines_of(model_records(3))
    assert [line.name for line in lines] == ["learn planted", "retain planted", "language"]
    assert all(len(line.records) == 3 for line in lines)
    held = model_records(1)[1]
    cell = held.cell.model_copy(update={"measures": []})
    again = held.model_copy(update={"cell": cell, "id": cell.id, "influence": None})
    assert [line.name for line in lines_of([held, again])] == [
        "retain planted (measures=influence,gradient,audit)",
        "retain planted (measures=none)",
    ]


def test_models_of_one_name_are_told_apart() -> None:
    found = [record({16: 1.0, 32: 1.0}, model=part("gru", dim=dim), lags=[16, 32]) for dim in (32, 64)]
    assert [line.name for line in lines_of(found)] == ["learn adding (dim=32)", "learn adding (dim=64)"]


def test_nothing_finished_is_said_with_the_reason() -> None:
    with pytest.raises(ValueError, match="nothing has finished: learn adding diverged: loss is not finite"):
        lines_of([record(status="diverged")])


def test_recall_spans_in_bytes_and_tokens() -> None:
    found = rows(model_records(3))
    for name, what, at in (("learn planted", "learning span", 48), ("retain planted", "retention span", 192)):
        row = found[name, what]
        curve = synthetic.logistic([16, 32, 64, 128], 48, 6.0) if at == 48 else {}
        if curve:
            at = float(2 ** log2_span(np.log2(list(curve)), list(curve.values())))
        assert float(row.value.split()[0].strip("*")) == pytest.approx(at, rel=0.02)
        assert row.tokens is not None
        assert float(row.tokens.split()[0].strip("*")) == pytest.approx(at / KAPPA, rel=0.03)
    assert found["learn planted", "S85"].value == "32"  # s is .92 at 32, .15 at 64
    assert found["learn planted", "S85"].tokens == "16"
    assert found["retain planted", "audit at lag 32"].value.startswith("memory by the shift test alone")


def test_influence_spans_are_those_of_the_decay() -> None:
    found = rows(model_records(3))
    last = 1 + int(np.log(0.01) / np.log(RHO))
    within = int(np.ceil(np.log(0.05) / np.log(RHO)))
    assert last == 44
    assert found["retain planted", "last lag above 1%"].value.startswith(f"{last} [")
    assert found["retain planted", "95% of the mass within"].value.startswith(f"{within} [")
    tokens = found["retain planted", "last lag above 1%"].tokens
    assert tokens is not None
    assert tokens.startswith("22 [")
    assert found["retain planted", "leak from the future"].value == "0 of the greatest influence"
    assert found["language", "last lag above 1%"].value.startswith("23 [")  # nothing from 32 on: the edge of the grid


def test_context_spans_at_each_epsilon() -> None:
    found = rows(model_records(3))
    assert found["language", "context span, ε = .003"].value.startswith("64 [")
    assert found["language", "context span, ε = .01"].value == "16 [16, 16]"
    assert found["language", "context span, ε = .01"].tokens == "12 [12, 12]"  # 3/4 of a token a byte
    assert found["language", "context span, ε = .03"].value == "no gain"


def test_gradient_shapes_and_gates() -> None:
    found = rows(model_records(3))
    assert found["retain planted", "J before training"].value == "ρ = 0.900 [0.900, 0.900], exponential"
    assert found["retain planted", "J after training"].value == "α = 1.00 [1.00, 1.00], power law"
    assert found["retain planted", "gates of layer 2"].value == f"{0.99**128:.2g} at lag 256"


def test_one_seed_is_a_point_and_said_so() -> None:
    page = profile_markdown(lines_of(model_records(1)))
    assert "1 seed: a recall span is a point without an interval" in page
    assert rows(model_records(1))["learn planted", "S85"].value == "asks for several seeds"
    assert "1 seed:" not in profile_markdown(lines_of(model_records(3)))


def test_a_panel_without_data_says_why() -> None:
    learn, held, text = model_records(1)
    assert gaps_of(lines_of([learn])) == {
        "context": "L(c) is asked of text to predict (--task language)",
        "influence": "not measured: a learn cell trains a model a lag",
        "gradient": "not measured: a learn cell trains a model a lag",
    }
    assert gaps_of(lines_of([text])) == {
        "recall": "s(ℓ) is asked of recall tasks; this is text to predict",
        "gradient": "not measured: no room",
    }
    assert missing(lines_of([held]), "gates") is None
    assert held.gradient is not None
    ungated = held.model_copy(update={"gradient": held.gradient.model_copy(update={"gates": None})})
    assert gaps_of(lines_of([ungated]))["gates"] == "no forget gates in this model"
    cell = held.cell.model_copy(update={"measures": []})
    bare = held.model_copy(update={"cell": cell, "id": cell.id, "influence": None, "gradient": None, "audit": None})
    assert gaps_of(lines_of([bare]))["influence"] == "not measured: left out by --measures"


def test_text_scored_after_one_context_has_a_loss_and_no_gain() -> None:
    lines = lines_of([synthetic.language(2.0)])
    assert gaps_of(lines)["gain"] == "not measured: no context was scored beside its half"
    assert [row.what for row in rows_of(lines)] == ["L(T), T = 256"]
    drawn(draw_profile(lines))


def test_a_model_that_nothing_moves_is_drawn() -> None:
    held = model_records(1)[1].model_copy(update={"influence": influence(edge=1)})
    lines = lines_of([held])
    assert rows([held])["retain planted", "last lag above 1%"].value == "not learned"
    drawn(draw_profile(lines))


def test_the_guide_is_the_logistic_the_points_lie_on() -> None:
    lags = np.array(OCTAVES, dtype=float)
    points = synthetic.logistic(OCTAVES, 90.0, 2.5, 0.9)
    between = np.array([20.0, 75.0, 300.0])
    expected = list(synthetic.logistic(between.astype(int), 90.0, 2.5, 0.9).values())
    assert logistic(lags, np.array(list(points.values())), between) == pytest.approx(np.array(expected), abs=0.01)
    assert logistic(lags, np.ones(6), between) == pytest.approx(np.ones(3), abs=0.01)


@pytest.mark.parametrize("law", ["exponential", "power law"])
def test_the_fit_drawn_is_the_law_the_points_follow(law: str) -> None:
    lags = np.array([1.0, 2, 4, 8, 16, 32])
    norms = 3 * (0.8**lags if law == "exponential" else lags**-1.5)
    found = fitted(shape(lags, np.outer(np.linspace(0.5, 1.5, 10), norms)), lags, norms)
    assert found == pytest.approx(norms, rel=1e-3)


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_text_runs_into_another_nor_out_of_the_figure(seeds: int) -> None:
    figure = drawn(draw_profile(lines_of(model_records(seeds))))
    texts = [text for text in figure.texts if text.get_text()]
    texts += [ax.title for ax in figure.axes] + [ax._left_title for ax in figure.axes]  # pyright: ignore
    boxes = {text.get_text(): text.get_window_extent() for text in texts if text.get_text()}
    marks = next(ax for ax in figure.axes if ax.get_gid() == "marks")
    boxes |= {text.get_text(): text.get_window_extent() for text in marks.texts}
    for (a, first), (b, second) in itertools.combinations(boxes.items(), 2):
        assert not first.overlaps(second), f"{a} over {b}"
    for text, box in boxes.items():
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text  # noqa: PT018
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, text  # noqa: PT018


def test_all_panels_share_the_lag_axis_with_marks_through_them() -> None:
    bounded = [r.model_copy(update={"facts": r.facts.model_copy(update={"receptive_field": 50})})
               for r in model_records(1) if r.facts]  # fmt: skip
    lines = lines_of(bounded)
    assert [(mark.at, mark.name) for mark in marks_of(lines)] == [(100.0, "bound 100"), (128.0, "T 128")]
    panels = [ax for ax in draw_profile(lines).axes if ax.get_gid() in PANELS]
    assert [ax.get_gid() for ax in panels] == list(PANELS)
    for ax in panels:
        assert ax.get_xlim() == limits_of(lines)
        upright = [line.get_xdata()[0] for line in ax.lines if len({*np.asarray(line.get_xdata())}) == 1]  # pyright: ignore
        assert {100.0, 128.0} <= set(upright)


def test_tokens_stand_above_through_kappa() -> None:
    lines = lines_of(model_records(1))
    (tokens,) = [ax for ax in draw_profile(lines).axes if ax.get_gid() not in (*PANELS, "marks")]
    assert tokens.get_xlim() == pytest.approx([limit / KAPPA for limit in limits_of(lines)])


def test_what_is_nothing_lies_on_the_floor() -> None:
    held = model_records(1)[1].model_copy(update={"influence": influence(edge=32)})
    ax = next(ax for ax in draw_profile(lines_of([held])).axes if ax.get_gid() == "influence")
    (floor,) = [line for line in ax.lines if line.get_marker() == "v"]
    assert np.asarray(floor.get_xdata()).tolist() == [32, 45, 64, 91, 128]
    assert set(np.asarray(floor.get_ydata())) == {0.01 / 2}  # below the line of 1%


def test_far_less_than_chance_stays_in_its_panel() -> None:
    worse = record({16: 0.5, 32: 0.1}, lags=[16, 32])
    assert worse.facts is not None
    worse = worse.model_copy(update={"facts": worse.facts.model_copy(update={"metric": "mse", "chance": 0.2})})
    ax = next(ax for ax in draw_profile(lines_of([worse])).axes if ax.get_gid() == "recall")  # s is −1.5 and .5
    low, high = ax.get_ylim()
    points = [(x, y) for line in ax.lines for x, y in line.get_xydata() if x in (16, 32)]  # pyright: ignore
    assert (16, low) in points
    assert all(low <= y <= high for _, y in points)


def test_labels_of_marks_never_overlap() -> None:
    marks = [Mark(at, f"T {at} (retain planted)", "--") for at in (60, 64, 128, 256, 500, 1000)]
    found = placed(marks, 1.0, 1024.0)
    assert len(found) == 6
    ends: dict[int, list[tuple[float, float]]] = {}
    for mark, left, row in found:
        at = 5.3 * np.log2(mark.at) / 10
        length = 0.06 * len(mark.name)
        ends.setdefault(row, []).append((at - length, at) if left else (at, at + length))
    for spans in ends.values():
        for (a, b), (c, d) in itertools.combinations(spans, 2):
            assert b <= c or d <= a


def test_the_same_records_give_the_same_bytes_in_any_order() -> None:
    records = model_records(2)
    shuffled = random.Random(0).sample(records, len(records))
    for kind in ("png", "svg"):
        first, second = (render(draw_profile(lines_of(each)), kind) for each in (records, shuffled))
        assert first == second
    assert profile_markdown(lines_of(records)) == profile_markdown(lines_of(shuffled))


def test_synthetic_tasks_count_steps_and_lengths_have_no_span() -> None:
    steps = record({16: 1.0, 32: 0.5, 64: 0.0}, lags=[16, 32, 64], regime="learn")
    by_length = record({16: 1.0, 32: 0.5}, lags=[16, 32], task=part("listops")).model_copy(
        update={"facts": facts(lag_unit="none")}
    )
    found = rows([steps, by_length])
    assert found["learn adding", "learning span"].unit == "steps"
    assert found["learn adding", "learning span"].tokens is None
    assert found["learn listops", "mean s over lengths"].value == "0.75"
    drawn(draw_profile(lines_of([steps, by_length])))


def test_lags_in_tokens_are_drawn_in_bytes() -> None:
    text = model_records(1)[2]
    assert text.facts is not None
    tokens = text.model_copy(update={"facts": text.facts.model_copy(update={"lag_unit": "tokens"})})
    row = rows([tokens])["language", "context span, ε = .01"]
    assert (row.value, row.tokens) == ("32 [32, 32]", "16 [16, 16]")
    assert marks_of(lines_of([tokens]))[0].at == 256


def test_a_lost_line_is_counted_beside_the_others() -> None:
    learn, held, _ = model_records(1)
    failed = learn.model_copy(update={"status": "failed", "reason": "out of memory", "curve": []})
    found = rows([failed, held])
    assert found["learn planted", "learning span"].value == "failed 1/1"
