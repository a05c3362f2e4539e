"""Plans: the same cells as one parse each gives, from few parses, or from the cache and without torch."""

import gzip
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark import plan as plans
from benchmark.display import title
from benchmark.expansion import GROUP, expanded
from benchmark.options import cell_parser, make_cell
from benchmark.plan import Effort, Plan, Question, plan_for
from benchmark.registry import UsageError
from benchmark.tables import Table, expand, table_named
from leaderboard.cell import Cell
from tests.benchmark.cells import TOP

NASTY = """
cells:
- seed: [3, "4", 0, 12]
  budget.batch_size: [16, 32]
  model: [s4, gru, irnn]
  task: [delayed_recall, copy]
  regime: [learn, retain]
  precision: [32-true, bf16-mixed]
  task.symbols: [2, 5]
- model: [transformer, gru]
  budget.lr: [0.01, "2e-3"]
  lags: ["16,32", "16,64"]
  task: planted
  tokenizer: [byte, bpe-300]
  corpus: "{text}"
- {model: gru, task: adding-600}
- {task: [adding-600, adding], seed: 5, model: [tcn, transformer], n-params: [20k, 30k]}
- {model: rnn, task: language, tokenizer: [byte, char], task.arm: [bytes, tokens], corpus: "{text}", measures: context}
- {model: "{folder}/mine.yaml", task: "{folder}/far.yaml", seed: [0, 1]}
- {model: [], task: mqar}
- {model: [rnn, "{folder}/rated.py:Rated"], task: mqar, trainer.devices: [2], compile: false}
"""
WRONG = {
    "{model: [gru, gur], task: mqar}": "did you mean gru",
    "{model: gru, task: [mqar, mqra], seed: [0, 1]}": "did you mean mqar",
    "{model: gru, task: mqar, seed: [0, 1, -1]}": "seed",
    "{model: gru, task: mqar, seed: [0, x]}": "seed",
    "{model: gru, task: mqar, seed: [0, 1.5]}": "seed",
    "{model: gru, task: mqar, seed: [0, true]}": "seed",
    "{model: gru, task: mqar, seed.x: 1}": "unknown option",
    "{model: gru, task: mqar, sede: [0, 1]}": "did you mean --seed",
    "{model: [gru, linear], n-params: 20k, task: mqar}": "no parameters",
    "{model: gru, n-params: 20k, model.dim: 8, task: mqar}": "leave --model.dim out",
    "{model: gru, task: mqar, budget.sequences: [3200, 1000], seed: [0, 1]}": "multiple of batch_size",
    "{model: gru, task: mqar, lags: ['8,16', '16,8']}": "ascending",
    "{model: gru, task: mqar, regime: [learn, retain], lags: '8,16,32'}": "two",
    "{model: gru, task: mqar, regime: [learn, language]}": "cannot be asked",
    "{model: gru, task: [mqar, planted]}": "choose a --tokenizer",
    "{model: gru, task: [planted, mqar], tokenizer: byte, corpus: '{text}'}": "takes no --tokenizer",
    "{model: gru, task: mqar, measures: [none, influence], regime: [retain, learn]}": "not taken",
    "{model: gru, task: mqar, precision: [32-true, '8']}": "--precision",
    "{model: gru, task: mqar, bisect: '--seed', seed: 3}": "",
    "{model: gru, task: mqar, trainer.devices: [1, two]}": "--trainer",
    "{model: [gru, rnn, gru], task: mqar}": "two of its cells are the same",
}
RATED = """
from models.base import SequenceModel

class Rated(SequenceModel):
    def __init__(self, dim: int = 8) -> None:
        super().__init__(dim)

    def forward(self, x):
        return x
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("some words and lines\n\n" * 4000)
    (tmp_path / "rated.py").write_text(RATED)
    (tmp_path / "mine.yaml").write_text("class_path: models.gru.Gru\nlags: [3, 7]\nlr: 0.02\n")
    (tmp_path / "far.yaml").write_text("class_path: tasks.mqar.Mqar\ninit_args: {pairs: 2}\nlr: 0.5\n")
    return tmp_path


def written(folder: Path, rows: str) -> Table:
    path = folder / "table.yaml"
    path.write_text(rows.replace("{text}", f"files:{folder / 'text.txt'}").replace("{folder}", str(folder)))
    return table_named(str(path))


def one_by_one(table: Table, models: list[str]) -> list[Cell]:
    """Every cell from a parse of its own."""
    parser, found = cell_parser(), []
    for number, row in enumerate(table.rows, 1):
        for argv in expand({"model": models} | row):
            try:
                found.append(make_cell(argv, parser)[0])
            except UsageError as error:
                raise UsageError(f"table {table.name}, row {number}: {error}") from None
    ids = [cell.id for cell in found]
    for cell in found:
        if ids.count(cell.id) > 1:
            raise UsageError(f"table {table.name}: two of its cells are the same, {title(cell)}")
    return found


def agree(table: Table, models: list[str]) -> Plan:
    expected = one_by_one(table, models)
    plan = expanded(table, models)
    assert list(plan.cells()) == expected
    assert plan.ids == [cell.id for cell in expected]
    return plan


@pytest.mark.parametrize(("name", "models"), [("quick", []), ("standard", []), ("small", ["rnn"])])
def test_a_table_has_the_cells_that_single_parses_give(name: str, models: list[str]) -> None:
    agree(table_named(name), models)


def test_so_has_a_nasty_one(folder: Path) -> None:
    plan = agree(written(folder, NASTY), [])
    assert {effort.budget.lr for effort in plan.efforts} >= {1e-4, 3e-3, 0.01, 0.002, 0.02}


@pytest.mark.parametrize(("row", "said"), WRONG.items(), ids=lambda value: value[:60])
def test_what_is_wrong_is_said_as_one_parse_says_it(row: str, said: str, folder: Path) -> None:
    table = written(folder, f"cells:\n- {{model: rnn, task: mqar}}\n- {row}\n")
    with pytest.raises(UsageError) as expected:
        one_by_one(table, [])
    with pytest.raises(UsageError) as got:
        expanded(table, [])
    assert said in str(got.value)
    assert str(got.value) == str(expected.value)


def outcome(make: Callable[[], list[str]]) -> list[str] | str:
    """What is made, or what is said against it."""
    try:
        return make()
    except UsageError as error:
        return str(error)


AXES: dict[str, list[Any]] = {
    "model": ["gru", "s4", "tcn", "gur"],
    "model.dim": [8, 16, 0],
    "task": ["mqar", "delayed_recall", "adding-600"],
    "regime": ["learn", "retain"],
    "lags": ["16,64", "8"],
    "budget.lr": [0.1, "x"],
    "budget.sequences": [3200, 7],
    "seed": [0, 7, "1", -1],
    "bisect": [True, "false"],
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(list(AXES)), st.data())
def test_any_row_is_what_single_parses_make_of_it(keys: list[str], data: st.DataObject) -> None:
    kept = {"model", "task", *data.draw(st.sets(st.sampled_from(keys), max_size=4))}
    row = {key: data.draw(st.lists(st.sampled_from(AXES[key]), min_size=1, max_size=2)) for key in keys if key in kept}
    table = Table("any", "Any", 0, [row])
    assert outcome(lambda: [cell.id for cell in one_by_one(table, [])]) == outcome(lambda: expanded(table, []).ids)


def test_every_option_of_a_cell_and_every_field_of_it_belongs_somewhere() -> None:
    fields = [*Question.model_fields, *Effort.model_fields]
    assert sorted([*fields, "version", "model", "seed"]) == sorted(Cell.model_fields)
    options = {option[2:].split(".")[0] for action in cell_parser()._actions for option in action.option_strings}
    assert {name.rstrip("+") for name in options} - {"h", "help", ""} <= {*GROUP, "seed"}


def test_parses_grow_with_the_sum_of_the_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("benchmark.expansion.make_cell", lambda *given: asked.append(given) or make_cell(*given))
    row = {"model": ["gru", "rnn", "s4"], "task": ["mqar", "latch"], "budget.lr": [0.1, 0.2], "seed": list(range(500))}
    assert len(expanded(Table("t", "T", 0, [row, row | {"seed": [501, 502]}]), []).ids) == 3 * 2 * 2 * 502
    assert len(asked) == 1 + 2 + 1 + 1


def cached(cache: Path) -> list[Path]:
    return sorted((cache / "plans").glob("*.json.gz"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPANBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


TABLE = "title: Two\ncore_seconds: 7\ncells:\n- {model: [gru, irnn], task: mqar, seed: [0, 1]}\n"


def test_a_plan_is_read_again_without_torch(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TABLE)
    plan = plan_for(str(path))
    assert (plan.name, plan.title, plan.core_seconds, len(plan.ids)) == ("two", "Two", 7, 4)
    code = (
        "import sys; from benchmark.plan import plan_for; plan = plan_for(sys.argv[1]); print(*plan.ids); "
        "assert [cell.id for cell in plan.cells()] == plan.ids; "
        "assert not {'torch', 'lightning', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.split() == plan.ids == [cell.id for cell in table_named(str(path)).cells()]


def test_an_open_tables_plan_is_of_its_models(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text("core_seconds: 7\ncells:\n- {task: mqar, seed: [0, 1]}\n")
    one, two = plan_for(str(path), ["gru"]), plan_for(str(path), ["gru", "rnn"])
    assert (len(one.ids), len(two.ids), two.core_seconds) == (2, 4, 14)
    assert plan_for(str(path), ["gru"]) == one
    with pytest.raises(UsageError, match="add --model"):
        plan_for(str(path))


def remade(monkeypatch: pytest.MonkeyPatch, path: Path) -> bool:
    made = []
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.expansion.expanded", lambda *given: made.append(given) or expanded(*given))
        plan_for(str(path))
    return bool(made)


def test_a_plan_is_made_again_when_what_it_follows_from_has_changed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TABLE)
    assert remade(monkeypatch, path)
    assert not remade(monkeypatch, path)
    path.write_text(TABLE.replace("[0, 1]", "[0, 2]"))
    assert remade(monkeypatch, path)
    sources = plans._sources()
    for name in ("benchmark/options.py", "models/gru.py", "leaderboard/cell.py", "configs/models/irnn.yaml"):
        assert TOP / name in sources
    changed = tmp_path / "changed.py"
    changed.write_text("")
    monkeypatch.setattr(plans, "TOP", Path("/"))
    monkeypatch.setattr(plans, "_sources", lambda: [changed])
    assert remade(monkeypatch, path)
    assert not remade(monkeypatch, path)
    changed.write_text("x = 1\n")
    assert remade(monkeypatch, path)
    monkeypatch.setattr(plans, "version", lambda library: f"{library} 99")
    assert remade(monkeypatch, path)


def test_what_lies_outside_the_checkout_is_not_kept(folder: Path, cache: Path) -> None:
    for row in (
        "{model: '{folder}/rated.py:Rated', task: mqar}",
        "{model: '{folder}/mine.yaml', task: mqar}",
        "{model: gru, task: planted, tokenizer: byte, corpus: '{text}'}",
    ):
        written(folder, f"cells:\n- {row}\n")
        assert len(plan_for(str(folder / "table.yaml")).ids) == 1
        assert not cached(cache)


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "flipped", "other", "number"])
def test_a_damaged_plan_is_made_again(
    damage: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TABLE)
    plan = plan_for(str(path))
    (kept,) = cached(cache)
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    far = json.loads(gzip.decompress(whole)) | {"rows": [[0, 9, 0, 0]] * 4}
    kept.write_bytes(
        {
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "garbage": b"{}",
            "flipped": bytes(flipped),
            "other": gzip.compress(b"{}"),
            "number": gzip.compress(json.dumps(far).encode()),
        }[damage]
    )
    assert remade(monkeypatch, path)
    assert plan_for(str(path)) == plan
    assert not remade(monkeypatch, path)


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TABLE)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPANBENCH_CACHE", str(tmp_path / "file"))
    assert len(plan_for(str(path)).ids) == 4


def test_old_plans_make_room(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "KEPT", 2)
    path = tmp_path / "two.yaml"
    for seed in range(4):
        path.write_text(TABLE.replace("[0, 1]", f"[{seed}]"))
        plan_for(str(path))
    assert len(cached(cache)) == 2
    assert not remade(monkeypatch, path)


def test_ids_at_other_seeds_are_those_of_the_cells() -> None:
    cell = one_by_one(Table("t", "T", 0, [{"model": "gru", "task": "mqar"}]), [])[0]
    seeds = [0, 1, 12345, 2**40]
    assert cell.ids(seeds) == [cell.model_copy(update={"seed": seed}).id for seed in seeds]
    assert len(set(itertools.chain(cell.ids(seeds), cell.ids([7])))) == 5
