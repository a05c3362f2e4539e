"""Your own files: what is read from them, and how what cannot be read is named."""

import codecs
import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import rows
from tasks.files import Files

CONFIGS = Path(__file__).parents[2] / "configs" / "corpora"
TEXTS = ["one\n", "", "zwei é€😀", "three\r\n\n", "one\n"]


def texts(path: Path | str, column: str = "text") -> list[bytes]:
    return [text for _, text in Files(str(path), column).read()]


def jsonl(path: Path, found: list[Any], end: str = "\n") -> Path:
    path.write_text(end.join(json.dumps(row) for row in found) + end, encoding="utf-8", newline="")
    return path


def parquet(path: Path, kind: Any = None, column: str = "text", found: Any = TEXTS) -> Path:
    values = pa.array(found, pa.string()).cast(kind or pa.string())
    pq.write_table(pa.table({"id": list(range(len(found))), column: values}), path, row_group_size=2)
    return path


def test_every_kind_gives_the_same_documents(tmp_path: Path):
    for number, text in enumerate(TEXTS):
        (tmp_path / "txt" / f"part{number % 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "txt" / f"part{number % 2}" / f"{number}.txt").write_bytes(text.encode())
    expected = [text.encode() for text in TEXTS]
    kinds = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
    for number, kind in enumerate(kinds):
        assert texts(parquet(tmp_path / f"{number}.parquet", kind)) == expected
    lines = [{"id": 1, "text": text} for text in TEXTS]
    assert texts(jsonl(tmp_path / "a.jsonl", lines)) == expected
    assert texts(jsonl(tmp_path / "b.JSONL", lines, "\r\n\n  \n")) == expected
    assert sorted(texts(tmp_path / "txt")) == sorted(expected)
    assert Files(str(tmp_path)).digest == Files(str(tmp_path / "txt")).digest
    assert Files(str(tmp_path)).n_duplicates == 7 * 4 - 3


@settings(deadline=None)
@given(found=st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, found: list[str]):
    folder = tmp_path_factory.mktemp("any")
    expected = [text.encode() for text in found]
    assert texts(jsonl(folder / "a.jsonl", [{"text": text} for text in found])) == expected
    assert texts(parquet(folder / "a.parquet", found=found)) == expected


def test_rows_are_named_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows, "ROWS", 2)
    path = parquet(tmp_path / "a.parquet")
    assert [name for name, _ in Files(str(path)).read()] == [f"{path} row {n}" for n in range(1, 6)]


def test_a_pattern_takes_what_it_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for place in ("x.txt", "a/y.txt", "a/b/z.txt", "a/b/z.md", "[1].txt"):
        (tmp_path / place).write_text(place)
    assert texts(f"{tmp_path}/*.txt") == [b"[1].txt", b"x.txt"]
    assert texts(f"{tmp_path}/a/**/*") == [b"a/b/z.txt", b"a/y.txt"]
    assert texts(tmp_path / "[1].txt") == [b"[1].txt"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert texts("~/a/y.txt") == [b"a/y.txt"]
    assert len(texts("~")) == 4


def test_another_column(tmp_path: Path):
    assert texts(jsonl(tmp_path / "a.jsonl", [{"text": "no", "body": "yes"}]), "body") == [b"yes"]
    assert texts(parquet(tmp_path / "a.parquet", column="body"), "body")[0] == b"one\n"


BAD_LINES = {
    b'{"text": "\xff"}': r"line 2 is not UTF-8: invalid start byte at byte 27 of the file",
    b'{"text": "a\\u00e9\\ud800"}': r"line 2: 'text' holds '\\ud800', half a surrogate pair, at byte 3$",
    b'{"text": "a"': r"line 2 is not JSON: Expecting ',' delimiter at column 13$",
    b'{"text": 1' + b"0" * 5000 + b"}": r"line 2 is not JSON: .*digits",
    b"[" * 100_000: r"line 2 is not JSON: .*recursion",
    b'["text"]': r'line 2 is not a JSON object but \["text"\]$',
    b'{"body": "a", "id": 1}': r"line 2 has no key 'text': it has 'body', 'id'$",
    b'{"text": null}': r"line 2: 'text' is not a string but null$",
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, message: str):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}' + b"\n" + line + b"\n")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/a\.jsonl {message}") as error:
        texts(tmp_path)
    assert "\n" not in str(error.value)


def test_a_bad_parquet_file_is_named(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", column="body")
    with pytest.raises(ValueError, match=rf"{path}: no column 'text': columns of strings are body$"):
        texts(path)
    with pytest.raises(ValueError, match=rf"{path}: column 'id' holds int64: columns of strings are body$"):
        texts(path, "id")
    with pytest.raises(ValueError, match=rf"{path} row 4: 'text' is null$"):
        texts(parquet(path, found=["a", "b", "c", None]))
    data = path.read_bytes()
    for damaged in (b"", data[:-9], data[:4] + b"\xff" * (len(data) - 12) + data[-8:], b"text"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"^{path} is not a whole parquet file: ") as error:
            texts(path)
        assert "\n" not in str(error.value)


def test_bytes_that_are_not_utf8_in_a_parquet_file_are_named(tmp_path: Path):
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"ab\xff"], pa.binary()).buffers())
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet row 1 is not UTF-8: invalid start byte at byte 2$"):
        Files(str(tmp_path)).split("train")


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (codecs.BOM_UTF8 + b"text", "begins with a byte order mark"),
        ("text".encode("utf-16"), "looks like UTF-16: convert"),
        ("text".encode("utf-16-be"), "looks like UTF-16: convert"),
        ("text".encode("utf-16-le"), "looks like UTF-16: convert"),
        ("text".encode("utf-32"), "looks like UTF-32: convert"),
    ],
)
def test_other_encodings_are_recognised(tmp_path: Path, name: str, data: bytes, message: str):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"^{tmp_path / name} {message}"):
        texts(tmp_path)


@pytest.mark.parametrize("text", [b"a", b"ab", b"abcd", b"\x00", b"\x00\x00\x00\x00", "é".encode(), b"a\x00b"])
def test_short_texts_pass_for_utf8(tmp_path: Path, text: bytes):
    (tmp_path / "a.txt").write_bytes(text)
    assert texts(tmp_path) == [text]


def test_what_is_not_there_is_said(tmp_path: Path):
    (tmp_path / "readme.md").write_text("text")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "gone.txt").symlink_to("nowhere.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    cases = {
        "nowhere": r"nowhere does not exist: give a folder, a \.txt, \.jsonl, \.parquet file, or a pattern",
        "readme.md": r"readme\.md is no file of a kind that can be read: \.txt, \.jsonl, \.parquet$",
        "*.md": r"\*\.md matches no file of a kind that can be read",
        "*.text": r"\*\.text matches no file of a kind that can be read",
        "empty.txt": r"there is no text in .*empty\.txt$",
        "[g]one.txt": r"gone\.txt cannot be read: No such file or directory$",
        "pipe.txt": r"pipe\.txt is not a file$",
        "": r"gone\.txt cannot be read: No such file",
    }
    for name, message in cases.items():
        with pytest.raises(ValueError, match=message):
            Files(f"{tmp_path}/{name}").split("train")
    (tmp_path / "void").mkdir()
    with pytest.raises(ValueError, match=r"void and the folders in it hold no file of a kind that can be read"):
        Files(str(tmp_path / "void")).split("train")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "a.txt").write_text("text")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match=r"a\.txt cannot be read: Permission denied$"):
        texts(tmp_path)


def test_any_change_is_noticed(tmp_path: Path):
    path = tmp_path / "a.txt"
    digests = []
    for text in ("first", "other", "other!", "first"):  # with its time put back
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
        digests.append(Files(str(path)).digest)
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]
    marks = set()
    for number in range(5):  # as fast as a file can be written
        path.write_text(str(number))
        marks.add(Files(str(path)).fingerprint())
    assert len(marks) == 5
    before = Files(str(tmp_path)).fingerprint()
    (tmp_path / "b.txt").write_text("")
    assert Files(str(tmp_path)).fingerprint() != before
    assert Files(str(path), "body").fingerprint() != Files(str(path)).fingerprint()


def test_the_pattern_takes_any_path():
    pattern = yaml.safe_load((CONFIGS / "files.yaml").read_text())["pattern"]
    match = re.fullmatch(pattern, "files:/data/some books: two")
    assert match is not None
    assert match.groupdict() == {"path": "/data/some books: two"}
