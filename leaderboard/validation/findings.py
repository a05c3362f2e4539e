"""What is wrong with a submission, a line each."""

from dataclasses import dataclass

LONGEST = 300  # characters of a line


@dataclass(frozen=True)
class Finding:
    """`file: field: what was expected`; the field is empty where it is the whole file."""

    file: str
    field: str
    expected: str

    def line(self) -> str:
        """One printable line, whatever the submission has in it."""
        said = ": ".join(part for part in (self.file, self.field, self.expected) if part)
        plain = said.encode("unicode_escape").decode("ascii")
        return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


class Refused(ValueError):  # noqa: N818
    """A part of a submission that cannot be read; `field` says which, the message what was expected."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field, self.expected = field, expected
