"""Language modelling of text: windows and scored blocks, checked on the decoded bytes."""

from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tasks.base import Batch
from tasks.corpora import Corpus
from tasks.draws import Draws
from tasks.feeds import SPLITS, Feed
from tasks.language import Language
from tasks.text_batches import BlockBatches, ResetBatches
from tasks.tokenizers import Bpe, Byte, Char, Ids, Tokenizer

LINES = (
    "Die Straße nach 東京 war naß, said he;\n",
    "    if word == 'cue': return x1 += 42\n",
    "“To be”, or not to be … that’s the question.\n\n",
)
TOKENIZERS: dict[str, Tokenizer] = {"byte": Byte(), "char": Char(), "bpe-300": Bpe(300), "bpe-500": Bpe(500)}


class Prose(Corpus):
    """Fifty documents of random lines."""

    def read(self) -> Iterator[tuple[str, bytes]]:
        rng = np.random.default_rng(0)
        for n in range(50):
            yield f"document {n}", "".join(rng.choice(LINES, 60 + n)).encode()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Prose()


@pytest.fixture(scope="module", params=[(name, arm) for name in TOKENIZERS for arm in ("bytes", "tokens")])
def task(request: pytest.FixtureRequest, corpus: Corpus) -> Language:
    name, arm = request.param
    return Language(corpus, TOKENIZERS[name], arm, block=32)


def feed(batch_size: int = 8, contexts: tuple[int, ...] = (24,), n: int = 40) -> Feed:
    longest = max(contexts)
    return Feed(0, batch_size, (longest, longest), (longest,), contexts, n_val=n, n_test=n)


def inputs_of(batch: Batch) -> list[Ids]:
    """The ids of each row without its padding."""
    lengths = (batch.positions.masked_fill(batch.targets < 0, -1).amax(1) + 1).tolist()
    return [row[:length].numpy() for row, length in zip(batch.inputs, lengths, strict=True)]


def scored(task: Language, context: int, n: int = 40) -> tuple[Batch, list[bytes], list[bytes]]:
    """A batch of all test blocks, with each block's text and that of its document before it."""
    blocks = task.blocks("test", n, context)
    text, ends = task.corpus.split("test").tobytes(), np.append(0, task.corpus.ends("test"))
    own = [text[low:high] for low, high in zip(blocks.starts, blocks.ends, strict=True)]
    past = [text[ends[d] : low] for low, d in zip(blocks.starts, blocks.documents, strict=True)]
    return task.scored(blocks, "test", context), own, past


@pytest.mark.parametrize("context", [4, 5, 24])
def test_a_block_follows_exactly_its_context(task: Language, context: int) -> None:
    batch, own, past = scored(task, context)
    for i, ids in enumerate(inputs_of(batch)):
        targets = batch.targets[i][batch.targets[i] >= 0].numpy()
        before = ids[: len(ids) + 1 - len(targets)]
        assert task.tokenizer.decode(targets) == own[i]
        assert past[i].endswith(task.tokenizer.decode(before))
        assert len(before) == int(batch.lag_tokens[i])
        if task.arm == "tokens":
            assert len(before) == context
        else:  # at most three bytes of a character that the cut would split are left out
            assert 0 <= context - len(task.tokenizer.decode(before)) <= 3
            if past[i][-context] & 0xC0 != 0x80:
                assert len(task.tokenizer.decode(before)) == context


def test_every_target_is_the_input_that_follows(task: Language) -> None:
    task.serve(feed())
    for batch in [*islice(task.train_dataloader(), 5), scored(task, 24)[0]]:
        asked = batch.targets >= 0
        last = torch.tensor([len(ids) - 1 for ids in inputs_of(batch)])[:, None]
        inside = asked & (batch.positions < last)
        assert (task.solve(batch.inputs, batch.positions)[inside] == batch.targets[inside]).all()
        assert asked[:, 0].all()


def test_all_tokenizers_and_contexts_are_scored_on_the_same_bytes(corpus: Corpus) -> None:
    for arm in ("bytes", "tokens"):
        tasks = [Language(corpus, tokenizer, arm, block=32) for tokenizer in TOKENIZERS.values()]
        found = {tuple(scored(task, context)[1]) for task in tasks for context in (24,)}
        assert len(found) == 1
        for task in tasks:
            blocks = task.blocks("test", 40, 24)
            for context in (4, 24):
                assert task.scored(blocks, "test", context).n_bytes.tolist() == (blocks.ends - blocks.starts).tolist()  # pyright: ignore


def test_windows_are_stretches_of_the_train_split(task: Language, corpus: Corpus) -> None:
    text = corpus.split("train").tobytes()
    batch = task.pieces(Draws((0,), 0, 300), 48, "train")
    sizes = []
    for ids, targets in zip(inputs_of(batch), batch.targets, strict=True):
        piece = task.tokenizer.decode(ids)
        assert piece + task.tokenizer.decode(targets[len(ids) - 1 : len(ids)].tolist()) in text
        sizes.append(len(ids) if task.arm == "tokens" else len(piece))
    assert np.mean(sizes) == pytest.approx(48, abs=0 if task.arm == "tokens" else 0.5)


def test_batches_hold_equal_numbers_of_bytes_however_long_their_windows(task: Language) -> None:
    task.serve(feed(batch_size=4, contexts=(96,)))
    batches = ResetBatches(task, task.feed)  # pyright: ignore
    full, sizes = task.window(96), {}
    for index, batch in zip(range(60), batches, strict=False):
        halved = batches.halvings(index)
        assert len(batch.inputs) == 4 << halved
        total = sum(len(ids) if task.arm == "tokens" else len(task.tokenizer.decode(ids)) for ids in inputs_of(batch))
        sizes.setdefault(halved, []).append(total / (4 * full))
    assert set(sizes) == {0, 1, 2, 3}
    for found in sizes.values():
        assert np.mean(found) == pytest.approx(1, abs=0.09)
    shares = np.bincount([batches.halvings(index) for index in range(2000)]) / 2000
    assert shares == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.04)


def test_ranks_share_batches_and_blocks_without_changing_them(task: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    def served(rank: int, world: int) -> tuple[list[list[int]], list[list[int]]]:
        monkeypatch.setattr(Language, "rank", lambda _: (rank, world))
        task.serve(feed())
        train = [ids.tolist() for batch in islice(task.train_dataloader(), 4) for ids in inputs_of(batch)]
        test = [ids.tolist() for batch in task.test_dataloader()[0] for ids in inputs_of(batch)]
        return train, test

    whole, parts = served(0, 1), [served(rank, 3) for rank in range(3)]
    assert sorted(whole[0]) == sorted(row for train, _ in parts for row in train)
    assert whole[1] == [row for _, test in parts for row in test]


def test_seeds_change_windows_but_never_blocks(task: Language) -> None:
    def batches(seed: int) -> tuple[Batch, list[Batch]]:
        task.serve(Feed(seed, 8, (24, 24), (24,), (24,), 40, 40))
        return next(iter(task.train_dataloader())), list(task.test_dataloader()[0])

    (one, first), (other, second) = batches(0), batches(1)
    assert one.inputs.shape != other.inputs.shape or not torch.equal(one.inputs, other.inputs)
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(first, second, strict=True))


class Merging(Byte):
    """Bytes, but a semicolon and the blank after it are one token: a block that begins there has no edge."""

    def encode(self, texts: list[bytes]) -> list[Ids]:  # pyright: ignore
        return [np.array(list(text.replace(b"; ", b"~")), np.int64) for text in texts]


def test_a_block_that_a_tokenizer_does_not_keep_is_dropped() -> None:
    class Odd(Corpus):
        def read(self) -> Iterator[tuple[str, bytes]]:
            yield "odd", b"ab; cd e " * 3000

    task = Language(Odd(), Byte(), block=32)
    blocks = task.blocks("test", 60, 24)
    task.tokenizer = Merging()
    batch = task.scored(blocks, "test", 24)
    text = task.corpus.split("test").tobytes()
    kept = [text[start - 1 : start] != b";" for start in blocks.starts]
    assert 5 < sum(kept) < len(kept)
    assert (batch.n_bytes > 0).tolist() == kept  # pyright: ignore
    assert (batch.targets >= 0).any(1).tolist() == kept


def test_facts_and_refusals(task: Language, corpus: Corpus) -> None:
    spec = task.spec
    assert (spec.metric, spec.chance, spec.lag_unit, spec.teacher_forced) == ("bits_per_byte", 8, task.arm, True)
    assert spec.strength(2.0) == 0.75
    assert spec.n_inputs == spec.n_outputs == task.tokenizer.vocab_size
    assert set(task.splits) == set(SPLITS)
    text = corpus.split("test").tobytes()
    assert task.splits["test"][1:] == (10, len(text))
    assert task.bytes_per_token == pytest.approx(len(text) / len(task.tokenizer.encode([text])[0]))
    kappa = task.bytes_per_token if task.arm == "tokens" else 1
    assert task.n_bytes(64) == round((64 + round(32 / kappa)) * kappa)
    with pytest.raises(ValueError, match='arm must be one of bytes, tokens, got "words"'):
        Language(corpus, Byte(), "words")  # pyright: ignore
    with pytest.raises(ValueError, match=r"the train split has \d+ bytes, too few for windows of 1000000"):
        task.pieces(Draws((0,), 0, 1), 1_000_000, "train")
    with pytest.raises(ValueError, match="no document is long enough"):
        BlockBatches(task, feed(contexts=(9000,)), "test", 9000, 40)


def test_ranks_share_every_batch_and_training_goes_on_from_its_step(
    task: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and padding are those of the whole batch, which each part knows the size of."""
    task.serve(feed(batch_size=5))
    whole = list(islice(task.train_dataloader(), 6))
    parts = []
    for rank in range(2):
        at = SimpleNamespace(global_step=2, global_rank=rank, world_size=2)
        monkeypatch.setattr(task, "trainer", at)
        parts.append(list(islice(task.train_dataloader(), 4)))
    for batch, *shared in zip(whole[2:], *parts, strict=True):
        for name in ("inputs", "positions", "targets", "lag_tokens"):
            assert torch.cat([getattr(each, name) for each in shared]).equal(getattr(batch, name))
        assert [int(each.n_whole) for each in shared] == [len(batch.inputs)] * 2
