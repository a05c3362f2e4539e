"""Encoding of text, and opening what was encoded before."""

import tempfile
from collections.abc import Callable

import pytest

from benchmark.cells import corpus_named
from tasks.token_arrays import token_array
from tasks.tokenizers import Bpe
from tests.bench.measures import alternate, clock

VOCAB = 2048


def encoding(workers: int) -> str:
    """The train split of sympy, 18 MB, by so many processes, their start included."""
    corpus, n_bytes = corpus_named("sympy"), corpus_named("sympy").n_bytes("train")

    def run() -> float:
        tokenizer = Bpe(VOCAB)  # that has met no words yet
        tokenizer.fit(corpus)
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPANBENCH_CACHE", folder)
            return clock(lambda: token_array(corpus, tokenizer, "train", workers=workers))

    return f"{n_bytes / alternate(run, rounds=3)[0] / 1e6:.1f} MB/s"


def opening() -> str:
    """The same split, encoded before."""
    corpus, tokenizer = corpus_named("sympy"), Bpe(VOCAB)
    tokenizer.fit(corpus)
    token_array(corpus, tokenizer, "train")
    seconds = alternate(lambda: clock(lambda: token_array(corpus, tokenizer, "train")))[0]
    return f"{1e3 * seconds:.1f} ms"


BENCHES: dict[str, tuple[Callable[[], str], str]] = {
    "bpe-2048 encoding, one process": (lambda: encoding(1), "≥ 3 MB/s"),
    "bpe-2048 encoding, two processes": (lambda: encoding(2), "≥ 5 MB/s"),
    "opening an encoded split": (opening, "≤ 10 ms"),
}
