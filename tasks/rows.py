"""The documents of a .txt, a .jsonl or a .parquet file, one at a time: their name for messages, and their text."""

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 16  # read at once
MARKS = {  # what a file in another encoding begins with
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def txt(path: Path, column: str) -> Iterator[tuple[str, bytes]]:
    """The whole file."""
    text = path.read_bytes()
    _check_encoding(path, text[:64])
    yield str(path), text


def jsonl(path: Path, column: str) -> Iterator[tuple[str, bytes]]:
    """The string under `column` of each line's object; empty lines are passed over."""
    at = 0
    with path.open("rb") as file:
        _check_encoding(path, file.peek(64)[:64])
        for number, line in enumerate(file, 1):
            if line.strip():
                name = f"{path} line {number}"
                yield name, _string(name, _parsed(name, line, at), column)
            at += len(line)


def parquet(path: Path, column: str) -> Iterator[tuple[str, bytes]]:
    """The string in `column` of each row."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, pre_buffer=False) as file:
            check_column(str(path), file.schema_arrow, column)
            chunks = (batch.column(0) for batch in file.iter_batches(ROWS, columns=[column]))
            yield from strings(str(path), column, chunks)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the file system's
            raise
        raise ValueError(f"{path} is not a whole parquet file: {' '.join(str(error).split())}") from None


KINDS = {".txt": txt, ".jsonl": jsonl, ".parquet": parquet}


def check_column(name: str, schema: "pa.Schema", column: str) -> None:
    """Raise ValueError naming the choices where `column` is not there or holds something else than strings."""
    holds = {field.name: _is_string(field.type) for field in schema}
    if not holds.get(column):
        found = f"column {column!r} holds {schema.field(column).type}" if column in holds else f"no column {column!r}"
        choices = ", ".join(key for key, fits in holds.items() if fits)
        raise ValueError(f"{name}: {found}: columns of strings are {choices or 'none'}")


def strings(name: str, column: str, chunks: "Iterable[pa.Array]") -> Iterator[tuple[str, bytes]]:
    """Each row's string, not decoded. Raises ValueError where one is null."""
    import pyarrow as pa

    row = 0
    for chunk in chunks:
        for value in chunk.cast(pa.large_string()).cast(pa.large_binary()).to_pylist():
            row += 1
            if value is None:
                raise ValueError(f"{name} row {row}: {column!r} is null")
            yield f"{name} row {row}", value


def _is_string(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _check_encoding(path: Path, head: bytes) -> None:
    """Raise ValueError where a file begins as UTF-8 text should not."""
    if head.startswith(codecs.BOM_UTF8):
        raise ValueError(f"{path} begins with a byte order mark: take its first 3 bytes away (tail -c +4)")
    looks = next((kind for mark, kind in MARKS.items() if head.startswith(mark)), None)
    even, odd = any(head[::2]), any(head[1::2])
    if len(head) > 3 and even != odd:  # ASCII as UTF-16: every other byte is 0
        looks = "UTF-16"
    if looks:
        raise ValueError(f"{path} looks like {looks}: convert it first (iconv -f {looks} -t UTF-8)")


def _parsed(name: str, line: bytes, at: int) -> Any:
    try:
        return json.loads(line.decode().rstrip("\r\n"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8: {error.reason} at byte {at + error.start} of the file") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error.msg} at column {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise ValueError(f"{name} is not JSON: {error}") from None


def _string(name: str, row: Any, column: str) -> bytes:
    if not isinstance(row, dict):
        raise ValueError(f"{name} is not a JSON object but {json.dumps(row)[:40]}")
    if column not in row:
        raise ValueError(f"{name} has no key {column!r}: it has {', '.join(map(repr, row)) or 'none'}")
    if not isinstance(row[column], str):
        raise ValueError(f"{name}: {column!r} is not a string but {json.dumps(row[column])[:40]}")
    try:
        return row[column].encode()
    except UnicodeEncodeError as error:
        half, place = row[column][error.start], len(row[column][: error.start].encode())
        raise ValueError(f"{name}: {column!r} holds {half!r}, half a surrogate pair, at byte {place}") from None
