"""The table of a choice of learning rates."""

from leaderboard.groups import group
from leaderboard.measured import Trial
from leaderboard.record import Record
from leaderboard.reports.learning_rates import kept_rates, rates_table
from leaderboard.reports.report_text import markdown
from tests.leaderboard.synthetic_records import OCTAVES, budget, logistic, record


def tried(*strengths: tuple[int | None, float, float | None], lrs: list[float], seed: int = 0) -> Record:
    """A record of a cell with a choice of `lrs`, and (lag, lr, strength) of each trial."""
    made = record(logistic(OCTAVES, 100), lrs=lrs, budget=budget(lr=lrs[0]), seed=seed)
    trials = [Trial(lag=lag, lr=lr, strength=s, sequences=None if s is None else 64) for lag, lr, s in strengths]
    return made.model_copy(update={"trials": trials})


def test_the_rate_kept_is_the_first_with_the_best_validation() -> None:
    lrs = [0.001, 0.003]
    equal = tried((16, 0.001, 0.5), (16, 0.003, 0.5), (32, 0.001, 0.1), (32, 0.003, 0.2), lrs=lrs)
    assert kept_rates(equal) == [0.001, 0.003]
    assert kept_rates(tried((None, 0.001, None), (None, 0.003, -0.1), lrs=lrs)) == [0.003]
    assert kept_rates(tried((None, 0.001, None), (None, 0.003, None), lrs=lrs)) == []


def test_rates_are_counted_over_seeds_and_lags() -> None:
    lrs = [0.001, 0.003]
    first = tried((16, 0.001, 0.9), (16, 0.003, 0.5), (32, 0.001, 0.1), (32, 0.003, 0.2), lrs=lrs)
    second = tried((16, 0.001, 0.9), (16, 0.003, 0.5), lrs=lrs, seed=1)
    groups = group([first, second])
    assert (
        rates_table(groups)
        == "| model | measure | 0.001 | 0.003 |\n| --- | --- | --- | --- |\n| gru | learn adding | 2 | 1 |"
    )
    assert "## Learning rates" in markdown(groups, "T", {}, "")


def test_a_choice_is_told_from_one_rate_as_it_is_asked() -> None:
    lrs = [0.001, 0.003]
    rows = [tried((None, 0.001, 0.5), lrs=lrs), record(logistic(OCTAVES, 100), budget=budget(lr=0.001))]
    assert {found.model for found in group(rows)} == {"gru (lr=0.001)", "gru (lr=0.001,0.003)"}


def test_a_table_without_a_choice_says_nothing_of_it() -> None:
    groups = group([record(logistic(OCTAVES, 100))])
    assert rates_table(groups) is None
    assert "Learning rates" not in markdown(groups, "T", {}, "")
