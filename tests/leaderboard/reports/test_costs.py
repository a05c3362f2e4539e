"""Exponents against laws that are known, and what is written of a study."""

import csv
import io

import numpy as np
import pytest

from leaderboard.reports.costs import CostPoint, CostStudy, draw, exponent, exponents, markdown, table_csv

GRID = [256, 512, 1024, 2048, 4096, 8192]


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0])
def test_a_power_law_gives_its_power(power: float) -> None:
    found = exponent(GRID, [[3e-4 * at**power] * 3 for at in GRID])
    assert found is not None
    assert found.value == pytest.approx(power, abs=1e-9)
    assert (found.low, found.high) == (pytest.approx(power, abs=1e-9), pytest.approx(power, abs=1e-9))


def test_overhead_at_small_values_does_not_count() -> None:
    """c + a·L² is fitted where L² rules: the exponent is that of the upper half alone."""
    found = exponent(GRID, [[1e6 + at**2] for at in GRID])
    assert found is not None
    upper = np.polyfit(np.log(GRID[3:]), np.log([1e6 + at**2 for at in GRID[3:]]), 1)[0]
    assert found.value == pytest.approx(upper)
    assert found.low is None


def test_the_interval_covers_the_truth() -> None:
    draws, covered = np.random.default_rng(0), 0
    for _ in range(400):
        noisy = [list(at * np.exp(0.1 * draws.standard_normal(5))) for at in GRID]
        found = exponent(GRID, noisy)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_one_point_has_no_exponent() -> None:
    assert exponent([256], [[1.0]]) is None


def study() -> CostStudy:
    points = [
        CostPoint(model="a", at=at, step_seconds=[1e-3 * at, 2e-3 * at, 9e-3 * at], peak_bytes=at * 2**10, **extra)
        for at, extra in [(256, {"token_seconds": [1e-4], "state_bytes": 64}), (512, {"token_seconds": [1e-4]})]
    ]
    points.append(CostPoint(model="<b>", at=256, step_seconds=[1.0], peak_bytes=7))
    return CostStudy(axis="length", fixed={"dim": 8, "batch": 2}, device="cpu", points=points)


def test_what_is_written() -> None:
    given = study()
    assert CostStudy.model_validate_json(given.model_dump_json()) == given
    rows = list(csv.DictReader(io.StringIO(table_csv(given))))
    assert [(row["model"], row["length"]) for row in rows] == [("a", "256"), ("a", "512"), ("<b>", "256")]
    assert float(rows[1]["step_seconds"]) == 2e-3 * 512  # the median, not the mean
    text = markdown(given)
    assert "| a | 1,024.0 ms | 1.00 [1.00, 1.00] | 0.5 MiB | 1.00 | 100 µs | 0.00 |" in text
    found = exponents(given.of("a"))
    assert found["memory"] is not None
    assert found["memory"].value == pytest.approx(1)
    lines = draw(given).axes[0].get_lines()
    assert [np.asarray(line.get_xdata()).tolist() for line in lines] == [[256, 512], [256]]
    assert len(draw(given).axes[2].get_lines()) == 1  # what does not stream has no line there
