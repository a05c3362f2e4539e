"""Random numbers addressed by example: example i draws the same whatever batch, rank or machine asks for it."""

import numpy as np
from numpy.typing import NDArray

WORDS = 8  # 32-bit words in one block of the Philox 4x64 counter


class Draws:
    """The random numbers of examples `first` … `first + n − 1` of the stream named by `key`.

    Every call opens a counter-based stream of its own (Philox, Salmon et al. 2011), in which the row of example i
    begins at a multiple of i. Rows are therefore independent of `first` and `n`, and nothing is drawn in vain.
    """

    def __init__(self, key: tuple[int, ...], first: int, n: int) -> None:
        self.key, self.first, self.n, self.calls = key, first, n, 0

    def words(self, width: int) -> NDArray[np.uint32]:
        """(n, width) uniform 32-bit words."""
        key = np.random.SeedSequence([*self.key, self.calls]).generate_state(2, np.uint64)
        self.calls += 1
        blocks = -(-width // WORDS)
        stream = np.random.Philox(key=key, counter=self.first * blocks)
        raw = stream.random_raw(self.n * blocks * WORDS // 2)
        return raw.astype("<u8", copy=False).view("<u4").reshape(self.n, blocks * WORDS)[:, :width]

    def below(self, high: "int | NDArray[np.int64]", width: int) -> NDArray[np.int64]:
        """(n, width) integers in [0, high), biased by less than high / 2³²; `high` may be an array that fits."""
        scaled = np.multiply(self.words(width), np.asarray(high).astype(np.uint64), dtype=np.uint64)
        scaled >>= np.uint64(32)
        return scaled.view(np.int64)

    def anywhere(self, high: int) -> NDArray[np.int64]:
        """(n,) integers in [0, high), for any high: biased by less than high / 2⁶⁴."""
        low, upper = self.words(2).astype(np.uint64).T
        return ((upper << np.uint64(32) | low) % np.uint64(high)).astype(np.int64)

    def uniform(self, width: int) -> NDArray[np.float32]:
        """(n, width) floats in [0, 1), multiples of 2⁻²⁴."""
        return (self.words(width) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)

    def distinct(self, high: int, width: int) -> NDArray[np.int64]:
        """(n, width) integers in [0, high), distinct within a row, in uniform order (Floyd, then a shuffle)."""
        if width > high:
            raise ValueError(f"cannot draw {width} distinct numbers below {high}")
        chosen = self.below(np.arange(high - width + 1, high + 1), width)  # place j below high − width + j + 1
        for j in range(1, width):
            seen = chosen[:, :j] == chosen[:, j : j + 1]
            chosen[seen.any(1), j] = high - width + j
        return np.take_along_axis(chosen, self.order(width), axis=1)

    def order(self, width: int) -> NDArray[np.int64]:
        """(n, width) permutations of 0 … width − 1."""
        return np.argsort(self.words(width), axis=1, kind="stable")
