import gc
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from leaderboard.cell import Budget, Cell
from leaderboard.measured import Outcome
from leaderboard.record import Record, read_record, read_records, write_atomically, write_record
from tests.leaderboard.synthetic_records import budget, cell, part, record


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    given = record({16: 1.0, 32: 0.25}, kappa=2.0)
    path = write_record(tmp_path, given)
    assert path.name == f"{given.id}.json"
    assert read_record(path) == given
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    write_record(tmp_path, record({16: 1.0}, seed=1))
    assert {found.cell.seed for found in read_records(tmp_path)} == {0, 1}


def test_all_records_together_are_those_read_one_by_one(tmp_path: Path) -> None:
    curve = {16: 1.0, 32: 0.25}
    given = [record(curve, kappa, model=part(name), seed=s) for kappa in (None, 2.0) for name in "ab" for s in range(3)]
    given.append(record(status="failed", seed=9).model_copy(update={"facts": None}))
    paths = sorted(write_record(tmp_path, each) for each in given)
    (tmp_path / ".half.json.1a2b3c4d.writing").write_text("{")
    found = read_records(tmp_path)
    assert found == [read_record(path) for path in paths]
    assert found == sorted(given, key=lambda each: each.id)
    assert len({id(each.facts) for each in found if each.facts}) == 4  # what seeds share is there once
    assert len({id(each.cell.model) for each in found}) == 5


@pytest.mark.parametrize("change", ["seed", "name", "digest", "json"])
def test_one_bad_record_among_good_ones_is_named(change: str, tmp_path: Path) -> None:
    paths = [write_record(tmp_path, record({16: 1.0}, seed=seed)) for seed in range(4)]
    bad = paths[2]
    if change == "seed":
        bad.write_text(bad.read_text().replace('"seed": 2', '"seed": 7'))
    elif change == "name":
        bad = bad.rename(tmp_path / "0123456789abcdef.json")
    elif change == "digest":
        bad.write_text(bad.read_text().replace('"total": 1000.0', '"total": 999.0'))
    else:
        bad.write_text("{")
    with pytest.raises(ValueError, match=f"^{bad}: not a record") as alone:
        read_record(bad)
    with pytest.raises(ValueError, match="not a record") as together:
        read_records(tmp_path)
    assert str(alone.value) == str(together.value)
    assert gc.isenabled()


def test_the_id_says_what_was_run_and_not_what_it_was_called() -> None:
    base = cell()
    assert cell(model=part("gru", dim=64).model_copy(update={"name": "mine"})).id == base.id
    others = [
        cell(model=part("gru", dim=65)),
        cell(seed=1),
        cell(lags=[16, 32]),
        cell(regime="retain", lags=[16, 32]),
        cell(bisect=True),
        cell(precision="bf16-mixed"),
        cell(budget=budget(lr=2e-3)),
        cell(task=part("mqar")),
    ]
    assert len({each.id for each in [base, *others]}) == len(others) + 1


def test_a_users_file_is_known_by_what_it_says() -> None:
    def mine(place: str, source: str) -> Cell:
        return cell(model=part("mine").model_copy(update={"class_path": f"{place}/mine.py:Net", "source": source}))

    assert mine("/a", "11").id == mine("/b", "11").id
    assert mine("/a", "11").id != mine("/a", "22").id


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("extra", lambda data: data | {"extra": 1}),
        ("cell.budget.extra", lambda data: data["cell"]["budget"].update(extra=1)),
        ("curve.0.total", lambda data: data["curve"][0].update(total=float("nan"))),
        ("curve.0.n", lambda data: data["curve"][0].update(n="100")),
        ("curve.0.n", lambda data: data["curve"][0].update(n=0)),
        ("status", lambda data: data.update(status="fine")),
        ("host", lambda data: data.pop("host")),
        ("schema_version", lambda data: data.update(schema_version=3)),
    ],
)
def test_what_does_not_belong_is_refused_by_name(where: str, change, tmp_path: Path) -> None:
    given = record({16: 1.0})
    data = json.loads(given.model_dump_json())
    data = change(data) if where == "extra" else (change(data), data)[1]
    path = tmp_path / f"{given.id}.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=rf"{path.name}: not a record: .*{where.rsplit('.', 1)[-1]}|Invalid JSON"):
        read_record(path)


def test_a_record_under_another_name_or_with_another_cell_is_refused(tmp_path: Path) -> None:
    given = record({16: 1.0})
    path = write_record(tmp_path, given)
    other = path.rename(tmp_path / "0123456789abcdef.json")
    with pytest.raises(ValueError, match=f"must be called {given.id}.json"):
        read_record(other)
    path.write_text(other.read_text().replace('"seed": 0', '"seed": 7'))
    with pytest.raises(ValueError, match="does not belong"):
        read_record(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": 1}'])
def test_half_a_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json: not a record"):
        read_record(tmp_path / "a.json")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("leaderboard.record.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_lags_and_budgets_that_cannot_be_are_refused() -> None:
    for lags, regime in (
        ([32, 16], "learn"),
        ([16, 16], "learn"),
        ([], "learn"),
        ([2, 4, 8], "retain"),
        ([0, 4], "learn"),
    ):
        with pytest.raises(ValidationError, match="lags"):
            cell(lags=lags, regime=regime)
    with pytest.raises(ValidationError, match="multiple of batch_size x val_every"):
        Budget(sequences=1000)
    with pytest.raises(ValidationError):
        Outcome(lag=1, n=1, total=-1.0, lag_tokens=0)
    assert Record.model_fields["schema_version"].default == 2
