"""Runs of a text's tokens that can stand in for others: as many tokens, and as many bytes."""

import numpy as np

from tasks.corpora import Corpus
from tasks.token_arrays import TokenArray
from tasks.tokenizers import Ids

STRETCHES = 32  # parts of the split, spread evenly, that donors are taken from
LENGTH = 2**14  # tokens in each


class Donors:
    """Runs from the test split. Which one is found depends on what is asked for alone, not on what was asked before."""

    def __init__(self, corpus: Corpus, tokens: TokenArray) -> None:
        n = len(tokens.ids)
        begins = np.unique(np.linspace(0, max(0, n - LENGTH), STRETCHES).astype(np.int64))
        self.ids = [tokens.ids[begin : begin + LENGTH].astype(np.int64) for begin in begins]
        self.lengths = tokens.lengths
        self.upto, self.documents = [], []
        for begin, ids in zip(begins, self.ids, strict=True):
            upto = np.concatenate([[0], np.cumsum(tokens.lengths[ids])])
            offset = tokens.offsets(np.array([begin]))[0]
            self.upto.append(upto)
            self.documents.append(np.searchsorted(corpus.ends("test"), offset + upto[:-1], side="right"))

    def like(self, ids: Ids, key: tuple[int, ...], document: int | None = None) -> Ids | None:
        """Ids as many as `ids` (n,), with as many bytes and another last one; None where there are none.

        They are drawn from `key`. Where `document` is given they come from one document, and not from that one.
        """
        if not len(ids):
            return None
        n, n_bytes = len(ids), int(self.lengths[ids].sum())
        rng = np.random.default_rng(key)
        for place in rng.permutation(len(self.ids)):
            upto, documents = self.upto[place], self.documents[place]
            if len(upto) <= n:
                continue
            fits = upto[n:] - upto[:-n] == n_bytes
            if document is not None:
                first, last = documents[: len(fits)], documents[n - 1 :]
                fits &= (first == last) & (first != document)
            fits &= self.ids[place][n - 1 :] != ids[-1]
            found = np.flatnonzero(fits)
            if len(found):
                at = found[rng.integers(len(found))]
                return self.ids[place][at : at + n]
        return None

    def some(self, n: int, key: tuple[int, ...]) -> Ids:
        """n ids, each drawn by itself from `key`."""
        return np.random.default_rng(key).choice(np.concatenate(self.ids), n)
