"""Corpora by their names; torch is not needed to know them."""

from functools import lru_cache

from benchmark.registry import UsageError, entry, load_class
from tasks.corpora import Corpus


@lru_cache(maxsize=2)
def corpus_named(name: str) -> Corpus:
    """The corpus a name stands for, read; its text is read once a process. Raises UsageError."""
    found = entry("corpora", name)
    try:
        corpus = load_class(found["class_path"])(**found["init_args"])
        assert corpus.digest
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"--corpus {name}: {error}") from None
    return corpus
