"""What is put in place of text: as many tokens and bytes, where it should be, and nowhere else."""

import numpy as np
import pytest
import torch

from tasks.base import Asked, Batch
from tasks.donors import Donors
from tasks.language import Language
from tasks.text_changes import TextChanges
from tests.tasks.test_language import TOKENIZERS, Prose, inputs_of

CONTEXT, WIDTH, WINDOW = 60, 6, 12


@pytest.fixture(scope="module", params=[(name, arm) for name in TOKENIZERS for arm in ("bytes", "tokens")])
def task(request: pytest.FixtureRequest) -> Language:
    name, arm = request.param
    return Language(Prose(), TOKENIZERS[name], arm, block=32)


def asked(*lags: int) -> Asked:
    return Asked(0, lags, 12, CONTEXT, WIDTH, WINDOW)


def text_of(task: Language, row: torch.Tensor) -> bytes:
    return task.tokenizer.decode(row.numpy())


@pytest.mark.parametrize("lag", [1, 2, 5, 17, 40])
def test_the_change_lies_where_it_should_and_nowhere_else(task: Language, lag: int) -> None:
    moved = 0
    for _, at, changed in task.disturbances(asked(lag)):
        if at == 0:
            continue
        for row, before in enumerate(changed.batch.lag_tokens.tolist()):
            old, new = changed.batch.inputs[row], changed.inputs[row]
            places = (old != new).nonzero().flatten().tolist()
            if not changed.lags[row]:
                assert places == []
                continue
            moved += 1
            nearest = before - int(changed.lag_tokens[row])  # the last token of what was replaced
            between = len(text_of(task, old[nearest + 1 : before]))
            far = between + 1 if task.arm == "bytes" else before - nearest
            assert int(changed.lags[row]) == far >= lag
            if nearest + 1 < before:  # one token nearer would be too near
                nearer = len(task.tokenizer.token_bytes[int(old[nearest + 1])]) if task.arm == "bytes" else 1
                assert far - nearer < lag
            assert max(places) == nearest
            assert 0 < len(text_of(task, old[min(places) : nearest + 1])) < WIDTH + 40
            assert len(text_of(task, old)) == len(text_of(task, new))  # equal bytes; tokens are equal by shape
    assert moved > 6


def test_no_less_than_the_width_is_replaced_and_no_token_more() -> None:
    task = Language(Prose(), TOKENIZERS["bpe-300"], block=32)
    changes = TextChanges(task, WIDTH, WINDOW)
    context = task.tokenizer.encode([b"to be or not to be that is the question"])[0]
    for lag in (1, 4, 9):
        start, stop = changes._part(context, lag)
        text = task.tokenizer.decode(context[start:stop])
        assert len(text) >= WIDTH > len(task.tokenizer.decode(context[start + 1 : stop]))
    assert changes._part(context, 39) == (0, 0)  # one byte is left there


def test_what_is_watched_begins_in_the_window(task: Language) -> None:
    changes = TextChanges(task, WIDTH, WINDOW)
    for _, batch in changes.batches(task.targets(asked(1)), CONTEXT):
        watched = changes.watched(batch)
        for row in range(len(batch.inputs)):
            own = batch.targets[row][batch.targets[row] >= 0].tolist()
            begins = np.cumsum([0, *(len(task.tokenizer.token_bytes[i]) for i in own)])[:-1]
            expected = [i for i, begin in zip(own, begins, strict=True) if begin < WINDOW]
            assert watched.targets[row][watched.targets[row] >= 0].tolist() == expected


def test_the_future_lies_behind_all_that_is_watched(task: Language) -> None:
    moved = 0
    for _, lag, changed in task.disturbances(asked(4)):
        for row in range(len(changed.inputs)) if lag == 0 else ():
            last = int(changed.batch.positions[row].masked_fill(changed.batch.targets[row] < 0, -1).max())
            places = (changed.batch.inputs[row] != changed.inputs[row]).nonzero().flatten()
            assert (places > last).all()
            moved += len(places) > 0
    assert moved > 6


def test_a_block_that_is_watched_whole_has_a_future_all_the_same() -> None:
    task = Language(Prose(), TOKENIZERS["bpe-300"], block=4)
    asked_for = Asked(0, (4,), 12, CONTEXT, WIDTH, 100)
    (changed,) = [changed for _, lag, changed in task.disturbances(asked_for) if lag == 0]
    assert (changed.batch.inputs != changed.inputs).any(1).all()


def documents_with(task: Language, text: bytes) -> set[int]:
    found = enumerate(task.corpus.documents("test"))
    return {n for n, document in found if text in document}


@pytest.mark.parametrize("context", [8, 30])
def test_a_foreign_past_is_another_documents_and_the_near_one_its_own(task: Language, context: int) -> None:
    changes, blocks, kept = TextChanges(task, WIDTH, WINDOW), task.blocks("test", 20, CONTEXT), 0
    pairs = zip(changes.batches(blocks, CONTEXT), changes.batches(blocks, context, CONTEXT), strict=True)
    for (first, whole), (_, near) in pairs:
        batch = changes.foreign(blocks, first, whole, near)
        rows = zip(inputs_of(whole), inputs_of(near), strict=True)
        for row, (own, close) in enumerate(rows):
            if (batch.targets[row] < 0).all():
                assert batch.n_bytes is not None
                assert batch.n_bytes[row] == 0
                continue
            kept += 1
            found = batch.inputs[row, : len(own)].numpy()
            far = len(own) - len(close)
            assert np.array_equal(found[far:], close)
            assert len(task.tokenizer.decode(found[:far])) == len(task.tokenizer.decode(own[:far]))
            text = task.tokenizer.decode(found[:far])
            assert documents_with(task, text.decode(errors="ignore").encode())  # real text
            assert torch.equal(batch.targets[row], whole.targets[row])
    assert kept > 10


def test_donors_fit_and_depend_on_what_is_asked_alone() -> None:
    task = Language(Prose(), TOKENIZERS["bpe-500"], block=32)
    ids = task.tokenizer.encode([b" or not to be"])[0]
    first, again = (Donors(task.corpus, task.tokens("test")) for _ in range(2))
    first.like(ids[:2], (9,))
    found = first.like(ids, (1, 2), document=3)
    assert found is not None
    second = again.like(ids, (1, 2), document=3)
    assert second is not None
    assert np.array_equal(found, second)
    assert len(found) == len(ids)
    assert task.tokenizer.lengths[found].sum() == task.tokenizer.lengths[ids].sum()
    assert documents_with(task, task.tokenizer.decode(found)) - {3}
    assert first.like(np.zeros(10**6, np.int64), (1,)) is None  # no stretch is that long
    assert first.like(ids[:0], (1,)) is None


def test_rows_that_ask_nothing_stay_as_they_are() -> None:
    task = Language(Prose(), TOKENIZERS["byte"], block=32)
    changes = TextChanges(task, WIDTH, WINDOW)
    _, batch = next(changes.batches(task.targets(asked(1)), CONTEXT))
    silent: Batch = batch._replace(targets=torch.full_like(batch.targets, -100))
    assert torch.equal(changes.replaced(silent, 4, 0).inputs, batch.inputs)
    assert not changes.replaced(silent, 4, 0).lags.any()
