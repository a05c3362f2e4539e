"""The splits of a corpus as token ids, memory-mapped."""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.corpora import Corpus
from tasks.pieces import Text, pieces
from tasks.store import built, cache_dir
from tasks.tokenizers import Ids, Tokenizer

FORMAT = 1  # raised by any change to what is written, or to where texts are cut
EVERY = 256  # tokens between two whose place is written down
AT_ONCE = 2**10  # places that are looked up together
BATCH = 16  # pieces of 64 KiB that travel to another process together
WORTH_A_PROCESS = 2**22  # bytes
Places = NDArray[np.int64]
_tokenizer: Tokenizer | None = None  # of a process that encodes for another


@dataclass(frozen=True, eq=False)
class TokenArray:
    """A split as ids that lie on disk, and where each of its tokens lies in the text.

    Attributes:
        ids: (N,) in the smallest of uint8, uint16 and uint32 that holds the vocabulary
        n_bytes: of the split
        lengths: bytes of each id, (V,)
        begins: byte offset of every 256th token, (N // 256 + 1,)
    """

    ids: NDArray[np.unsignedinteger[Any]]
    n_bytes: int
    lengths: Ids
    begins: Places

    def first_at(self, offsets: Places) -> Places:
        """Index of the first token that begins at or after each byte offset; N where none does."""
        return _piecewise(self._first_at, offsets)

    def offsets(self, indices: Places) -> Places:
        """Byte offset at which each token begins; of index N, where the last one ends."""
        return _piecewise(self._offsets, indices)

    def _first_at(self, offsets: Places) -> Places:
        before = np.maximum(np.searchsorted(self.begins, offsets) - 1, 0)  # the last one written down that lies before
        begins = self.begins[before, None] + np.cumsum(self._lengths_from(before), 1)  # of the EVERY tokens after it
        index = before * EVERY + 1 + (begins < offsets[:, None]).sum(1)
        return np.where(offsets <= 0, 0, np.minimum(index, len(self.ids)))

    def _offsets(self, indices: Places) -> Places:
        before, after = np.divmod(indices, EVERY)
        lengths = np.where(np.arange(EVERY) < after[:, None], self._lengths_from(before), 0)
        return self.begins[before] + lengths.sum(1)

    def _lengths_from(self, blocks: Places) -> Places:
        """Bytes of the EVERY tokens of each block, 0 after the last token. (n,) -> (n, EVERY)"""
        if not len(self.ids):
            return np.zeros((len(blocks), EVERY), np.int64)
        index = blocks[:, None] * EVERY + np.arange(EVERY)
        ids = self.ids[np.minimum(index, len(self.ids) - 1)]
        return np.where(index < len(self.ids), self.lengths[ids], 0)


def token_array(
    corpus: Corpus,
    tokenizer: Tokenizer,
    split: str,
    progress: Callable[[float], None] | None = None,
    workers: int | None = None,
) -> TokenArray:
    """A split as ids of a fitted tokenizer, from the cache or encoded now, by a process for each 4 MiB at most.

    `workers` bounds the processes (default: the machine's cores); a process that may have no children does all by
    itself. `progress` hears which share is done. The ids are those of the text's `pieces`, one after the other.
    Raises ValueError where its tokens do not spell the very bytes of the text.
    """
    text, dtype, lengths = corpus.split(split), np.min_scalar_type(tokenizer.vocab_size - 1), tokenizer.lengths
    key = json.dumps([FORMAT, corpus.split_digest(split), tokenizer.digest])
    folder = cache_dir() / "tokens" / sha256(key.encode()).hexdigest()[:32]

    def build(into: Path) -> None:
        parts = _encoded(text, tokenizer, _processes(len(text), tokenizer, workers))
        done = 0
        try:
            for done in _write(into, parts, lengths, dtype):
                if progress:
                    progress(done / len(text))
        except ValueError as error:
            raise ValueError(f"{corpus}, {split} split: {error}") from None

    def opened(folder: Path) -> TokenArray | None:
        return _opened(folder, len(text), lengths, dtype)

    array = opened(built(folder, build, sound=lambda folder: opened(folder) is not None))
    if array is None:
        raise ValueError(f"{folder} is being changed by another program: try again")
    return array


def _write(into: Path, parts: Iterator[Ids], lengths: Ids, dtype: np.dtype[Any]) -> Iterator[int]:
    """Write the ids and every 256th token's place; says after each part how many bytes are done."""
    n, at = 0, 0
    with (into / "ids").open("wb") as file, (into / "begins").open("wb") as places:
        for ids in parts:
            ends = at + np.cumsum(lengths[ids])
            (ends - lengths[ids])[-n % EVERY :: EVERY].tofile(places)
            ids.astype(dtype).tofile(file)
            n, at = n + len(ids), at + int(lengths[ids].sum())
            yield at
        if n % EVERY == 0:
            np.array([at]).tofile(places)


def _opened(folder: Path, n_bytes: int, lengths: Ids, dtype: np.dtype[Any]) -> TokenArray | None:
    """What lies in the folder, or None where it is not the whole of the text."""
    try:
        ids, begins = _mapped(folder / "ids", dtype), _mapped(folder / "begins", np.dtype(np.int64))
        array = TokenArray(ids, n_bytes, lengths, begins)
        whole = len(begins) == len(ids) // EVERY + 1 and array.offsets(np.array([len(ids)])) == n_bytes
    except (FileNotFoundError, ValueError, IndexError):  # none there, cut within a number, or no id of ours
        return None
    return array if whole else None


def _mapped(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Raises ValueError where the file does not hold a whole number of items."""
    return np.asarray(np.memmap(path, dtype, "r")) if path.stat().st_size else np.zeros(0, dtype)  # cannot be mapped


def _piecewise(look: Callable[[Places], Places], places: Places) -> Places:
    """Looked up AT_ONCE at a time, so that memory stays constant."""
    flat = np.ravel(places)
    found = [look(flat[low : low + AT_ONCE]) for low in range(0, len(flat), AT_ONCE)]
    return np.concatenate([*found, np.zeros(0, np.int64)]).reshape(np.shape(places))


def _processes(n_bytes: int, tokenizer: Tokenizer, workers: int | None) -> int:
    """How many are worth their start; one where there may be no more, or where others could not load the class."""
    room = type(tokenizer).__module__.partition(".")[0]
    importable = any(finder.find_spec(room, None) for finder in sys.meta_path)
    if multiprocessing.current_process().daemon or not importable:
        return 1
    return max(1, min(workers or os.cpu_count() or 1, n_bytes // WORTH_A_PROCESS))


def _encoded(text: Text, tokenizer: Tokenizer, processes: int) -> Iterator[Ids]:
    """The ids of the text, part after part."""
    found = pieces(text)
    batches = iter(lambda: list(islice(found, BATCH)), [])
    if processes == 1:
        yield from (_exact(tokenizer, batch) for batch in batches)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (tokenizer,)) as pool:
        waiting: deque[Future[NDArray[Any]]] = deque()
        for batch in batches:
            waiting.append(pool.submit(_encode, batch))
            if len(waiting) > 2 * processes:  # no more of the text in memory than that
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _begin(tokenizer: Tokenizer) -> None:
    """The start of a process that encodes: it leaves interrupts to its parent, and ends when that does."""
    global _tokenizer
    _tokenizer = tokenizer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _encode(batch: list[bytes]) -> NDArray[Any]:
    """The ids of a batch, in few bytes for the way back."""
    assert _tokenizer is not None
    return _exact(_tokenizer, batch).astype(np.min_scalar_type(_tokenizer.vocab_size - 1))


def _exact(tokenizer: Tokenizer, batch: list[bytes]) -> Ids:
    """The ids of some pieces, one after the other. Raises ValueError where they do not spell the very bytes."""
    try:
        encoded = tokenizer.encode(batch)
    except ValueError:
        raise
    except Exception as error:  # of a class that anybody may have written
        raise ValueError(f"{type(tokenizer).__name__} raised {type(error).__name__}: {error}") from error
    ids, text, last = np.concatenate(encoded), b"".join(batch), len(tokenizer.token_bytes) - 1
    strangers = ids[(ids < 0) | (ids > last)]
    if strangers.size:
        raise ValueError(f"ids must lie in 0 … {last}, got {strangers[0]}")
    spelled = tokenizer.decode(ids)
    if spelled != text:
        same = next((at for at, (a, b) in enumerate(zip(spelled, text, strict=False)) if a != b), len(text))
        found, wanted = (each[max(0, same - 8) : same + 8] for each in (spelled, text))
        raise ValueError(f"tokens must spell the very bytes of the text, but {wanted!r} became {found!r}")
    return ids
