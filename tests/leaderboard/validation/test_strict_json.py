"""JSON from strangers: what is let through, and what Python's own parser would have let through."""

import json
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from leaderboard.validation.findings import Finding, Refused
from leaderboard.validation.strict_json import MAX_DEPTH, MAX_TEXT, parse

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("aäß字 ", max_size=20) | st.floats(1e-9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_plain_values_come_back(value: object) -> None:
    text = json.dumps(value)
    assume(text.count("[") + text.count("{") <= MAX_DEPTH)
    assert parse(text.encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False, indent=3).encode()) == value


@given(st.binary(max_size=60) | st.text('[]{}",:0123456789.eE+-\\u tfn', max_size=60).map(str.encode))
@settings(max_examples=2000, derandomize=True, database=None, deadline=None)
def test_what_is_let_through_is_what_any_parser_reads(data: bytes) -> None:
    try:
        value = parse(data)
    except Refused:
        return
    assert from_json(data) == json.loads(data) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b"{}{}", "Extra data"),
        (b"{'a': 1}", "expected JSON"),
        (b"[1,]", "expected JSON"),
        (b"// x\n{}", "expected JSON"),
        (b"\xef\xbb\xbf{}", "expected JSON"),
        ('{"a": 1}'.encode("utf-16"), "expected UTF-8"),
        (b'{"a": "\xff"}', "byte 7 is not"),
        (b"NaN", "finite numbers, got NaN"),
        (b"[Infinity]", "got Infinity"),
        (b"[-Infinity]", "got -Infinity"),
        (b"[1e999]", "finite numbers"),
        (b"[-1E400]", "finite numbers"),
        (b"[-0.0]", "negative zero"),
        (b"[-0]", "negative zero"),
        (b"[-0e5]", "negative zero"),
        (b"[1" + b"0" * 30 + b"]", "whole numbers up to"),
        (b"[9007199254740993]", "whole numbers up to"),
        (b"[0." + b"1" * 30 + b"]", "at most 25 characters"),
        (b"[" + b"9" * 500_000 + b"]", "whole numbers up to"),
        (b'{"a": 1, "a": 1}', "each key once"),
        (b'{"a": 1, "\\u0061": 2}', "each key once"),
        (b'{"x": {"b": 1, "b": 2}}', "each key once"),
        (b'["\\ud800"]', "U+D800"),
        (b'["\\u202e"]', "U+202E"),
        (b'["a\\u200bb"]', "U+200B"),
        (b'["\\u0000"]', "printable"),
        (b'["\\n"]', "printable"),
        (b'["\\u001b[31m"]', "printable"),
        ('["e\u0301"]'.encode(), "composed form"),
        (b'{"\\u202e": 1}', "U+202E"),
        (json.dumps("x" * (MAX_TEXT + 1)).encode(), f"at most {MAX_TEXT}"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "levels of nesting"),
        (b"[" * 29_000, "levels of nesting"),
        (b'{"a":' * 1_900, "levels of nesting"),
        (b"[" * 500_000, "at most 30000 values"),
        (b"[" + b"1," * 30_000 + b"1]", "at most 30000 values"),
        (b'{"a":' * 100_000, "at most 2000 objects"),
        (b"[0." + b"1" * 500_000 + b"]", "at most 25 characters"),
        (b"[1e" + b"0" * 500_000 + b"1]", "at most 25 characters"),
        (b'{"' + b"x" * 600 + b'": 1}', "texts of at most 500 characters"),
        ('["\u2066x"]'.encode(), "U+2066"),
        ('["\u00ad"]'.encode(), "U+00AD"),
        ('["\ue000"]'.encode(), "U+E000"),
        ('["\u2028"]'.encode(), "U+2028"),
        (b'["\xed\xa0\x80"]', "byte 2 is not"),
        (b'["\xc0\xaf"]', "byte 2 is not"),
        (b"[01]", "expected JSON"),
        (b"[+1]", "expected JSON"),
        (b"[.5]", "expected JSON"),
        (b"[0x10]", "expected JSON"),
        (b"[1_000]", "expected JSON"),
        (b"[True]", "expected JSON"),
        (b'["a\tb"]', "expected JSON"),
        (b'["\\x41"]', "expected JSON"),
        (b"[1]\x00", "expected JSON"),
        (b"\x0b[1]", "expected JSON"),
    ],
)
def test_what_goes_further_than_json_is_refused(data: bytes, said: str) -> None:
    begin = time.monotonic()
    with pytest.raises(Refused) as error:
        parse(data)
    assert said in error.value.expected
    assert time.monotonic() - begin < 2


def test_brackets_in_texts_are_no_levels() -> None:
    assert parse(b'["[[[[[[[[[[[[[[[[[[[[", "\\"[{", "\\\\"]') == ["[" * 20, '"[{', "\\"]
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_a_finding_is_one_printable_line() -> None:
    line = Finding("a\x1b[31m.json", "x\ny", "z" * 1000).line()
    assert line.isprintable()
    assert line.startswith(r'"a\x1b[31m.json": x\ny: zzz')
    assert len(line) == 300
