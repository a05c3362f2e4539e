"""Whether a change adds one submission to the leaderboard, and nothing else.

Reads what `git diff-tree -r -z --raw` says on standard input and prints one line: the submission's folder (exit code 0)
or what is wrong (1). It stands alone, and opens nothing: names and modes are only looked at.
"""

import re
import sys
from collections.abc import Iterator

PATH = re.compile(
    rb"leaderboard/submissions/([a-z0-9][a-z0-9-]{2,79})/(submission\.json|cells/[a-z]+(-[a-z0-9_]+)+\.json)"
)
ENTRY = re.compile(rb":(?:[0-7]{6}) ([0-7]{6}) [0-9a-f]+ [0-9a-f]+ ([A-Z])[0-9]*")
PLAIN = b"100644"
KINDS = {b"100755": "an executable file", b"120000": "a link", b"160000": "a submodule"}
DONE = {b"C": "copied", b"D": "deleted", b"M": "changed", b"R": "renamed", b"T": "of another kind now"}
TWO_NAMES = (b"C", b"R")
LONGEST = 120  # characters of a name in the line


class Refused(ValueError):  # noqa: N818
    """What is wrong with a change, in a line."""


def changes(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(status, mode, path) of every entry of a raw diff. Raises Refused where it is not one."""
    if data and not data.endswith(b"\0"):
        raise Refused("expected a raw diff, it is cut off")
    fields = iter(data.split(b"\0")[:-1])
    for head in fields:
        entry = ENTRY.fullmatch(head)
        path = next(fields, None)
        if entry is None or path is None:
            raise Refused(f"expected a raw diff, got {shown(head)}")
        mode, status = entry.groups()
        if status in TWO_NAMES and (path := next(fields, None)) is None:
            raise Refused(f"expected a raw diff, got {shown(head)}")
        yield status, mode, path


def submission_folder(data: bytes) -> str:
    """The folder of the one submission that a raw diff adds. Raises Refused where it does anything else."""
    found = b""
    for status, mode, path in changes(data):
        if status != b"A":
            raise Refused(f"expected added files alone, {shown(path)} is {DONE.get(status, 'not added')}")
        if mode != PLAIN:
            raise Refused(f"expected plain files alone, {shown(path)} is {KINDS.get(mode, 'something else')}")
        match = PATH.fullmatch(path)
        if match is None:
            raise Refused(f"expected leaderboard/submissions/ID/ with submission.json and cells/, got {shown(path)}")
        if found not in (b"", match[1]):
            raise Refused(f"expected one submission, got {shown(found)} and {shown(match[1])}")
        found = match[1]
    if not found:
        raise Refused("expected a submission, nothing is added")
    return f"leaderboard/submissions/{found.decode('ascii')}"


def shown(name: bytes) -> str:
    """A name as printable ASCII in quotes, whatever it has in it."""
    plain = name.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")
    return f'"{plain}"' if len(plain) <= LONGEST else f'"{plain[:LONGEST]}"...'


def main() -> int:
    """Print the line."""
    try:
        print(submission_folder(sys.stdin.buffer.read()))
    except Refused as refused:
        print(refused)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
