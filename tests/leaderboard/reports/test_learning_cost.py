"""Sequences to learn a lag: middles of seeds, budgets that ran out, climbs that ended."""

from dataclasses import replace

from leaderboard.groups import group
from leaderboard.record import Record
from leaderboard.reports.learning_cost import cost_table, draw_learning_cost, learning_costs
from tests.leaderboard.synthetic_records import part, record


def climbed(taken: dict[int, int | None], seed: int = 0, model: str = "gru") -> Record:
    """A climb that took so many sequences at each lag, None: the whole budget and not solved."""
    made = record(dict.fromkeys(taken, 1.0), seed=seed, model=part(model))
    points = [
        replace(point, sequences=taken[point.lag] or 1600, solved=taken[point.lag] is not None) for point in made.curve
    ]
    return made.model_copy(update={"curve": points})


def test_the_middle_seed_and_how_many_got_there() -> None:
    seeds = [{16: 320, 32: 640}, {16: 480, 32: None}, {16: 800, 32: None}]
    first, second = learning_costs([climbed(taken, seed) for seed, taken in enumerate(seeds)])
    assert (first.lag, first.sequences, first.n_solved, first.n_seeds) == (16, 480, 3, 3)
    assert (second.lag, second.sequences, second.n_solved) == (32, None, 1)


def test_of_two_seeds_the_mean_unless_one_ran_out() -> None:
    (both,) = learning_costs([climbed({16: 320}), climbed({16: 640}, 1)])
    assert both.sequences == 480
    (one,) = learning_costs([climbed({16: 320}), climbed({16: None}, 1)])
    assert (one.sequences, one.n_solved) == (None, 1)


def test_a_climb_that_ended_is_one_that_did_not_get_there() -> None:
    costs = learning_costs([climbed({16: 320, 32: 640}), climbed({16: None}, 1), climbed({16: None}, 2)])
    assert [(cost.lag, cost.sequences, cost.n_solved, cost.n_seeds) for cost in costs] == [
        (16, None, 1, 3),
        (32, None, 1, 3),
    ]


def test_the_table_says_budget_and_where_no_climb_went() -> None:
    records = [climbed({16: 320, 32: None}), climbed({16: 480}, model="rnn")]
    text = cost_table(group(records))
    assert text is not None
    assert "| gru | learn adding | 320 | > 1,600 |" in text
    assert "| rnn | learn adding | 480 | – |" in text
    assert draw_learning_cost(group(records)) is not None


def test_without_a_climb_there_is_nothing_to_tell() -> None:
    groups = group([record({2: 1.0}, regime="retain", lags=[2, 64])])
    assert cost_table(groups) is None
    assert draw_learning_cost(groups) is None
