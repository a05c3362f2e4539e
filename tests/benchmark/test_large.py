"""The full study: every cell of it can be asked, and nothing there is stays out."""

from collections import Counter, defaultdict
from functools import cache

import pytest

from benchmark.cells import build, build_task, train_bytes
from benchmark.listing import summary
from benchmark.plan import Plan, cell_of, plan_for
from benchmark.preflight import refuse_impossible
from benchmark.registry import CONFIGS, names
from leaderboard.cell import Cell

TOKENIZERS = {"char", "byte", "bpe-512", "bpe-2048", "bpe-8192"}


@cache
def plan() -> Plan:
    return plan_for("large")


@cache
def kinds() -> list[Cell]:
    """The first cell of each question, of the smallest model."""
    distinct = {row[1]: row for row in reversed(plan().rows)}
    return [
        cell_of(plan().models[model], plan().questions[question], plan().efforts[effort], seed)
        for model, question, effort, seed in distinct.values()
    ]


def test_it_has_every_model_and_every_task_at_five_seeds() -> None:
    assert {part.name for part in plan().models} == set(names("models"))
    assert {question.task.name for question in plan().questions} == set(names("tasks"))
    seeds = Counter(row[:3] for row in plan().rows)
    assert set(seeds.values()) == {5}
    assert {row[3] for row in plan().rows} == set(range(5))


def test_its_comment_counts_its_cells() -> None:
    text = (CONFIGS / "tables" / "large.yaml").read_text(encoding="utf-8")
    assert f"{len(plan().ids):,} cells" in summary(CONFIGS / "tables" / "large.yaml")
    assert "spanbench table large" in text


def test_only_models_that_read_ahead_are_left_out_and_only_where_they_would_cheat() -> None:
    asked: dict[int, set[str]] = defaultdict(set)
    for model, question, _, _ in plan().rows:
        asked[question].add(plan().models[model].name)
    ahead = {part.name for part in plan().models if not build(part).causal}
    assert ahead == {"bidirectional", "seq2seq_attention"}
    for number, question in enumerate(plan().questions):
        left_out = set(names("models")) - asked[number]
        assert left_out == (ahead if question.task.name == "language" else set())


def test_text_is_read_at_every_granularity_in_both_arms() -> None:
    arms: dict[tuple[str, str], set[str]] = defaultdict(set)
    lengths: dict[tuple[str, str], set[int]] = defaultdict(set)
    for question in plan().questions:
        if question.tokenizer is not None:
            key = question.task.name, question.task.init_args.get("arm", "") or question.regime
            arms[key].add(question.tokenizer.name)
            lengths[key].add(max(question.lags))
    assert arms[("language", "bytes")] == arms[("language", "tokens")] == TOKENIZERS
    assert all(arms[key] == TOKENIZERS for key in arms if key[0].startswith("planted"))
    assert lengths[("language", "bytes")] == lengths[("language", "tokens")] == {128, 512}


def test_the_tokens_arm_trains_on_as_many_bytes() -> None:
    """Within 2% of the arm in bytes: contexts of as many tokens, on as much text."""
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for cell in kinds():
        if cell.tokenizer is None or cell.task.name not in ("planted", "language") or cell.regime == "learn":
            continue
        task = build_task(cell)
        kappa = task.bytes_per_token or 1.0
        in_tokens = round(cell.horizon / kappa) if cell.task.name == "planted" else cell.horizon
        length = 512 if in_tokens > 320 or cell.horizon == 512 else 128
        found[cell.regime, length].append(train_bytes(cell, task) or 0)
    assert set(found) == {("retain", 128), ("retain", 512), ("language", 128), ("language", 512)}
    for spent in found.values():
        assert len(spent) >= 8
        assert max(spent) / min(spent) == pytest.approx(1, abs=0.02)


def test_no_question_is_refused_before_work_starts() -> None:
    refuse_impossible(kinds())
