"""Text from the Hugging Face Hub."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tasks.corpora import Corpus
from tasks.files import inside, stamps
from tasks.rows import KINDS

COMMIT = re.compile(r"[0-9a-f]{40}")
SHARD = re.compile(r"-(\d+)-of-(\d+)")
HEADING = re.compile(rb" = [^=\s].* = \n?")  # of an article; those of its sections begin with ` = = `
ROWS = ("documents", "wikitext")


class Hub(Corpus):
    """A data set of the Hugging Face Hub at one commit; without `revision`, a folder on disk that is laid out like one.

    `folder` is the part of the repository that holds the data; nothing else is downloaded. `config` is one of the
    configurations that its README names. The upstream splits `parts` are read one after the other, and split anew.
    Text is in `column`. rows=documents: each row is one. rows=wikitext: each row is a line, empty where the line is
    blank, and an article begins at a heading of the first level.
    """

    def __init__(
        self,
        repo: str,
        revision: str | None = None,
        folder: str = "",
        config: str | None = None,
        parts: Sequence[str] = ("train", "validation", "test"),
        column: str = "text",
        rows: str = "documents",
    ) -> None:
        if revision is not None and not COMMIT.fullmatch(revision):
            raise ValueError(f"revision must be a whole commit hash of {repo}, 40 hexadecimal digits, got {revision!r}")
        if rows not in ROWS:
            raise ValueError(f"rows must be {' or '.join(ROWS)}, got {rows!r}")
        self.repo, self.revision, self.folder, self.config = repo, revision, folder, config
        self.parts, self.column, self.rows = parts, column, rows

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo} at {self.revision}"

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every document, part by part. Raises ValueError where the data cannot be fetched, or is not all there."""
        files = self._files()
        for part in self.parts:
            rows = (row for path in files[part] for row in KINDS[path.suffix](path, self.column))
            yield from rows if self.rows == "documents" else articles(rows)

    def fingerprint(self) -> str:
        """Repository and commit, or the files of a folder, and the choices made in it."""
        where = f"{self.repo}@{self.revision}" if self.revision else stamps(sorted(inside(self._root())))
        return repr((where, self.folder, self.config, tuple(self.parts), self.column, self.rows))

    def _files(self) -> dict[str, list[Path]]:
        """The files of each part, in order."""
        root = self._root()
        quieten()
        from datasets import load_dataset_builder

        try:
            found = load_dataset_builder(str(root), self.config).config.data_files or {}
        except (ValueError, OSError) as error:
            raise ValueError(f"{self}: {' '.join(str(error).split())}") from None
        files = {str(part): [Path(path) for path in paths] for part, paths in found.items()}
        for part in self.parts:
            if part not in files:
                raise ValueError(f"{self} has no part {part!r}: it has {', '.join(files)}")
            self._check(files[part])
        return files

    def _check(self, paths: list[Path]) -> None:
        """Raise ValueError where a file cannot be read, or one of its siblings is missing."""
        for path in paths:
            if path.suffix not in KINDS:
                raise ValueError(f"{self} holds {path.name}: what can be read is {', '.join(KINDS)}")
            if shard := SHARD.search(path.name):
                there = {found.group(1) for other in paths if (found := SHARD.search(other.name))}
                if len(there) != int(shard.group(2)):
                    raise ValueError(
                        f"{self} is not all there: {len(there)} of {int(shard.group(2))} files like {path}"
                    )

    def _root(self) -> Path:
        """The folder that holds the data; downloaded where there is none of this commit in the Hub's own cache."""
        place = Path(self.repo).expanduser() if self.revision is None else self._snapshot()
        root = place / self.folder
        if not root.is_dir():
            what = "there is no folder" if self.revision is None else f"{self} has no folder"
            raise ValueError(f"{what} {root if self.revision is None else self.folder}")
        return root

    def _snapshot(self) -> Path:
        quieten()
        from huggingface_hub import snapshot_download

        wanted = f"{self.folder}/*" if self.folder else "*"
        try:
            return Path(
                snapshot_download(self.repo, repo_type="dataset", revision=self.revision, allow_patterns=[wanted])
            )
        except Exception as error:  # of the Hub, of its client, of the network: each has its own
            first = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise ValueError(
                f"{self} could not be fetched ({first}); where there is a network: hf download {self.repo} --repo-type "
                f"dataset --revision {self.revision} --include '{wanted}', then bring its $HF_HOME here and set "
                "HF_HUB_OFFLINE=1"
            ) from None


def articles(lines: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Lines of WikiText, joined into articles. A heading stands between blank lines, which come as empty rows."""
    name, article, blank, started = "", [], True, False
    for row, line in lines:
        if blank and started and HEADING.fullmatch(line):
            yield name, b"".join(article)
            article, started = [], False
        name = name if article else row
        blank = not line.strip()
        started = started or not blank
        article.append(b" \n" if blank else line if line.endswith(b"\n") else line + b"\n")
    if started:
        yield name, b"".join(article)


def quieten() -> None:
    """Keep the Hub's libraries from drawing bars and warning of themselves, where nobody watches."""
    if sys.stderr.isatty():
        return
    import datasets
    import huggingface_hub.utils

    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    huggingface_hub.utils.disable_progress_bars()
    huggingface_hub.utils.logging.set_verbosity_error()
