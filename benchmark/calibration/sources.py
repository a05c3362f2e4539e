"""Texts whose statistics are known: the blank is a symbol like any other, so that words, and target blocks, have edges.

All are symmetric under relabelling: whatever symbols a target block is chosen by, how well its source tells each of
its bytes is as everywhere.
"""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.corpora import Corpus
from tasks.tokenizers import Ids

ALPHABET = np.frombuffer(b" abcdefg", np.uint8)
SIZE = len(ALPHABET)
UNIFORM = float(np.log2(SIZE))  # bits of a symbol that nothing tells
LETTERS = tuple("etaoinshrdlucmfw")


class Source(Corpus):
    """x_t is the symbol that its past tells, or with probability `noise` any; `reach` is how far back it looks."""

    def __init__(self, n_documents: int, length: int, reach: int, noise: float = 0.25, seed: int = 0) -> None:
        self.n, self.length, self.reach, self.noise, self.seed = n_documents, length, reach, noise, seed

    @abstractmethod
    def told(self, past: Ids, rng: np.random.Generator) -> Ids:
        """What the past (N, t) tells, (N,)."""

    @abstractmethod
    def bits(self, before: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bits of a symbol of which so many symbols `before` it are known, for the predictor in predictors.py."""

    def read(self) -> Iterator[tuple[str, bytes]]:
        """The documents; the first `reach` symbols of each are uniform."""
        rng = np.random.default_rng(self.seed)
        x = rng.integers(SIZE, size=(self.n, self.length))
        free = rng.random(x.shape) < self.noise
        for t in range(self.reach, self.length):
            x[:, t] = np.where(free[:, t], x[:, t], self.told(x[:, :t], rng))
        for number, row in enumerate(x):
            yield f"document {number}", ALPHABET[row].tobytes()

    def known(self) -> float:
        """Bits where all of what tells a symbol is known: the entropy rate."""
        return cross_entropy(np.array([1 - self.noise]), np.ones(1), self.noise / SIZE)


class Copy(Source):
    """x_t = x_{t−lag} with probability 1 − noise, else uniform."""

    def told(self, past: Ids, rng: np.random.Generator) -> Ids:
        """The symbol `reach` back."""
        return past[:, -self.reach]

    def bits(self, before: NDArray[np.int64]) -> NDArray[np.float64]:
        """log2 V until the source is in sight, then the entropy rate."""
        return np.where(before < self.reach, UNIFORM, self.known())


class Markov(Copy):
    """x_t = x_{t−1} + x_{t−k} modulo V with probability 1 − noise, else uniform: fewer than k symbols say nothing."""

    def told(self, past: Ids, rng: np.random.Generator) -> Ids:
        """The sum."""
        return (past[:, -1] + past[:, -self.reach]) % SIZE


class Mixture(Source):
    """x_t = x_{t−near} or x_{t−reach}, each with probability (1 − noise) / 2, else uniform."""

    def __init__(self, n_documents: int, length: int, near: int, reach: int, noise: float = 0.25) -> None:
        super().__init__(n_documents, length, reach, noise)
        self.near = near

    def told(self, past: Ids, rng: np.random.Generator) -> Ids:
        """Either, evenly."""
        return np.where(rng.random(len(past)) < 0.5, past[:, -self.near], past[:, -self.reach])

    def bits(self, before: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of a predictor that takes an unseen source for uniform.

        With r = P(x_{t−near} = x_{t−reach}), and r' of a symbol and its near source: see `agreement`.
        """
        half, rest = (1 - self.noise) / 2, self.noise / SIZE
        apart, agree = self.agreement(self.reach - self.near), self.agreement(self.near)
        alone = -agree * np.log2(half + half / SIZE + rest) - (1 - agree) * np.log2(half / SIZE + rest)
        both = apart * cross_entropy(np.array([2 * half]), np.ones(1), rest)
        both += (1 - apart) * cross_entropy(np.array([half, half]), np.ones(2), rest)
        return np.where(before < self.near, UNIFORM, np.where(before < self.reach, alone, both))

    def agreement(self, distance: int) -> float:
        """P(x_t = x_{t−distance}), from the Yule–Walker equations of a(d) = Σ_i share_i · a(|d − lag_i|), a(0) = 1."""
        size = self.reach + 1
        matrix, right = np.eye(size), np.zeros(size)
        right[0] = 1
        for d in range(1, size):
            for lag in (self.near, self.reach):
                matrix[d, abs(d - lag)] -= (1 - self.noise) / 2
        return float((1 - 1 / SIZE) * np.linalg.solve(matrix, right)[distance] + 1 / SIZE)


def uniform(n_documents: int, length: int) -> Copy:
    """Symbols that nothing tells."""
    return Copy(n_documents, length, 1, noise=1.0)


class Prose(Corpus):
    """Words of a made-up language, as frequent as Zipf has it, for tokenizers to learn."""

    def __init__(self, n_documents: int, n_words: int) -> None:
        self.n, self.n_words = n_documents, n_words

    def read(self) -> Iterator[tuple[str, bytes]]:
        """The documents."""
        rng = np.random.default_rng(0)
        lexicon = ["".join(rng.choice(LETTERS, rng.integers(2, 8))) for _ in range(2000)]
        odds = 1 / np.arange(1, len(lexicon) + 1)
        for number in range(self.n):
            words = rng.choice(len(lexicon), self.n_words, p=odds / odds.sum())
            yield f"document {number}", " ".join(lexicon[word] for word in words).encode()


def cross_entropy(shares: NDArray[np.float64], counts: NDArray[np.float64], rest: float) -> float:
    """Entropy in bits of a symbol, some of which (`counts`) have `shares` besides the `rest` that each has."""
    told = ((shares + rest) * np.log2(shares + rest) * counts).sum()
    return float(-told - (SIZE - counts.sum()) * rest * np.log2(rest))
