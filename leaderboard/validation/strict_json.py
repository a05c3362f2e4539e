"""JSON from strangers: RFC 8259 and not a step further, within limits that are checked before anything is built."""

import json
import math
import unicodedata
from typing import Any, NoReturn

from leaderboard.validation.findings import Refused

MAX_DEPTH = 12
MAX_VALUES = 30_000  # of one file, which bounds how many findings it can have
MAX_OBJECTS = 2_000  # of them with fields
MAX_DIGITS = 25  # of one number, sign and exponent too: what a double or a 64-bit count can need
LARGEST = 2**53  # of whole numbers: beyond, a double no longer counts
MAX_TEXT = 500  # characters of a key or a text
# Categories that no reader sees: controls, direction marks and zero widths, unassigned, private, half characters.
UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def parse(data: bytes) -> Any:
    """The value of UTF-8 JSON. Raises Refused.

    Refused are what Python's parser lets through: NaN and the infinities, numbers that overflow to one or are −0,
    a key that comes twice, a byte-order mark; nesting beyond `MAX_DEPTH` and values beyond `MAX_VALUES`; texts that
    are long or not all visible.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("", f"expected UTF-8, byte {error.start} is not") from None
    refuse_many(data)
    _refuse_depth(data)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except json.JSONDecodeError as error:
        raise Refused("", f"expected JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    _refuse_texts(value)
    return value


def refuse_many(data: bytes) -> None:
    """Raise Refused for more values than a file can need, so that there are no more findings than that either.

    Counted are the commas and brackets around them, those in texts too: it is a bound.
    """
    if data.count(b"{") > MAX_OBJECTS:
        raise Refused("", f"expected at most {MAX_OBJECTS} objects")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES:
        raise Refused("", f"expected at most {MAX_VALUES} values")


def _refuse_depth(data: bytes) -> None:
    """Before parsing, so that no stack is at risk."""
    depth, inside, escaped = 0, False, False
    for byte in data.translate(None, _PLAIN):
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # \
                escaped = True
            elif byte == 0x22:  # "
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Refused("", f"expected at most {MAX_DEPTH} levels of nesting")
        elif byte in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Refused(key, "expected each key once")
        found[key] = value
    return found


def _constant(word: str) -> NoReturn:
    raise Refused("", f"expected finite numbers, got {word}")


def _float(text: str) -> float:
    if len(text) > MAX_DIGITS or not math.isfinite(value := float(text)):
        raise Refused("", f"expected finite numbers of at most {MAX_DIGITS} characters, got {text[:MAX_DIGITS]}")
    if value == 0 and text.startswith("-"):
        raise Refused("", f"expected no negative zero, got {text}")
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS or abs(int(text)) > LARGEST or text == "-0":
        raise Refused(
            "", f"expected whole numbers up to {LARGEST} in size, and no negative zero, got {text[:MAX_DIGITS]}"
        )
    return int(text)


def _refuse_texts(value: Any) -> None:
    """Texts that are long, that hold what no reader sees, or that have another spelling which looks the same."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if len(each) > MAX_TEXT:
                raise Refused("", f"expected texts of at most {MAX_TEXT} characters, got {len(each)}")
            if not each.isascii():
                _refuse_unseen(each)
            elif not each.isprintable():
                raise Refused("", f"expected printable characters, got {each[:40]!r}")
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += [one for one in each if not isinstance(one, float | int)]


def _refuse_unseen(text: str) -> None:
    unseen = [letter for letter in text if unicodedata.category(letter) in UNSEEN]
    if unseen:
        raise Refused("", f"expected characters that can be seen, got U+{ord(unseen[0]):04X}")
    if unicodedata.normalize("NFC", text) != text:
        raise Refused("", f"expected texts in Unicode's composed form (NFC), got {text[:40]!r}")


_PLAIN = bytes(byte for byte in range(256) if byte not in b'\\"[]{}')
