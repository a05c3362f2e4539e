"""Bits per byte against closed forms: a uniform model, the chain rule, and a source of known entropy."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from benchmark.lit_sequence import LitSequence
from benchmark.measures.context import block_losses
from benchmark.measures.recall import feed_for
from benchmark.metrics import BlockNats
from benchmark.run_options import TrainerOptions
from benchmark.training import fit
from leaderboard.cell import Budget
from models.gru import Gru
from models.tcn import Tcn
from tasks.blocks import Blocks
from tasks.corpora import Corpus
from tasks.language import Language
from tasks.tokenizers import Bpe, Byte, Char, Tokenizer
from tests.benchmark.cells import cell

TOKENIZERS: dict[str, type[Tokenizer] | object] = {"byte": Byte, "char": Char, "bpe-300": lambda: Bpe(300)}
SYMBOLS = "abcde "


def transitions() -> np.ndarray:
    """P(next | last) of a Markov source: no blank follows a blank, so that every blank begins a word."""
    p = np.random.default_rng(1).dirichlet(np.full(len(SYMBOLS), 0.7), len(SYMBOLS))
    p[-1, -1] = 0
    return p / p.sum(1, keepdims=True)


def entropy_rate(p: np.ndarray) -> float:
    """Σ π(i) H(P(i, ·)) in bits, π the left eigenvector of eigenvalue 1."""
    values, vectors = np.linalg.eig(p.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    return float(-(stationary[:, None] * p * np.log2(np.where(p > 0, p, 1))).sum())


class Markov(Corpus):
    """One long text of the source."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self) -> Iterator[tuple[str, bytes]]:
        upto, shares, at, text = np.cumsum(transitions(), 1), np.random.default_rng(0).random(self.size), 0, []
        for share in shares:
            at = min(int(np.searchsorted(upto[at], share)), len(SYMBOLS) - 1)
            text.append(SYMBOLS[at])
        yield "markov", "".join(text).encode()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Markov(400_000)


@pytest.fixture(params=TOKENIZERS)
def task(request: pytest.FixtureRequest, corpus: Corpus) -> Language:
    return Language(corpus, TOKENIZERS[request.param](), block=64)  # pyright: ignore


def lit_of(task: Language, model: torch.nn.Module) -> LitSequence:
    return LitSequence(model, task.spec, Budget()).double().eval()  # pyright: ignore


def measured(lit: LitSequence, task: Language, blocks: Blocks, context: int, size: int = 1000) -> BlockNats:
    """The blocks scored in batches of `size`."""
    sums = BlockNats()
    with torch.no_grad():
        for first in range(0, len(blocks), size):
            lit.probe(task.scored(blocks.part(first, first + size), "test", context), sums)
    return sums


def edges(task: Language, n: int) -> list[int]:
    """Places between words, one after the other."""
    text = task.corpus.split("test").tobytes()
    return [at for at in range(500, 5000) if text[at : at + 1] == b" "][:n]


def between(places: list[int]) -> Blocks:
    starts, ends = np.array(list(pairwise(places))).T
    return Blocks(starts, ends, np.zeros(len(starts), np.int64))


def test_a_uniform_model_scores_log2_v_a_token(task: Language) -> None:
    lit = lit_of(task, Gru(dim=8))
    torch.nn.init.zeros_(lit.head.weight)
    torch.nn.init.zeros_(lit.head.bias)
    blocks = task.blocks("test", 50, 32)
    sums = measured(lit, task, blocks, 32)
    n_tokens, n_bytes = sum(sums.reduced()["n_tokens"]), int((blocks.ends - blocks.starts).sum())
    assert float(sums.compute()) == pytest.approx(math.log2(task.tokenizer.vocab_size) * n_tokens / n_bytes, rel=1e-9)


def test_the_nats_of_neighbouring_blocks_add_up_to_the_whole(task: Language) -> None:
    """log P(ab | c) = log P(a | c) + log P(b | ca), and each is a sum over its tokens, written out here."""
    lit, (low, middle, high) = lit_of(task, Gru(dim=8)), (edges(task, 40)[at] for at in (0, 15, 39))
    whole, left = (float(measured(lit, task, between([low, to]), 40).nats[0]) for to in (high, middle))
    right = float(measured(lit, task, between([middle, high]), 40 + middle - low).nats[0])
    assert left + right == pytest.approx(whole, rel=1e-9)
    text = task.corpus.split("test")
    (ids,) = task.tokenizer.encode([text[low - 40 : high].tobytes()])
    hidden = lit.norm(lit.model(lit.embedding(torch.from_numpy(ids)[None])))
    begins = np.cumsum(task.tokenizer.lengths[ids]) - task.tokenizer.lengths[ids]
    odds = log_softmax(lit.head(hidden), -1)[0].detach()
    total = -sum(float(odds[i - 1, ids[i]]) for i in range(len(ids)) if begins[i] >= 40)
    assert whole == pytest.approx(total, rel=1e-9)


def test_batch_size_padding_and_stride_change_nothing(task: Language) -> None:
    """One fixed model that sees no further than the context: the same text gives the same nats however it is cut."""
    lit = lit_of(task, Tcn(dim=8, levels=2, kernel=2))
    context = 100
    assert (lit.model.receptive_field(1000) or 1000) <= context / task.bytes_per_token
    places = edges(task, 61)
    fine, coarse = between(places), between(places[::10])
    expected = measured(lit, task, fine, context, size=1).reduced()["nats"]  # without padding
    assert measured(lit, task, fine, context, size=7).reduced()["nats"] == pytest.approx(expected, rel=1e-9)
    strided = measured(lit, task, coarse, context).reduced()["nats"]
    assert strided == pytest.approx(np.reshape(expected, (6, 10)).sum(1), rel=1e-9)


def test_the_loss_is_that_of_all_logits_at_once(task: Language) -> None:
    task.serve(feed_for(cell(regime="language", lags=[32]), (32, 32), (32,)))
    lit, batch = lit_of(task, Gru(dim=8)), next(iter(task.train_dataloader()))
    lit.loss(batch).backward()
    found = {name: parameter.grad for name, parameter in lit.named_parameters()}
    lit.zero_grad()
    outputs = lit(batch.inputs, batch.positions).flatten(0, 1)
    expected = cross_entropy(outputs, batch.targets.flatten(), reduction="sum") / batch.targets.numel()
    expected.backward()
    torch.testing.assert_close(lit.loss(batch), expected)
    torch.testing.assert_close(found, {name: parameter.grad for name, parameter in lit.named_parameters()})


def test_the_entropy_of_a_source_is_reached_under_every_tokenizer(task: Language) -> None:
    budget = Budget(sequences=9600, batch_size=32, val_every=50, n_val=64, n_test=400, lr=1e-2)
    given = cell(regime="language", lags=[32], budget=budget)
    feed = feed_for(given, (32, 32), (32,))
    trained = fit(
        given, Gru(dim=32, layers=1), task, feed, stop_when_solved=False, suffix="", loggers=[],
        options=TrainerOptions(), progress=lambda what, share: None,
    )  # fmt: skip
    (losses,) = block_losses(trained, task, feed, [32])
    blocks = task.blocks("test", 400, 32)
    assert None not in losses.nats
    bits = sum(losses.nats) / math.log(2) / float((blocks.ends - blocks.starts).sum())  # pyright: ignore
    print(bits, entropy_rate(transitions()))
    assert bits == pytest.approx(entropy_rate(transitions()), rel=0.01)
