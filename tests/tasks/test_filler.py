"""What is put before examples leaves their answers alone."""

from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.registry import entry, load_class
from tasks.base import Task
from tasks.corpora import Corpus
from tasks.draws import Draws
from tasks.feeds import SPLITS
from tasks.noisy_recall import NoisyRecall
from tasks.planted import VALUES, Planted
from tasks.tokenizers import Bpe, Byte, Char, Tokenizer
from tests.tasks.planted_texts import prose, texts, tokens
from tests.tasks.test_contract import synthetic

FIRST = {  # tasks whose oracle reads the first inputs, and what their filler may be made of
    "copy": lambda task, filler: filler == task.symbols,
    "copy-1000": lambda task, filler: filler == task.symbols,
    "delayed_recall": lambda task, filler: (filler >= task.symbols) & (filler < task.symbols + task.distractors),
    "mqar": lambda task, filler: filler >= task.half,
    "mqar-64x4": lambda task, filler: filler >= task.half,
    "reverse": lambda task, filler: filler == task.symbols,
    "two_timescales": lambda task, filler: (filler >= task.held) & (filler <= task.blank),
}
NONE = {"latch"}  # the first input is the source because it is the first


def built(name: str) -> Task:
    found = entry("tasks", name)
    return load_class(found["class_path"])(**found["init_args"])


def recall_tasks() -> list[str]:
    return [name for name in synthetic() if built(name).spec.lag_unit != "none" and name not in NONE]


@pytest.mark.parametrize("name", recall_tasks())
@pytest.mark.parametrize("by", [0, 1, 2, 37])
def test_answers_stay_and_positions_move(name: str, by: int) -> None:
    task = built(name)
    for lag in (task.spec.min_lag, max(24, task.spec.min_lag)):
        batch, moved = task.examples(0, "test", lag, 3, 50), task.shifted(0, "test", lag, 3, 50, by)
        assert moved is not None
        assert torch.equal(moved.inputs[:, by:], batch.inputs)
        assert moved.inputs.dtype == batch.inputs.dtype
        assert torch.equal(moved.positions, batch.positions + by)
        assert torch.equal(moved.targets, batch.targets)
        assert torch.equal(moved.lag_tokens, batch.lag_tokens)
        assert torch.equal(task.source_at(moved), task.source_at(batch) + by)
        filler = moved.inputs[:, :by]
        if name in FIRST:
            assert FIRST[name](task, filler).all()
            continue
        answers, asked = task.solve(moved.inputs, moved.positions), batch.targets != -100
        torch.testing.assert_close(answers[asked], batch.targets[asked])


@pytest.mark.parametrize("name", recall_tasks())
def test_what_is_filled_in_lies_among_the_inputs_of_the_task(name: str) -> None:
    task = built(name)
    filler = task.filler(Draws((0,), 0, 200), 40)
    assert filler is not None
    n = task.spec.n_inputs
    if task.spec.inputs == "channels":
        assert (filler.dtype, filler.shape) == (torch.float32, (200, 40, n))
    else:
        assert (filler.dtype, filler.shape) == (torch.int64, (200, 40))
        assert 0 <= filler.min() <= filler.max() < n
        examples = task.examples(0, "train", max(64, task.spec.min_lag), 0, 2000).inputs
        assert {*filler.unique().tolist()} <= {*examples.unique().tolist()}


@pytest.mark.parametrize("name", recall_tasks())
def test_the_same_for_every_batch_size_and_another_for_every_seed_and_split(name: str) -> None:
    task, lag = built(name), max(24, built(name).spec.min_lag)

    def drawn(seed: int, split: str, size: int) -> Tensor:
        parts = [task.shifted(seed, split, lag, at, min(size, 20 - at), 30) for at in range(0, 20, size)]  # pyright: ignore
        return torch.cat([part.inputs for part in parts if part is not None])[:, :30]

    whole = drawn(0, "test", 20)
    assert torch.equal(whole, drawn(0, "test", 7))
    if whole.unique().numel() > 1:  # all blanks are alike
        others = [drawn(seed, split, 20) for seed in (0, 1) for split in SPLITS]
        assert sum(torch.equal(whole, other) for other in others) == 1


def test_noise_is_as_frequent_before_the_pairs_as_behind_them() -> None:
    task = NoisyRecall(noise=0.2)
    share = float((task.filler(Draws((0,), 0, 400), 50) >= 2 * task.half).double().mean())
    assert share == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 20_000) ** 0.5)


@pytest.mark.parametrize("name", ["latch", "compression", "listops", "memorization", "parity", "pathfinder"])
def test_where_nothing_can_be_put_before_examples_there_is_none(name: str) -> None:
    task = built(name)
    assert task.filler(Draws((0,), 0, 3), 4) is None
    assert task.shifted(0, "test", max(16, task.spec.min_lag), 0, 3, 4) is None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prose(tmp_path_factory.mktemp("text"))


@pytest.mark.parametrize(
    "make", [Byte, Char, lambda: Bpe(300), lambda: Bpe(500)], ids=["byte", "char", "bpe-300", "bpe-500"]
)
@pytest.mark.parametrize("pairs", [1, 4])
def test_text_before_the_text(make: Callable[[], Tokenizer], pairs: int, corpus: Corpus) -> None:
    task = Planted(corpus, make(), pairs=pairs)
    whole, lag = corpus.split("test").tobytes(), task.spec.min_lag + 40
    batch = task.examples(2, "test", lag, 5, 30)
    for by in (0, 1, 2, 97):
        moved = task.shifted(2, "test", lag, 5, 30, by)
        assert torch.equal(moved.targets, batch.targets)
        assert torch.equal(task.solve(moved.inputs, moved.positions), batch.targets)
        for ids, text, before, lag_tokens in zip(
            tokens(moved), texts(task, moved), texts(task, batch), moved.lag_tokens.tolist(), strict=True
        ):
            assert text[by:] == before
            assert not any(cue in text[:by] for cue in task.cues)
            assert text[:by] == b"" or (text[by - 1 : by] == b"\n" and text[: by - 1] in whole)
            asked = before.rsplit(b"\n", 1)[1]
            source = text.index(asked) + len(asked)
            assert len(text) - source == lag
            assert text[source : source + 3].decode() in VALUES
            starts = [0, *accumulate(len(task.tokenizer.token_bytes[index]) for index in ids.tolist())]
            assert len(ids) - starts.index(source) == lag_tokens


def test_text_before_the_text_is_another_for_every_example(corpus: Corpus) -> None:
    task = Planted(corpus, Byte())
    rows = task.shifted(0, "test", 60, 0, 40, 50).inputs[:, :49]
    assert len({bytes(row.tolist()) for row in rows}) > 35
    parts = [task.shifted(0, "test", 60, at, 10, 50).inputs[:, :49] for at in range(0, 40, 10)]
    assert np.array_equal(torch.cat(parts), rows)
