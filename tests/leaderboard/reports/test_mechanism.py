"""The mechanism in tables, and what a failed calibration takes out of them."""

import csv
import io
from pathlib import Path

import pytest

from leaderboard.calibration import Calibration, number
from leaderboard.comparison.compared import compared
from leaderboard.comparison.comparison_tables import sheets
from leaderboard.groups import group
from leaderboard.record import Record
from leaderboard.reports.mechanism import mechanism_lines, mechanism_rows, mechanism_table
from leaderboard.reports.report import write_report
from leaderboard.reports.report_text import markdown, vouched
from leaderboard.reports.sheets import csv_text
from leaderboard.statistics.bits import Mask
from tests.leaderboard.profile_records import model_records
from tests.leaderboard.synthetic_records import record


def calibration(*broken: str) -> Calibration:
    checks = [
        number(name, "a system", "a figure", 2.0 if name in broken else 1.0, 1.0, 1.0)  # pyright: ignore
        for name in ("recall", "context", "influence", "gradient", "joint")
    ]
    return Calibration(reduced=False, commit=None, versions={}, seconds=1.0, checks=checks)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    found = [*model_records(3), *model_records(3, model="lstm"), *model_records(3, tokenizer="byte")]
    return [measuring_context(r) if r.cell.regime == "language" else r for r in found]


def measuring_context(record: Record) -> Record:
    cell = record.cell.model_copy(update={"measures": ["context", "influence", "gradient"]})
    return record.model_copy(update={"cell": cell, "id": cell.id})


def row(text: str, *starts: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {' | '.join(starts)} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_measure_has_its_column(records: list[Record]) -> None:
    text = mechanism_table(group(records), {})
    assert text is not None
    header = [cell.strip() for cell in text.splitlines()[0].strip("|").split("|")]
    held = dict(zip(header, row(text, "gru", "retain planted@bpe-512"), strict=True))
    assert held["influence to 1%"].startswith("44 [")  # 1 + ⌊ln .01 / ln .9⌋
    assert held["95% of its mass"].startswith("29 [")  # ⌈ln .05 / ln .9⌉
    assert held["gradients before"].startswith("ρ = 0.900")
    assert held["gradients after training"].startswith("α = 1.00")
    assert held["memory audit"].startswith("memory by the shift test alone")
    assert held["context span"] == "–"
    told = dict(zip(header, row(text, "gru", "language@bpe-512"), strict=True))
    assert told["context span"].startswith("16 [16, 16]")
    assert told["gradients before"] == "n/a"


def test_a_cells_lines_name_what_does_not_apply(records: list[Record]) -> None:
    (language,) = [g for g in group(records) if g.model == "lstm" and g.measure.is_language]
    lines = mechanism_lines(language)
    assert lines[-1] == "gradient: not applicable to language: no room."
    assert not any(line.startswith("gradients") for line in lines)


def test_the_csv_has_every_epsilon_and_every_context(records: list[Record]) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(mechanism_rows(group(records), {})))))
    own = {r["figure"]: r for r in rows if r["model"] == "lstm" and r["measure"].startswith("language")}
    assert float(own["gain@16"]["value"]) == pytest.approx(0.02, abs=0.003)
    assert float(own["gain@16"]["low"]) < 0.02 < float(own["gain@16"]["high"])
    assert own["context_span@0.01"]["value"] == "16"
    assert own["context_span@0.003"]["value"] == "64"
    assert len([name for name in own if name.startswith("context_span@")]) >= 17
    assert float(own["bits_per_byte@512"]["value"]) < float(own["bits_per_byte@1"]["value"])
    assert own["drop_rate"]["value"] == "0"


@pytest.mark.parametrize(
    ("broken", "gone"),
    [("influence", ["influence to 1%", "95% of its mass"]), ("context", ["context span"]), ("gradient", ["gradients"])],
)
def test_a_failed_measure_is_blocked_and_the_rest_stands(
    records: list[Record], broken: str, gone: list[str], tmp_path: Path
) -> None:
    write_report(records, tmp_path, "T", calibration(broken))
    text = (tmp_path / "table.md").read_text()
    table = text.partition("## Mechanism")[2].partition("## Joint")[0]
    header = [cell.strip() for cell in table.strip().splitlines()[0].strip("|").split("|")]
    cells = dict(zip(header, row(table, "lstm", "retain planted@bpe-512"), strict=True))
    for name, cell in cells.items():
        barred = any(name.startswith(each) for each in gone)
        assert (cell == "blocked") == barred, name
    assert f"- {broken} is blocked: " in text
    figures = [row["figure"] for row in csv.DictReader(io.StringIO((tmp_path / "mechanism.csv").read_text()))]
    assert figures
    assert not any(name.startswith(("gain@", "context") if broken == "context" else broken) for name in figures)
    assert "4 of 5 checks passed" in text


def test_a_recall_that_fails_ranks_nobody(records: list[Record]) -> None:
    text = markdown(group(records), "T", {"recall": "its oracle missed"}, "")
    assert "## Recall scores" not in text
    spans = text.partition("## Sequences")[0]
    assert [row(spans, model)[1] for model in ("gru", "lstm")] == ["blocked"] * 2
    assert "Best recall" not in text


def test_a_comparison_leaves_out_what_failed(records: list[Record]) -> None:
    whole = compared(records, "bytes")
    assert whole.regimes == ["learn", "retain", "language"]
    without = compared(records, "bytes", {"recall": "its oracle missed"})
    assert without.regimes == ["language"]
    assert not any("span, bytes" in name and "context" not in name for s in sheets(without) for name in s.header)
    assert all(isinstance(each, str) for each in compared(records, "bytes", {"joint": "why"}).shares.values())


def test_blocks_are_shared_by_all_tokenizers(records: list[Record]) -> None:
    """A block that one tokenizer drops after any context is left out of every other's context span."""
    cut = [
        r.model_copy(
            update={
                "losses": [
                    x.model_copy(update={"nats": [None, *x.nats[1:]]}) if x.context == 8 else x for x in r.losses
                ]
            }
        )
        if r.losses and r.cell.tokenizer and r.cell.tokenizer.name == "byte"
        else r
        for r in records
    ]
    kept: list[Mask | None] = [group.kept for _, _, group in compared(cut, "bytes").of("language")]
    assert all(mask is not None and not mask[0] and mask[1:].all() for mask in kept)


def test_what_was_not_checked_is_said() -> None:
    assert "spanbench calibrate" in vouched(None)
    assert "Not checked: audit." in vouched(calibration())


def test_without_measures_there_is_no_mechanism() -> None:
    groups = group([record({16: 1.0})])
    assert mechanism_table(groups, {}) is None
    assert mechanism_rows(groups, {}) == []
