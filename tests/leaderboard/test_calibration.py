"""What a calibration says: which measures are blocked and why, what its file must hold, and its page."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from leaderboard.calibration import (
    Calibration,
    Check,
    Trace,
    blocked,
    by_measure,
    number,
    read_calibration,
    summary,
    word,
)
from leaderboard.reports.calibration_page import calibration_page, markdown, write_calibration

GOOD = [
    number("recall", "window", "span S", 76.0, 60, 80, "75"),
    word("audit", "latch", "verdict", "memory", "memory"),
    number("joint", "simulated", "coverage of γ", 0.95, 0.93, None),
]
BAD = [
    number("influence", "linear <b>", "last lag", 50, 43, 45, "44"),
    word("influence", "linear", "verdict", "leaks", "causal"),
    number("recall", "window", "span S", float("nan"), 0, 1),
]
CURVE = Trace(measure="recall", system="window", x=[1.0, 2.0, 4.0], found=[1.0, 1.0, 0.1], expected=[1.0, 1.0, 0.0])
BOUND = Trace(measure="influence", system="tcn", x=[1.0, 2.0, 4.0], found=[1.0, 0.1, 0.0], expected=[None, None, 0.0])


def calibration(checks: list[Check], **changes) -> Calibration:
    fields = {"reduced": False, "commit": "abc", "versions": {"torch": "2"}, "seconds": 3.0, "traces": [CURVE, BOUND]}
    return Calibration(**({**fields, "checks": checks} | changes))


def test_a_number_passes_between_its_ends() -> None:
    assert [number("recall", "s", "w", value, 1, 2).passed for value in (0.9, 1, 1.5, 2, 2.1)] == [0, 1, 1, 1, 0]
    assert number("recall", "s", "w", -5, None, 2).passed
    assert number("recall", "s", "w", 5, 2, None).passed
    assert [number("recall", "s", "w", 1, *ends).expected for ends in ((1, 2), (1, None), (None, 2), (1, 1))] == [
        "1 to 2", "≥ 1", "≤ 2", "1",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_finite_number_fails(value: float) -> None:
    assert not number("recall", "s", "w", value, None, None).passed


def test_a_failed_check_blocks_its_measure_and_says_why() -> None:
    assert blocked(calibration(GOOD)) == {}
    found = blocked(calibration([*GOOD, *BAD]))
    assert list(found) == ["recall", "influence"]
    assert found["influence"] == "2 of 2 checks failed, first linear <b>: last lag 50, expected 44"
    assert found["recall"].startswith("1 of 2 checks failed, first window: span S nan, expected 0 to 1")
    assert summary(calibration(GOOD)) == "3 checks of 3 measures: all pass"
    assert summary(calibration([*GOOD, *BAD])) == "6 checks of 4 measures: blocked: recall, influence"
    assert list(by_measure(GOOD[::-1])) == ["recall", "audit", "joint"]


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    given = calibration([*GOOD, *BAD])
    write_calibration(given, tmp_path)
    assert read_calibration(tmp_path / "calibration.json") == given


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "the whole file"),
        ('{"checks": []}', "reduced"),
        (calibration(GOOD).model_dump_json().replace('"passed":true', '"passed":false', 1), "checks.0"),
        (calibration(GOOD).model_dump_json().replace('"revision"', '"revising"'), "revising"),
        (calibration(GOOD).model_dump_json().replace('"x":[1.0,', '"x":[1.0,1.5,', 1), "traces.0"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"calibration\.json: not a calibration: {re.escape(told)}"):
        read_calibration(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json: No such file"):
        read_calibration(tmp_path / "none.json")


def test_a_calibration_without_a_check_is_none() -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        calibration([])


def test_the_page_escapes_names_and_fetches_nothing() -> None:
    page = calibration_page(calibration([*GOOD, *BAD]), {"recall": b"<?xml?>\n<svg>drawn</svg>"})
    assert "linear &lt;b&gt;" in page
    assert "<b>" not in page
    assert "<svg>drawn</svg>" in page
    assert "<strong>influence</strong> is blocked" in page
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href|url\()\s*=?\s*[\"']?(?!data:)https?:", page)
    assert "<script" not in page


def test_the_same_calibration_gives_the_same_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_calibration(calibration([*GOOD, *BAD]), tmp_path / folder)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {
        "calibration.json", "calibration.md", "index.html", "recall.png", "influence.png", "coverage.png"
    }  # fmt: skip
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


def test_figures_of_an_earlier_calibration_are_removed(tmp_path: Path) -> None:
    write_calibration(calibration(GOOD), tmp_path)
    write_calibration(calibration(GOOD[:2], traces=[]), tmp_path)
    assert not list(tmp_path.glob("*.png"))


def test_markdown_has_a_row_for_each_check() -> None:
    text = markdown(calibration([*GOOD, *BAD]))
    assert [line.count("| FAIL |") for line in text.splitlines() if line.startswith("| ")].count(1) == 3
    assert "recall is blocked" in text
