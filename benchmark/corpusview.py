"""`spanbench corpora NAME`: where a text comes from, how large it and its documents are, and what it looks like."""

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console

from benchmark.cells import corpus_named
from benchmark.registry import UsageError, entry, load_class
from tasks.corpora import Corpus
from tasks.feeds import SPLITS
from tasks.text_store import FEW

SHOWN_LINES = 12
SHOWN_BYTES = 4096
WIDTH = 160  # characters of a line


def show(console: Console, name: str) -> None:
    """The whole of a corpus, which is read for it. Raises UsageError."""
    found = entry("corpora", name)
    chosen = load_class(found["class_path"])
    if not issubclass(chosen, Corpus):
        raise UsageError(f"{name}: {chosen.__name__} is not a Corpus")
    plain: Any = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}
    corpus = corpus_named(name)
    console.print(f"{name}  {found['class_path']}\n\n{inspect.getdoc(chosen)}\n", **plain)
    for key, parameter in inspect.signature(chosen).parameters.items():
        console.print(f"  {key}  {found['init_args'].get(key, parameter.default)}", **plain)
    for line in (*sizes(corpus), *sample(corpus)):
        console.print(line, **plain)


def sizes(corpus: Corpus) -> Iterator[str]:
    """Digest, splits and documents in words and numbers."""
    what = "part" if corpus.is_cut else "document"
    lengths = np.concatenate([np.diff(corpus.ends(split), prepend=0) for split in SPLITS])
    yield f"\ndigest  {corpus.digest}\n"
    yield f"{'split':6}{what + 's':>12}{'bytes':>18}  digest"
    for split in SPLITS:
        head = corpus.split_digest(split)[:12]
        yield f"{split:6}{corpus.n_documents(split):12,}{corpus.n_bytes(split):18,}  {head}"
    if corpus.is_cut:
        yield f"\nfewer than {FEW} documents: each is cut 70/10/20"
    yield f"\n{what}s have {np.median(lengths):,.0f} bytes in the median, {lengths.max():,} at most"
    yield f"{corpus.n_duplicates:,} duplicate{'s' * (corpus.n_duplicates != 1)} left out"


def sample(corpus: Corpus) -> Iterator[str]:
    """How a document of the test split begins: which one follows from the text, so it is always the same."""
    n = corpus.n_documents("test")
    if not n:
        yield "\nthe test split is empty"
        return
    number = int(corpus.digest[:8], 16) % n
    low, high = (int(corpus.ends("test")[i]) if i >= 0 else 0 for i in (number - 1, number))
    head = corpus.split("test")[low : min(high, low + SHOWN_BYTES)].tobytes()
    yield f"\n{'part' if corpus.is_cut else 'document'} {number + 1:,} of the test split begins\n"
    for line in head.decode(errors="ignore").split("\n")[:SHOWN_LINES]:  # ignored: a last character that is cut
        seen = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
        yield f"  {seen[:WIDTH]}{'…' if len(seen) > WIDTH else ''}".rstrip()
