"""What is wrong with a submission, a line each."""

import re
from dataclasses import dataclass

LONGEST = 300  # characters of a line
NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./-]*", re.ASCII)


@dataclass(frozen=True)
class Finding:
    """`file: field: what was expected`; the field is empty where it is the whole file."""

    file: str
    field: str
    expected: str

    def line(self) -> str:
        """One printable line, whatever the submission has in it.

        It commands neither a terminal (all but ASCII is escaped) nor a workflow, which obeys `::` where a line begins
        and `##[` wherever it stands.
        """
        file = self.file if not self.file or NAME.fullmatch(self.file) else f'"{self.file}"'
        said = ": ".join(part for part in (file, self.field, self.expected) if part)
        plain = said.encode("unicode_escape").decode("ascii").replace("##[", "## [")
        return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


class Refused(ValueError):  # noqa: N818
    """A part of a submission that cannot be read; `field` says which, the message what was expected."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field, self.expected = field, expected
