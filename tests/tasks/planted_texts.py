"""What the tests of planted text share: a corpus, and how to read an example without knowing the task."""

from pathlib import Path

import numpy as np

from tasks.base import Batch
from tasks.files import Files
from tasks.planted import Planted
from tasks.tokenizers import Ids

LINES = (
    "Die Straße nach 東京 war naß, 𝄞 said he;\n",
    "    if word == 'cue': return x1 += 42\n",
    "“To be”, or not to be … that’s the question.\n",
    "\n\na password=hunter2, word=none, keyword=car\n",
    "clamp=far\n",
)
Told = list[tuple[str, str]]  # the cue and the value of each line


def write(folder: Path, text: bytes) -> Files:
    """A corpus of one document."""
    (folder / "text.txt").write_bytes(text)
    return Files(str(folder))


def prose(folder: Path) -> Files:
    """6,000 lines, a few of which hold a cue."""
    rng = np.random.default_rng(0)
    return write(folder, "".join(LINES[i] for i in rng.choice(5, 6000, p=(0.4, 0.2, 0.36, 0.02, 0.02))).encode())


def tokens(batch: Batch) -> list[Ids]:
    """The ids of each example, up to the position that answers."""
    return [row[: last + 1].numpy() for row, last in zip(batch.inputs, batch.positions[:, 0].tolist(), strict=True)]


def texts(task: Planted, batch: Batch) -> list[bytes]:
    """Each example's text."""
    return [task.tokenizer.decode(ids) for ids in tokens(batch)]


def read(text: bytes, pairs: int) -> tuple[Told, bytes, str]:
    """The lines that tell, the filler, and the cue asked for."""
    *lines, rest = text.split(b"\n", pairs)
    filler, asked = rest.rsplit(b"\n", 1)
    told = [(cue, value) for cue, value in (line.decode().split("=") for line in lines)]
    assert asked.endswith(b"=")
    return told, filler, asked[:-1].decode()
