"""`spanbench tokenizers NAME --corpus C`: what a tokenizer is, and what it makes of a corpus' test split."""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from benchmark.cells import corpus_named
from benchmark.registry import UsageError, entry, load_class
from benchmark.resolver import check_kind
from tasks.corpora import Corpus
from tasks.token_arrays import TokenArray, token_array
from tasks.tokenizers import Tokenizer

LENGTHS = {"1 byte": (1, 1), "2": (2, 2), "3": (3, 3), "4": (4, 4), "5–8": (5, 8), "9+": (9, np.inf)}
BAR = 40  # characters of a share of 1
LONGEST, WIDEST = 20, 48  # tokens that are listed, and characters of one that are shown
LINES, BYTES = 6, 400  # of the sample, at most
BACKGROUNDS = ("black on bright_cyan", "black on bright_yellow")
AT_ONCE = 2**20  # ids that are counted together
PLAIN: Any = {"markup": False, "highlight": False, "soft_wrap": True}


def show(console: Console, name: str, corpus: str) -> None:
    """The whole of a tokenizer, and of `corpus` as it sees it. Raises UsageError."""
    found = entry("tokenizers", name)
    chosen = load_class(found["class_path"])
    check_kind("tokenizer", name, chosen)
    read = corpus_named(corpus)
    try:
        with console.status(f"{name} on {corpus}"):
            tokenizer = chosen(**found["init_args"])
            tokenizer.fit(read)
            tokens = token_array(read, tokenizer, "test")
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"{name}: {error}") from None
    arguments = found["init_args"]
    options = [
        f"  --tokenizer.{key}  {arguments.get(key, parameter.default)}"
        for key, parameter in inspect.signature(chosen).parameters.items()
    ]
    counts = counted(tokens)
    blocks = [
        [f"{name}  {found['class_path']}"],
        [inspect.getdoc(chosen) or ""],
        options,
        [f"corpus      {corpus}", *sizes(tokenizer, counts), *spread(read, tokens)],
        bars(tokenizer, counts),
        longest(tokenizer, counts),
    ]
    console.print("\n\n".join("\n".join(lines) for lines in blocks if lines), **PLAIN)
    number, text = excerpt(read)
    console.print(f"\ndocument {number} of the test split begins", **PLAIN)
    console.print(segmented(tokenizer, text, console.is_terminal), soft_wrap=True)


def counted(tokens: TokenArray) -> NDArray[np.int64]:
    """How often each id occurs, (V,)."""
    counts = np.zeros(len(tokens.lengths), np.int64)
    for low in range(0, len(tokens.ids), AT_ONCE):
        counts += np.bincount(tokens.ids[low : low + AT_ONCE], minlength=len(counts))
    return counts


def sizes(tokenizer: Tokenizer, counts: NDArray[np.int64]) -> list[str]:
    """The vocabulary, the part of it in use, and the digest."""
    had = f"{len(counts):,} tokens"
    if len(counts) < tokenizer.vocab_size:
        had = f"{tokenizer.vocab_size:,} tokens asked for, of which the train split had {len(counts):,} to offer"
    used = int((counts > 0).sum())
    return [
        f"vocabulary  {had}; {used:,} occur in the test split ({used / len(counts):.1%})",
        f"digest      {tokenizer.digest}",
    ]


def spread(corpus: Corpus, tokens: TokenArray) -> list[str]:
    """κ, as a whole and from document to document."""
    ends = corpus.ends("test")
    n_bytes, n_tokens = np.diff(ends, prepend=0), np.diff(tokens.first_at(ends), prepend=0)
    kappas = n_bytes[n_tokens > 0] / n_tokens[n_tokens > 0]
    if not len(kappas):
        raise UsageError(f"the test split of {corpus} has no text to show")
    low, median, high = np.quantile(kappas, [0.05, 0.5, 0.95])
    return [
        f"κ           {tokens.n_bytes / len(tokens.ids):.3f} bytes a token",
        f"            by document {median:.3f}, 5% to 95% of {len(kappas):,} documents {low:.3f} to {high:.3f}",
    ]


def bars(tokenizer: Tokenizer, counts: NDArray[np.int64]) -> list[str]:
    """The share of tokens of each length."""
    lengths, lines = tokenizer.lengths, ["length of the tokens in the test split"]
    for name, (low, high) in LENGTHS.items():
        share = counts[(low <= lengths) & (lengths <= high)].sum() / counts.sum()
        lines.append(f"  {name:8}{share:6.1%}  {'█' * round(BAR * share)}".rstrip())
    return lines


def longest(tokenizer: Tokenizer, counts: NDArray[np.int64]) -> list[str]:
    """The longest tokens and how often each occurs."""
    order = np.lexsort((-counts, -tokenizer.lengths))[:LONGEST]
    order = order[tokenizer.lengths[order] > 1]
    shown = (text if len(text) <= WIDEST else text[: WIDEST - 1] + "…" for text in tokenizer.shown(order))
    lines = [
        f"{tokenizer.lengths[index]:7,} bytes{counts[index]:10,} times  {text}"
        for index, text in zip(order, shown, strict=True)
    ]
    return [f"the longest tokens{'' if lines else ' have one byte'}", *lines]


def excerpt(corpus: Corpus) -> tuple[int, bytes]:
    """The beginning of the document in the middle of the test split, and its number from 1."""
    ends = corpus.ends("test")
    number = len(ends) // 2
    begin = int(ends[number - 1]) if number else 0
    text = corpus.split("test")[begin : min(begin + BYTES, int(ends[number]))].tobytes()
    return number + 1, b"".join(text.splitlines(keepends=True)[:LINES]).decode(errors="ignore").encode()


def segmented(tokenizer: Tokenizer, text: bytes, coloured: bool) -> Text:
    """The text token by token: in alternating colours, or with | between."""
    drawn = Text()
    for number, token in enumerate(tokenizer.shown(tokenizer.encode([text])[0])):
        between = "" if coloured or not number else "|"
        drawn.append(between + token.replace("↵", "↵\n"), BACKGROUNDS[number % 2] if coloured else None)
    return drawn
