"""Planted text: what the task says of itself, what it is shown as, and what it refuses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.corpora import Corpus
from tasks.feeds import SPLITS
from tasks.planted import CUES, VALUES, Planted
from tasks.tokenizers import Bpe, Byte, Char, Ids, Tokenizer
from tests.tasks.planted_texts import prose, read, texts, write


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prose(tmp_path_factory.mktemp("text"))


@pytest.mark.parametrize(
    ("heading", "cues", "values", "place"),
    [("lag=21", ["word"], ["car"], 0), ("lag=30, pairs=3", ["door", "word", "lamp"], ["car", "tar", "bar"], 1)],
)
def test_the_docstrings_examples_hold(
    corpus: Corpus, heading: str, cues: list[str], values: list[str], place: int
) -> None:
    example = (Planted.__doc__ or "").split(f"{heading}\n\n")[1].split("\n\n")[0]
    expected = "\n".join(line.strip() for line in example.splitlines()).encode()
    task, pairs = Planted(corpus, Byte(), pairs=len(cues)), len(cues)
    named = [task.cues.index(f"{cue}=".encode()) for cue in cues]
    told = [VALUES.index(value) for value in values]
    (text,) = task.texts(np.array([named]), np.array([told]), np.array([place]), [b"to be or no"])
    assert text == expected
    assert len(text) - text.index(values[place].encode()) == int(heading[4:6])
    assert read(text, pairs) == (list(zip(cues, values, strict=True)), b"to be or no", "word")
    inputs = torch.tensor([[*text]])
    assert task.answered(task.solve(inputs, torch.tensor([[len(text) - 1]]))[0]) == [values[place]]


def test_the_spec_and_the_facts(corpus: Corpus) -> None:
    for pairs in range(1, 8):
        spec = Planted(corpus, Char(), pairs=pairs).spec
        assert (spec.inputs, spec.n_outputs, spec.metric, spec.lag_unit) == ("symbols", 8, "accuracy", "bytes")
        assert spec.chance == {1: 1 / 8, 2: 1 / 2, 3: 1 / 3, 4: 1 / 4, 5: 1 / 4, 6: 1 / 3, 7: 1 / 2}[pairs]
        assert (spec.baseline, spec.min_lag) == (1 / 8, 9 * pairs + 1)
    task = Planted(corpus, Bpe(300))
    test = corpus.split("test").tobytes()
    assert task.splits.keys() == {*SPLITS}
    assert task.splits["test"] == (corpus.split_digest("test"), corpus.n_documents("test"), len(test))
    assert task.tokenizer_digest == task.tokenizer.digest
    assert task.bytes_per_token == len(test) / len(task.tokenizer.encode([test])[0])


def test_the_shortest_lag_leaves_no_filler_behind_the_first_line(corpus: Corpus) -> None:
    task = Planted(corpus, Byte(), pairs=4)
    stories = [read(text, 4) for text in texts(task, task.examples(0, "train", 37, 0, 200))]
    places = [[cue for cue, _ in told].index(asked) for told, _, asked in stories]
    assert {(place, len(filler)) for place, (_, filler, _) in zip(places, stories, strict=True)} == {
        (place, 9 * place) for place in range(4)
    }
    with pytest.raises(ValueError, match="at least 37, got 36"):
        task.examples(0, "train", 36, 0, 1)


@pytest.mark.parametrize(("cue", "pairs"), [("word", 1), ("word", 4), ("an old key", 3)])
def test_bytes_of_an_example(corpus: Corpus, cue: str, pairs: int) -> None:
    task = Planted(corpus, Byte(), cue, pairs)
    sizes = (task.examples(0, "train", 200, 0, 4000).positions + 1).double()
    assert abs(task.n_bytes(200) - float(sizes.mean())) <= 0.5 + 4 * float(sizes.std()) / 4000**0.5


@pytest.mark.parametrize("pairs", [1, 7])
@pytest.mark.parametrize("tokenizer", [Byte(), Bpe(300)], ids=["byte", "bpe-300"])
@pytest.mark.parametrize("cue", ["k", "the old key", "café", "東京", "x1", "'s", "door", "trapdoor"])
def test_any_cue_keeps_the_lag(corpus: Corpus, tokenizer: Tokenizer, cue: str, pairs: int) -> None:
    task = Planted(corpus, tokenizer, cue, pairs)
    for text in texts(task, task.examples(0, "val", 120, 0, 20)):
        told, _, asked = read(text, pairs)
        cues = [each for each, _ in told]
        assert cue in cues
        assert len({*cues}) == pairs
        assert {*cues} <= {cue, *CUES}
        assert text.count(f"{asked}=".encode()) == 2  # no cue ends in another one
        assert len(text) - text.index(f"{asked}=".encode()) - len(f"{asked}=".encode()) == 120


def test_an_example_can_be_read(tmp_path: Path) -> None:
    task = Planted(write(tmp_path, b"to be or no\tt\n" * 30), Bpe(260))
    batch = task.examples(0, "train", 40, 0, 1)
    shown = "".join(task.written(batch.inputs[0]))
    value = task.answered(batch.targets[0])[0]
    assert shown.startswith(f"word={value}↵")
    assert shown.endswith("↵word=")
    assert not {*" \t\n"} & {*shown}
    assert task.answered(torch.tensor([0, 7])) == ["bar", "war"]


@pytest.mark.parametrize("cue", ["", "a=b", "two\nlines"])
def test_a_cue_that_could_be_mistaken_is_refused(corpus: Corpus, cue: str) -> None:
    with pytest.raises(ValueError, match="a cue is a word without"):
        Planted(corpus, Byte(), cue)


@pytest.mark.parametrize("pairs", [0, 8])
def test_more_pairs_than_values_are_refused(corpus: Corpus, pairs: int) -> None:
    with pytest.raises(ValueError, match=f"pairs must be from 1 to 7, got {pairs}"):
        Planted(corpus, Byte(), pairs=pairs)


def test_a_corpus_without_room_is_refused(tmp_path: Path) -> None:
    task = Planted(write(tmp_path, b"word= " * 200), Byte())
    size = task.corpus.n_bytes("val")
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
    ("old", "new", "pairs", "message"),
    [
        (b"=car", b"=bar", 1, "after 'word=' this tokenizer begins bar, car with the same token"),
        (b"=mar", b"#mar", 1, "joins 'word=' to mar: choose another cue"),
        (b"war\n", b"tar\n", 1, "begins tar, war with the same token"),  # only where it is told
        (b"\nlamp=far\n", b"\nlamp=jar\n", 3, "after 'lamp=' this tokenizer begins far, jar"),  # not in the first line
        (b"r=par", b"r#par", 2, "joins 'door=' to par"),
    ],
)
def test_a_tokenizer_that_confuses_the_words_is_refused(
    corpus: Corpus, old: bytes, new: bytes, pairs: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Planted(corpus, Crude(old, new), pairs=pairs)


def test_a_blank_must_be_kept_apart_as_well(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="joins 'word=' to xxx"):
        Planted(corpus, Crude(b"=xxx", b"#xxx"), blank=True)
    Planted(corpus, Crude(b"=xxx", b"#xxx"))
    Planted(corpus, Crude(b"=car\n", b"#car\n"), blank=True)  # which is not told
