"""Parquet, and data sets that Hugging Face's ``datasets`` saved to disk as Arrow."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, UsageError
from ..image import reason
from ..labelled_lines import SkippedLine
from .columns import FILE, NEEDED, PAGE, TEXT, Columns, called
from .found import Candidate, Format, Reading
from .sources import Source, bad_name

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch, Schema

_BATCH = 64  # rows


class _Row(NamedTuple):
    shard: str
    number: int
    picture: dict[str, Any] | bytes | str | None
    text: bytes | None
    page: str


def read(source: Source) -> Reading:
    """The rows of all shards, of all parts of the data set.

    Raises:
        UsageError: there are shards, and pyarrow is not installed.
    """
    found: list[Candidate | SkippedLine] = []
    used: set[str] = set()
    shards = _shards(source)
    for name in shards:
        rows = 0
        try:
            for row in _rows(source, name):
                found.append(_candidate(source, row, used))
                rows = row.number
        except (OSError, ValueError, LookupError, MemoryError, _pyarrow().ArrowException) as error:
            after = f" after row {rows}" if rows else ""
            found.append(SkippedLine(name, f"It cannot be read{after}: {reason(error)}."))
    parquet = any(name.lower().endswith(".parquet") for name in shards)
    return Reading("Parquet" if parquet else "Arrow", found)


FORMAT = Format("Parquet, or what datasets saved to disk", read)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise UsageError(
            "Reading Parquet or Arrow needs pyarrow, which is not installed.",
            'Run pip install "trocr[data]".',
        ) from None
    return pyarrow


def _shards(source: Source) -> list[str]:
    """Files of rows, without what ``datasets`` caches beside them."""
    arrow = source.ending(".arrow")
    for state in source.ending("state.json"):
        folder = posixpath.dirname(state)
        try:
            files = json.loads(source.read(state))["_data_files"]
            listed = {posixpath.join(folder, file["filename"]) for file in files}
        except (DataError, KeyError, TypeError, ValueError):
            continue
        arrow = [name for name in arrow if posixpath.dirname(name) != folder or name in listed]
    arrow = [name for name in arrow if not posixpath.basename(name).startswith("cache-")]
    return source.ending(".parquet") + arrow


def _rows(source: Source, name: str) -> Iterator[_Row]:
    """The rows of a shard.

    Raises:
        DataError: the columns that are needed are not there.
    """
    with source.open(name) as stream:
        number = 0
        for batch in _batches(stream):
            columns = _columns(batch.schema)
            pictures = _values(batch.column(columns.file))
            texts = _values(_undecoded(batch.column(columns.text)))
            pages = {page: _values(batch.column(page)) for page in columns.pages}
            for at, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
                number += 1
                page = columns.page({name: values[at] for name, values in pages.items()})
                yield _Row(name, number, picture, text, page or "")


def _batches(stream: IO[bytes]) -> Iterator[RecordBatch]:
    """Rows of Parquet, or of Arrow as a stream or as a file, by what the file begins with.

    Raises:
        DataError: the columns that are needed are not there.
    """
    pyarrow = _pyarrow()
    magic = stream.read(6)
    stream.seek(0)
    if magic.startswith(b"PAR1"):
        file = pyarrow.parquet.ParquetFile(stream)
        columns = _columns(file.schema_arrow)
        needed = [columns.file, columns.text, *columns.pages]
        yield from file.iter_batches(_BATCH, columns=needed)
    elif magic == b"ARROW1":
        reader = pyarrow.ipc.open_file(stream)
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        yield from pyarrow.ipc.open_stream(stream)


def _columns(schema: Schema) -> Columns:
    """A column that holds pictures is preferred to one that holds their names."""
    binary = [field.name for field in schema if _holds_bytes(field.type)]
    pictures = called(FILE, binary) or binary or called(FILE, schema.names)
    texts = called(TEXT, schema.names)
    if not pictures or not texts:
        raise DataError(f"its columns are {', '.join(schema.names)}; it needs {NEEDED}")
    return Columns(pictures[0], texts[0], tuple(called(PAGE, schema.names)))


def _holds_bytes(kind: DataType) -> bool:
    types = _pyarrow().types
    if types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _values(column: Array) -> list[Any]:
    column.validate(full=True)  # what a damaged file says would be followed outside its memory
    values: list[Any] = column.to_pylist()
    return values


def _undecoded(column: Array) -> Array:
    """Texts as bytes: they need not be UTF-8.

    Raises:
        DataError: they are of another type.
    """
    pyarrow = _pyarrow()
    if pyarrow.types.is_dictionary(column.type):
        column.validate(full=True)
        column = column.dictionary_decode()
    kinds = {"string": pyarrow.binary(), "large_string": pyarrow.large_binary()}
    if str(column.type) not in kinds:
        raise DataError(f"its labels are of the type {column.type}, not text")
    return column.view(kinds[str(column.type)])


def _candidate(source: Source, row: _Row, used: set[str]) -> Candidate | SkippedLine:
    where = f"{row.shard} row {row.number}"
    try:
        if row.text is None:
            raise DataError("It has no label.")
        file, image = _picture(source, row)
    except DataError as error:
        return SkippedLine(where, error.message)
    if not file or file in used or bad_name(file):
        file = f"{posixpath.splitext(row.shard)[0]}/{row.number:06}"
    used.add(file)
    return Candidate(where, file, image, row.text.decode("utf-8", "surrogateescape"), row.page)


def _picture(source: Source, row: _Row) -> tuple[str, bytes]:
    """The picture's name, which may be empty, and its bytes, from the row or from a file."""
    picture = row.picture
    if isinstance(picture, dict):
        name, picture = picture.get("path") or "", picture.get("bytes") or picture.get("path")
    else:
        name = picture if isinstance(picture, str) else ""
    if isinstance(picture, bytes):
        return name, picture
    if not isinstance(picture, str):
        raise DataError("It has no picture.")
    try:
        file = source.named(picture, posixpath.dirname(row.shard))
    except DataError as error:
        raise DataError(f"It holds a picture's name alone. {error.message}") from error
    return file, source.read(file)
