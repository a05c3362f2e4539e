"""The width that fits a budget, and what a model says of its own size."""

import pytest
import torch

from benchmark.budget import count, fit_alike, fit_width, n_bytes, parse_count, part_named, sizes
from benchmark.cells import build
from benchmark.registry import UsageError, names
from leaderboard.cell import Part
from models.tcn import Tcn

TARGET = 60_000


@pytest.mark.parametrize("name", [name for name in names("models") if name != "linear"])
def test_the_widest_model_within_the_budget(name: str) -> None:
    part = fit_width(part_named(name), TARGET)
    dim = part.init_args["dim"]
    found = count(build(part))
    assert found <= TARGET

    def parameters(wider: int) -> int:
        try:
            return count(build(part.model_copy(update={"init_args": part.init_args | {"dim": wider}})))
        except ValueError:
            return 0  # a width that it refuses

    assert found == parameters(dim)
    assert next(n for n in map(parameters, range(dim + 1, 10 * dim)) if n) > TARGET


def test_gru_against_its_formula() -> None:
    dim = fit_width(part_named("gru"), 100_000).init_args["dim"]
    assert dim == max(d for d in range(1, 512) if 2 * (6 * d * d + 6 * d) <= 100_000)


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [("linear", 1000, "no parameters that a width"), ("transformer", 1000, "at its narrowest, dim=16")],
)
def test_what_no_width_can_fit_is_refused(name: str, target: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fit_width(part_named(name), target)


def test_a_bad_argument_is_named_not_the_width() -> None:
    with pytest.raises(ValueError, match="layers"):
        fit_width(Part(name="gru", class_path="models.gru.Gru", init_args={"layers": 0}), 1000)


@pytest.mark.parametrize(("text", "number"), [("5000", 5000), ("100k", 100_000), ("1.5M", 1_500_000)])
def test_counts(text: str, number: int) -> None:
    assert parse_count(text) == number


def test_sizes_of_a_convolution_by_hand() -> None:
    size = sizes(Tcn(dim=8, levels=2, kernel=3), 100)
    assert size.n_params == 2 * (3 * 8 * 8 + 8 + 2 * 8)
    assert size.flops_per_token == 2 * 2 * 3 * 8 * 8
    assert size.state_bytes == 4 * 8 * (2 + 4)
    assert (size.bound, size.causal) == (7, True)


def test_bytes_of_a_nested_state() -> None:
    half = torch.zeros(3, 2, dtype=torch.float16)
    assert n_bytes([half, (half, {"a": half}), 7]) == 3 * 12


@pytest.mark.parametrize("target", [20_000, 50_000, 100_000])
def test_models_are_made_alike_within_two_percent_where_widths_allow(target: int) -> None:
    parts = fit_alike([part_named(name) for name in ("gru", "lstm", "transformer", "s4d")], target)
    counts = [count(build(part)) for part in parts]
    assert max(counts) <= 1.02 * min(counts)
    assert target / 1.25 <= min(counts)
    assert max(counts) <= target * 1.25


def test_a_model_without_a_width_near_the_budget_is_refused() -> None:
    for target in (4000, 9500):  # below its narrowest, and in a gap between two widths
        with pytest.raises(UsageError, match=f"{target}: transformer has no width with about as many parameters"):
            fit_alike([part_named("gru"), part_named("transformer")], target)
