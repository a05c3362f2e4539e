"""Text that is always there: the source code of sympy."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tasks.corpora import Corpus
from tasks.files import stamps


class Sympy(Corpus):
    """The Python source of the installed sympy distribution: the .py files of its own RECORD, a document each.

    Reading raises ValueError where it is not the text of `version`, whose digest is `digest`.
    """

    def __init__(self, digest: str, version: str) -> None:
        self.pinned, self.version = digest, version
        self.remedy = f": pip install --force-reinstall sympy=={version}"

    def __str__(self) -> str:
        return f"the sympy distribution ({self.version})"

    def read(self) -> Iterator[tuple[str, bytes]]:
        """The files that the distribution lists."""
        for path in self._paths():
            yield str(path), path.read_bytes()

    def fingerprint(self) -> str:
        """The files, their sizes and times."""
        return stamps(self._paths())

    def _paths(self) -> list[Path]:
        try:
            files = distribution("sympy").files
        except PackageNotFoundError:
            files = None
        if not files:
            raise ValueError(f"sympy is not installed from a wheel: pip install sympy=={self.version}")
        return [Path(str(file.locate())) for file in files if file.suffix == ".py"]
