"""The reduced calibration passes, and a measure that is tampered with does not."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.calibration.jobs import PARTS, Job, done, jobs, run
from benchmark.cli import call
from leaderboard.calibration import MEASURES, Calibration, Check, Name, blocked, read_calibration
from leaderboard.reports.calibration_page import write_calibration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole reduced calibration, as the command writes it."""
    output = tmp_path_factory.mktemp("runs")
    assert call(["calibrate", "--reduced", "--output", str(output)]) == 0
    return output / "calibration"


@pytest.fixture(scope="module")
def calibration(folder: Path) -> Calibration:
    return read_calibration(folder / "calibration.json")


def test_every_measure_passes_all_its_checks(calibration: Calibration) -> None:
    assert blocked(calibration) == {}
    assert {check.measure for check in calibration.checks} == set(MEASURES)
    assert len(calibration.checks) > 100
    assert calibration.reduced


def test_every_figure_is_there_and_the_page_fetches_nothing(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    figures = {f"{name}.png" for name in ("recall", "context", "influence", "gradient", "joint", "coverage")}
    assert names == figures | {"calibration.json", "calibration.md", "index.html"}
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(figures)
    assert "<script" not in page
    for address in re.findall(r"(?:src|href)=\"([^\"]*)\"", page):
        assert address.startswith("#")
    assert not re.search(r"url\((?!#)|@import", page)


def test_what_is_written_can_be_written_again_from_its_file(folder: Path, tmp_path: Path) -> None:
    write_calibration(read_calibration(folder / "calibration.json"), tmp_path)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def checked(measure: Name, part: str) -> list[Check]:
    """The reduced checks of one part."""
    place = [each.__name__ for each in PARTS[measure]].index(part)
    return [each for each in done(Job(measure, place), reduced=True) if isinstance(each, Check)]


def squared(real: Any) -> Any:
    return lambda *args, **kwargs: real(*args, **kwargs) ** 2


def halved(real: Any) -> Any:
    return lambda *args, **kwargs: real(*args, **kwargs) / 2


def first_failure(real: Any) -> Any:
    """The rule that SPANS forbids: the context before the first one that gains too little."""

    def stops(curve: Any, gains: Any, epsilon: float) -> float:
        enough = [*(gains >= epsilon)]
        start = enough.index(True)
        stop = enough.index(False, start)
        return float(curve.gain_contexts[stop - 1])

    return stops


TAMPERED: list[tuple[Name, str, str, Any]] = [
    ("recall", "windows", "leaderboard.statistics.spans.log2_span", lambda real: lambda *args: real(*args) + 1),
    ("context", "curves", "leaderboard.statistics.context._largest", first_failure),
    ("influence", "linear", "benchmark.measures.influence.amplitude", squared),
    ("gradient", "shapes", "benchmark.measures.gradient.slopes", squared),
    ("audit", "verdicts", "benchmark.measures.audit.displaced", lambda real: lambda state, *args: state),
    ("joint", "slopes", "leaderboard.statistics.elasticity.censored_slopes", halved),
]


@pytest.mark.parametrize(("measure", "part", "where", "tamper"), TAMPERED, ids=[each[2] for each in TAMPERED])
def test_a_measure_that_is_tampered_with_is_blocked(
    measure: Name, part: str, where: str, tamper: Any, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = where.rpartition(".")
    monkeypatch.setattr(where, tamper(getattr(__import__(module, fromlist=[name]), name)))
    found = checked(measure, part)
    assert not all(check.passed for check in found)
    assert list(blocked(calibration.model_copy(update={"checks": [*calibration.checks, *found]}))) == [measure]


def test_a_measure_that_raises_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> torch.Tensor:
        raise RuntimeError("out of order")

    monkeypatch.setattr("benchmark.measures.gradient.slopes", broken)
    assert [(check.passed, check.found) for check in checked("gradient", "gates")] == [
        (False, "RuntimeError: out of order")
    ]


def test_one_failed_check_is_exit_code_1_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmark.measures.audit.displaced", lambda state, *args: state)
    assert call(["calibrate", "--reduced", "--only", "audit", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "verdict: memory (expected fragile) FAIL" in said
    assert "audit is blocked: 1 of" in said
    assert list(blocked(read_calibration(tmp_path / "calibration-part" / "calibration.json"))) == ["audit"]


def test_an_unknown_measure_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["calibrate", "--only", "recall,grandient"]) == 2
    assert 'unknown measure "grandient": did you mean gradient?' in capsys.readouterr().err


def test_another_process_finds_what_this_one_finds() -> None:
    todo = [job for job in jobs(["gradient"]) if PARTS["gradient"][job.part].__name__ == "gates"]
    assert list(run(todo, True, 2)) == list(run(todo, True, 1))
