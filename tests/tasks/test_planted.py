"""Planted text: every claim checked on the decoded bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from tasks.base import SPLITS, Batch, Split
from tasks.corpora import Corpus, Files
from tasks.draws import Draws
from tasks.planted import VALUES, Planted
from tasks.tokenizers import Bpe, Byte, Char, Ids, Tokenizer

LINES = (
    "Die Straße nach 東京 war naß, 𝄞 said he;\n",
    "    if word == 'cue': return x1 += 42\n",
    "\n\na password=hunter2, word=none, keyword=car\n",
    "“To be”, or not to be … that’s the question.\n",
)
TOKENIZERS = {"byte": Byte(), "char": Char(), "bpe-300": Bpe(300), "bpe-500": Bpe(500)}


def write(folder: Path, text: bytes) -> Files:
    (folder / "text.txt").write_bytes(text)
    return Files(str(folder))


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPANBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    rng = np.random.default_rng(0)
    text = "".join(LINES[i] for i in rng.choice(4, 6000, p=(0.4, 0.2, 0.02, 0.38)))
    return write(tmp_path_factory.mktemp("text"), text.encode())


@pytest.fixture(scope="module", params=TOKENIZERS)
def task(request: pytest.FixtureRequest, corpus: Corpus) -> Planted:
    return Planted(corpus, TOKENIZERS[request.param])


def tokens(batch: Batch) -> list[Ids]:
    """The ids of each example, up to the position that answers."""
    return [row[: last + 1].numpy() for row, last in zip(batch.inputs, batch.positions[:, 0].tolist(), strict=True)]


def oracle(text: bytes) -> str:
    """Read the value from the text's first line."""
    first, *_, question = text.split(b"\n")
    assert first.startswith(question)
    return first.removeprefix(question).decode()


@pytest.mark.parametrize("lag", [10, 11, 14, 33, 200])
@pytest.mark.parametrize("split", SPLITS)
def test_the_value_stands_exactly_lag_bytes_before_the_end(task: Planted, corpus: Corpus, split: Split, lag: int):
    batch = task.examples(3, split, lag, 5, 20)
    for ids, target, lag_tokens in zip(tokens(batch), batch.targets[:, 0], batch.lag_tokens.tolist(), strict=True):
        text = task.tokenizer.decode(ids)
        value = VALUES[target]
        assert text.decode().startswith(f"word={value}\n")
        assert oracle(text) == value
        assert len(text) - text.index(b"word=") - len(b"word=") == lag
        filler = text.removeprefix(f"word={value}\n".encode()).removesuffix(b"\nword=")
        assert len(filler) == lag - 10
        assert filler.decode().encode() in corpus.split(split)
        assert text.count(b"word=") == 2
        starts = [len(task.tokenizer.decode(ids[:n])) for n in range(len(ids))]
        assert len(ids) - starts.index(len(b"word=")) == lag_tokens
        asked = task.tokenizer.encode([text + value.encode()])[0].tolist()
        assert asked[: len(ids)] == ids.tolist()
        assert asked[len(ids)] in task.first_tokens
        assert [VALUES[target]] == [v for v, f in zip(VALUES, task.first_tokens, strict=True) if f == asked[len(ids)]]


def test_shapes_types_and_padding(task: Planted):
    batch = task.examples(0, "train", 40, 0, 9)
    n, length = batch.inputs.shape
    assert (n, batch.positions.shape, batch.targets.shape, batch.lag_tokens.shape) == (9, (9, 1), (9, 1), (9,))
    assert {tensor.dtype for tensor in batch} == {torch.int64}
    assert int(batch.positions.max()) == length - 1
    for row, last in zip(batch.inputs, batch.positions[:, 0].tolist(), strict=True):
        assert not row[last + 1 :].any()
    assert int(batch.inputs.max()) < task.spec.n_inputs == task.tokenizer.vocab_size
    assert task.examples(0, "train", 40, 0, 0).inputs.shape == (0, 0)


def test_the_same_examples_for_every_batch_size(task: Planted):
    def run(size: int) -> list[tuple[list[int], int]]:
        batches = [task.examples(1, "test", 90, first, min(size, 33 - first)) for first in range(0, 33, size)]
        return [
            (ids.tolist(), int(t)) for batch in batches for ids, t in zip(tokens(batch), batch.targets, strict=True)
        ]

    assert run(1) == run(7) == run(32)
    assert len({tuple(ids) for ids, _ in run(32)}) > 25


def test_splits_and_seeds_give_other_examples(task: Planted):
    drawn = [task.examples(seed, split, 60, 0, 4) for seed in (0, 1) for split in SPLITS]
    assert len({tuple(map(bytes, tokens(batch))) for batch in drawn}) == len(drawn)


def test_values_are_uniform(corpus: Corpus):
    targets = Planted(corpus, Byte()).examples(0, "train", 10, 0, 8000).targets
    assert chisquare(np.bincount(targets[:, 0], minlength=8)).pvalue > 1e-4


def test_the_filler_is_uniform_over_the_places_that_fit(tmp_path: Path):
    text = "é∂word=1" + "".join(chr(0x100 + n) for n in range(60)) + "1234"
    corpus = write(tmp_path, text.encode())
    text = corpus.split("train").decode()
    fillers = Planted(corpus, Byte()).filler(Draws((0,), 0, 8000), 8, "train")
    counts = np.unique([row.tobytes().decode() for row in fillers], return_counts=True)
    fitting = [low for low in range(len(text)) for high in range(low, len(text) + 1) if _fits(text[low:high])]
    assert len(counts[0]) == len(fitting)
    assert chisquare(counts[1]).pvalue > 1e-4


def _fits(piece: str) -> bool:
    return len(piece.encode()) == 8 and "word=" not in piece


def guess(task: Planted, blank: bool) -> float:
    """Accuracy of naive Bayes on the byte counts of the text, the told word blanked or not."""

    def features(split: Split) -> tuple[np.ndarray, np.ndarray]:
        batch = task.examples(0, split, 14, 0, 4000)
        texts = [task.tokenizer.decode(ids) for ids in tokens(batch)]
        seen = [text[8:] if blank else text for text in texts]
        return np.array([np.bincount([*text], minlength=256) for text in seen]), batch.targets[:, 0].numpy()

    (x, y), (x_test, y_test) = features("train"), features("test")
    counts = np.stack([x[y == value].sum(0) for value in range(8)]) + 1.0
    scores = x_test @ np.log(counts / counts.sum(1, keepdims=True)).T
    return float((scores.argmax(1) == y_test).mean())


def test_without_the_cue_sentence_no_trace_of_the_answer_is_left(corpus: Corpus):
    task = Planted(corpus, Byte())
    assert guess(task, blank=False) > 0.6
    assert abs(guess(task, blank=True) - task.spec.chance) < 4 * np.sqrt(0.125 * 0.875 / 4000)


def test_the_docstring_example_holds(tmp_path: Path):
    lines = (Planted.__doc__ or "").split("lag=21\n\n")[1].splitlines()[:3]
    text = "\n".join(line.strip() for line in lines).encode()
    task = Planted(write(tmp_path, b"to be or no" * 30), Byte())
    filler = np.frombuffer(b"to be or no", np.uint8)[None]
    assert task.texts(np.array([VALUES.index("car")]), filler).tobytes() == text
    assert len(text) - text.index(b"car") == 21
    assert oracle(text) == "car"


def test_the_spec_and_the_facts(task: Planted, corpus: Corpus):
    spec = task.spec
    assert (spec.inputs, spec.n_outputs, spec.metric, spec.lag_unit) == ("symbols", 8, "accuracy", "bytes")
    assert (spec.chance, spec.baseline, spec.min_lag) == (1 / 8, 1 / 8, 10)
    with pytest.raises(ValueError, match="at least 10, got 9"):
        task.examples(0, "train", 9, 0, 1)
    assert task.split_digests == {split: corpus.split_digest(split) for split in SPLITS}
    assert task.tokenizer_digest == task.tokenizer.digest
    text = corpus.split("test")
    assert task.bytes_per_token == len(text) / len(task.tokenizer.encode([text])[0])


@pytest.mark.parametrize("cue", ["k", "the old key", "café", "東京", "x1", "'s"])
def test_any_cue_keeps_the_lag(task: Planted, corpus: Corpus, cue: str):
    other = Planted(corpus, task.tokenizer, cue)
    assert other.spec.min_lag == len(f"bar\n\n{cue}=".encode())
    batch = other.examples(0, "val", 50, 0, 20)
    for ids, target in zip(tokens(batch), batch.targets[:, 0], strict=True):
        text = other.tokenizer.decode(ids)
        assert oracle(text) == VALUES[target]
        assert len(text) - len(f"{cue}=".encode()) == 50
        assert text.count(f"{cue}=".encode()) == 2


@pytest.mark.parametrize("cue", ["", "a=b", "two\nlines"])
def test_a_cue_that_could_be_mistaken_is_refused(corpus: Corpus, cue: str):
    with pytest.raises(ValueError, match="a cue is a word without"):
        Planted(corpus, Byte(), cue)


def test_a_text_too_short_or_without_room_is_refused(tmp_path: Path):
    task = Planted(write(tmp_path, b"word= " * 200), Byte())
    size = len(task.corpus.split("val"))
    with pytest.raises(ValueError, match=f"val split has {size} bytes, too few for a filler of {size + 1}"):
        task.examples(0, "val", size + 11, 0, 1)
    with pytest.raises(ValueError, match="no 40 bytes of the train split without 'word='"):
        task.examples(0, "train", 50, 0, 4)


class Crude(Tokenizer):
    """Bytes, with what `change` makes of them."""

    vocab_size = 256

    def __init__(self, old: bytes, new: bytes) -> None:
        self.change = (old, new)

    def encode(self, texts: Sequence[bytes]) -> list[Ids]:
        return [np.array(list(text.replace(*self.change)), np.int64) for text in texts]

    def _learn(self, corpus: Corpus) -> None:
        pass

    def _spell(self) -> list[bytes]:
        return [bytes([value]) for value in range(256)]

    def _identity(self) -> bytes:
        return b"crude"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"=car", b"=bar", "begins bar, car with the same token"),
        (b"=mar", b"#mar", "joins .* to mar: choose"),
        (b"war\n", b"tar\n", "begins tar, war with the same token"),  # only where it is told
    ],
)
def test_a_tokenizer_that_confuses_the_values_is_refused(corpus: Corpus, old: bytes, new: bytes, message: str):
    with pytest.raises(ValueError, match=message):
        Planted(corpus, Crude(old, new))
