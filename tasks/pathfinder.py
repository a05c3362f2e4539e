"""Pathfinder."""

import math
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Batch, Split, Task, TaskSpec
from tasks.draws import Draws

Ints = NDArray[np.int64]
Canvas = NDArray[np.int8]  # (2·grid + 1, 2·grid + 1, …): nodes at odd places, dashes between them, a dark margin

DASH, DOT, QUESTION = 0.5, 1.0, -1.0  # gray levels; the ground is 0
CANDIDATES = 6  # tried at once for each example


class Pathfinder(Task):
    """Are the two dots joined by a dashed path? (Linsley 2018; read row by row, Long Range Arena, Tay 2021)

    The image holds `paths` paths and some closed loops. They run on a grid whose nodes lie two pixels apart: a dash is
    the pixel between two neighbouring nodes, and no node has more than two, so that paths never touch. What stands for
    the lag is the number of pixels, rounded up to a square; there is no single source. It begins at 9×9, for of 8×8
    there are so few different images, some 200,000, that a test would repeat what was trained on.

    Nothing but the joining tells the classes apart. The ends of the paths are drawn first, then two images with these
    ends, independently. The dots, at least half a side apart, are ends that the second image joins and the first does
    not, and a fair coin says which image is shown. (The first, too, has to join such a pair that the second does not.)
    So the dots without the image, and the image without its dots, have one distribution in both classes, with all their
    counts, lengths and places: chance is 1/2. `-` and `|` are dashes, `@` the dots:

    >>> from tasks.spelling import example
    >>> print(example(Pathfinder(), lag=81))  # doctest: +NORMALIZE_WHITESPACE +ELLIPSIS
    input   . - . - . - . . .
            | . . . . . | . .
            . . . . @ . . - .
            . . . . | . . . |
            . . . . . - . . .
            | . | . . . | . |
            . . . - . . . . .
            | . . . | . | . |
            . - . - . . @ . .
            ?
    target  ... 1
    """

    def __init__(self, paths: int = 3) -> None:
        super().__init__()
        if not 2 <= paths <= 4:
            raise ValueError(f"paths must be from 2 to 4, got {paths}")
        self.paths = paths
        self.spec = TaskSpec(
            inputs="channels",
            n_inputs=1,
            n_outputs=2,
            metric="accuracy",
            chance=1 / 2,
            baseline=1 / 2,
            lag_unit="none",
            min_lag=81,
        )

    def draw(self, draws: Draws, lag: int, split: Split) -> Batch:
        """Inputs (n, side² + 1, 1), the question last; class 1 is joined.

        Each round draws for every example, from streams of its own, and each example takes the first that serves it.
        """
        side = math.isqrt(lag - 1) + 1
        joined = draws.below(2, 1)
        images = np.zeros((draws.n, side, side), np.float32)
        left = np.arange(draws.n)
        while left.size:
            found, shown = self._round(draws, left, joined[left, 0], (side + 1) // 2)
            images[left[found], : shown.shape[1], : shown.shape[2]] = shown
            left = left[~found]
        inputs = np.full((draws.n, side * side + 1, 1), QUESTION, np.float32)
        inputs[:, :-1, 0] = images.reshape(draws.n, -1)
        where = torch.full((draws.n, 1), side * side)
        return Batch(torch.from_numpy(inputs), where, torch.from_numpy(joined), torch.full((draws.n,), lag))

    def _round(self, draws: Draws, left: Ints, joined: Ints, grid: int) -> tuple[NDArray[np.bool_], np.ndarray]:
        """Which of the examples `left` find their dots in this round (n,), and the images of those that do."""
        rows, columns = self._ends(draws, left, grid)  # (E, n · CANDIDATES)
        canvas = lines(rows, columns, grid)
        stir(canvas, self._coins(draws, left, grid), grid)
        scores = draws.words((2 * self.paths) ** 2)[left]
        names = np.zeros((grid, grid, *canvas.shape[2:]), np.int8)
        each = np.arange(canvas.shape[3])
        names[rows, columns, :, each] = np.arange(1, len(rows) + 1)[:, None, None]
        named = spread(names, canvas)[rows, columns, :, each]  # (E, n · CANDIDATES, 2)
        same = named[:, None] == named[None]  # (E, E, n · CANDIDATES, 2)
        far = abs(rows[:, None] - rows) + abs(columns[:, None] - columns) >= grid // 2
        only = same & ~same[..., ::-1] & far[..., None]  # joined in this image, not in the other
        serves = only.any((0, 1)).all(1).reshape(-1, CANDIDATES)
        found = serves.any(1)
        chosen = np.flatnonzero(found) * CANDIDATES + serves[found].argmax(1)
        pairs = only[..., chosen, 1].reshape(len(rows) ** 2, -1).T
        first, second = np.divmod(np.where(pairs, scores[found], -1.0).argmax(1), len(rows))
        images = DASH * canvas[1:-1, 1:-1, joined[found], chosen].transpose(2, 0, 1)
        for end in (first, second):
            images[np.arange(len(chosen)), 2 * rows[end, chosen], 2 * columns[end, chosen]] = DOT
        return found, images

    def _ends(self, draws: Draws, left: Ints, grid: int) -> tuple[Ints, Ints]:
        """Rows and columns (2 · paths, n · CANDIDATES): two ends in each of some rows."""
        words = draws.words(CANDIDATES * grid)[left].reshape(-1, grid)
        rows = np.argsort(words, axis=1, kind="stable")[:, : self.paths]
        here = draws.below(grid, CANDIDATES * self.paths)[left].reshape(-1, self.paths)
        there = draws.below(grid - 1, CANDIDATES * self.paths)[left].reshape(-1, self.paths)
        there += there >= here
        return np.concatenate([rows, rows], 1).T, np.concatenate([here, there], 1).T

    def _coins(self, draws: Draws, left: Ints, grid: int) -> Canvas:
        """(sweeps, grid − 1, grid − 1, 2, n · CANDIDATES) of 0 and 1: a sweep for each two pixels of the side."""
        shape = (CANDIDATES, 2, 2 * grid, grid - 1, grid - 1)
        words = draws.words(-(-math.prod(shape) // 32))[left]
        bits = np.unpackbits(words.view(np.uint8), axis=1, count=math.prod(shape)).view(np.int8)
        coins = bits.reshape(-1, *shape).transpose(3, 4, 5, 2, 0, 1)
        return coins.reshape(*coins.shape[:4], -1)

    def solve(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Whether a walk along the dashes from the first dot comes to another."""
        side = math.isqrt(inputs.shape[1] - 1)
        images = inputs[:, :-1, 0].numpy().reshape(-1, side, side).transpose(1, 2, 0)
        grid = (side + 1) // 2
        canvas = np.zeros((2 * grid + 1, 2 * grid + 1, len(inputs)), np.int8)
        canvas[1:-1, 1:-1] = images[: 2 * grid - 1, : 2 * grid - 1] == DASH
        dots = images[::2, ::2] == DOT
        first = dots & (dots.reshape(-1, len(inputs)).cumsum(0).reshape(dots.shape) == 1)
        reached = spread(first.astype(np.int8), canvas) * dots
        return torch.from_numpy(reached.sum((0, 1), dtype=np.int64) > 1).long()[:, None]

    def written(self, row: Tensor) -> list[str]:
        """. ground, - | dashes, @ dots, ? the question."""
        side = math.isqrt(len(row) - 1)
        names = {0.0: ".", DOT: "@", QUESTION: "?"}
        return [names.get(gray, "-|"[place // side % 2]) for place, gray in enumerate(row[:, 0].tolist())]


def lines(rows: Ints, columns: Ints, grid: int) -> Canvas:
    """Two copies of an image in which the ends of each row are joined along it, (…, 2, M)."""
    half = len(rows) // 2
    low, high = np.minimum(columns[:half], columns[half:]), np.maximum(columns[:half], columns[half:])
    across = np.arange(grid - 1)[:, None, None]
    on = (np.arange(grid)[:, None, None, None] == rows[:half]) & (low <= across) & (across < high)
    canvas = np.zeros((2 * grid + 1, 2 * grid + 1, 2, rows.shape[1]), np.int8)
    canvas[1::2, 2:-1:2] = on.any(2)[:, :, None]
    return canvas


def stir(canvas: Canvas, coins: Canvas, grid: int) -> None:
    """Turn the dashes around random squares of four nodes, on for off, where no node comes to have more than two.

    A turn gives a corner that has t of its dashes on the square 2 − 2t more, so ends remain ends. It is undone by the
    same turn, so in the long run no image with these ends is preferred. Squares turned at once share no corner.
    """
    degree = np.zeros_like(canvas)
    degree[1:-1, 1:-1] = canvas[:-2, 1:-1] + canvas[2:, 1:-1] + canvas[1:-1, :-2] + canvas[1:-1, 2:]
    for sweep, i, j in product(range(len(coins)), (0, 1), (0, 1)):
        top, middle, bottom = (slice(2 * i + start, 2 * grid - 2 + start, 4) for start in (1, 2, 3))
        left, center, right = (slice(2 * j + start, 2 * grid - 2 + start, 4) for start in (1, 2, 3))
        turned = coins[sweep, i::2, j::2]
        corners = []
        for row, column in product((top, bottom), (left, right)):
            twice = 2 * (canvas[row, center] + canvas[middle, column])  # 2t
            corners.append((degree[row, column], twice))
            turned = turned & (degree[row, column] <= twice)
        for corner, twice in corners:
            corner += turned * (2 - twice)
        for side in ((top, center), (bottom, center), (middle, left), (middle, right)):
            canvas[side] ^= turned


def spread(names: Canvas, canvas: Canvas) -> Canvas:
    """(grid, grid, …): at each node the greatest name on its path."""
    across, down = canvas[1::2, 2:-1:2], canvas[2:-1:2, 1::2]
    while True:
        before = names.copy()
        np.maximum(names[:, 1:], names[:, :-1] * across, out=names[:, 1:])
        np.maximum(names[:, :-1], names[:, 1:] * across, out=names[:, :-1])
        np.maximum(names[1:], names[:-1] * down, out=names[1:])
        np.maximum(names[:-1], names[1:] * down, out=names[:-1])
        if (names == before).all():
            return names
