"""Boards: scores against fixed anchors, ranks with their intervals, and rows that are shown without one."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from leaderboard.ranking.boards import Ranking, Row, rank
from leaderboard.ranking.ledger import append, submission_digest
from leaderboard.scores import raw_score
from tests.leaderboard.boards import entrants_of, model_named, records_of, tiny_suite, write_board, write_submission

SUITE = tiny_suite()
MODELS = [("Gru", 60.0, 2.9), ("Lstm", 40.0, 3.0), ("Rnn", 17.0, 3.4)]


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    return write_board(tmp_path, SUITE, MODELS)


def boards(submissions: Path) -> dict[str, Ranking]:
    return {ranking.board.name: ranking for ranking in rank(entrants_of(submissions, SUITE), SUITE)}


def named(ranking: Ranking) -> dict[str, Row]:
    return {row.entrant.submission.name: row for row in ranking.rows}


def test_a_row_is_the_mean_of_its_cells_between_the_anchors(submissions: Path) -> None:
    for ranking in boards(submissions).values():
        for row in ranking.rows:
            expected = []
            for official in SUITE.on(ranking.board.name):
                raw = [raw_score(official, r, SUITE) or np.nan for r in row.entrant.records[official.key]]
                expected.append(np.mean([(x - official.chance) / (official.reference - official.chance) for x in raw]))
            assert row.score == pytest.approx(np.mean(expected))
            assert (row.low or 0) <= (row.score or 0) <= (row.high or 0)
            for cell in row.cells:
                seeds = np.array(cell.normalised, dtype=float)
                mean, half = seeds.mean(), stats.t.ppf(0.975, 2) * stats.sem(seeds)
                assert (cell.low, cell.high) == (pytest.approx(mean - half), pytest.approx(mean + half))


def test_rows_stand_by_their_score_and_the_leader_is_tied_with_itself(submissions: Path) -> None:
    for ranking in boards(submissions).values():
        assert [row.entrant.submission.name for row in ranking.rows] == ["Gru", "Lstm", "Rnn"]
        assert ranking.rows[0].tied
        assert not ranking.rows[-1].tied
        assert ranking.rows[0].rank is not None
        assert ranking.rows[0].rank[0] == 1
        assert ranking.rows[-1].rank == (3, 3)


def test_a_new_row_moves_nobody(submissions: Path) -> None:
    before = boards(submissions)
    write_submission(submissions, SUITE, "Best", records_of(SUITE, model_named("best"), 200.0, 2.2))
    write_submission(submissions, SUITE, "Worst", records_of(SUITE, model_named("worst"), 10.0, 6.0))
    after = boards(submissions)
    for name, ranking in before.items():
        old, new = named(ranking), named(after[name])
        for model, row in old.items():
            assert (row.score, row.low, row.high) == (new[model].score, new[model].low, new[model].high)
        order = [row.entrant.submission.name for row in after[name].rows]
        assert [model for model in order if model in old] == list(old)
        assert order[0] == "Best"


def test_the_order_of_submissions_does_not_matter(submissions: Path) -> None:
    found = entrants_of(submissions, SUITE)
    assert rank(found, SUITE) == rank(found[::-1], SUITE)


def test_a_seed_that_diverged_counts_as_chance_and_one_that_failed_leaves_no_rank(submissions: Path) -> None:
    statuses = {("language-byte", 101): "diverged", ("learn-planted-byte", 102): "failed"}
    model = model_named("flaky")
    write_submission(submissions, SUITE, "Flaky", records_of(SUITE, model, 60.0, 2.9, statuses))  # pyright: ignore
    found = boards(submissions)
    text, recall = named(found["text"])["Flaky"], named(found["recall"])["Flaky"]
    assert text.cells[0].normalised[0] == 0.0
    assert text.cells[0].raw[0] is None
    assert text.rank is not None
    assert text.score is not None
    assert text.score < (named(found["text"])["Gru"].score or 0) - 0.1
    assert (recall.rank, recall.score) == (None, None)
    assert recall.why == "incomplete: 1 of 6 trainings failed"
    assert found["recall"].rows[-1] == recall
    assert named(found["memory"])["Flaky"].rank is not None


@pytest.mark.parametrize("event", ["disputed", "withdrawn"])
def test_what_is_disputed_or_withdrawn_is_shown_not_ranked(submissions: Path, event: str) -> None:
    gru = next(path for path in submissions.iterdir() if path.name.startswith("gru"))
    append(gru.name, submission_digest(gru), event, "us", "why", path=submissions.parent / "ledger.jsonl")  # pyright: ignore
    for ranking in boards(submissions).values():
        row = named(ranking)["Gru"]
        assert (row.rank, row.tied, row.why) == (None, False, event)
        assert row.score is not None
        assert ranking.rows[-1] == row
        assert ranking.rows[0].rank is not None
        assert ranking.rows[0].rank[0] == 1


def test_rows_of_another_suite_stay_out(submissions: Path) -> None:
    other = SUITE.model_copy(update={"revision": 2})
    assert all(not ranking.rows for ranking in rank(entrants_of(submissions, SUITE), other))
