"""Tars and Parquet: which entries they hold, without reading any."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from ..errors import UsageError
from ..image import reason
from ..pages.inputs import SUFFIXES
from .entries import PARQUET, Container, Entry, Fault
from .files import open_binary

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

_COLUMNS = ("image", "bytes", "picture", "content", "data", "png", "jpg", "pdf")  # preferred so
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


def entries_of(file: Entry, column: str | None) -> Iterator[Entry | Fault | Container]:
    """The entries of a tar or of Parquet; of a damaged one those before the damage, and a `Fault`.

    Args:
        file: the archive.
        column: of Parquet, the one that holds the pictures.
    """
    last = ""
    rows = _rows(file, column) if file.name.lower().endswith(PARQUET) else _members(file)
    try:
        for entry in rows:
            last = entry.name
            yield entry
    except UsageError:
        raise
    except Exception as error:  # whatever a damaged archive leads to costs this archive only
        after = f" after {last}" if last else ""
        why = reason(error).partition("\n")[0]
        yield Fault(file.name, file.stamp, f"{file.name} cannot be read{after}: {why}.")
        yield Container(file.name, file.stamp, whole=False)
    else:
        yield Container(file.name, file.stamp, whole=True)


def open_tar(where: str) -> IO[bytes]:
    """The bytes of a tar, unpacked."""
    stream = open_binary(where)
    head = stream.read(2)
    stream.seek(0)
    unpacked: IO[bytes] = _PACKED[head](stream, "rb") if head in _PACKED else stream
    return unpacked


def _members(file: Entry) -> Iterator[Entry]:
    with open_tar(file.where) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else all of them are kept
            name = member.name.removeprefix("./")
            hidden = any(part.startswith(".") for part in name.split("/"))
            if member.isfile() and not hidden and SUFFIXES.fullmatch(_suffix(name)):
                whole = f"{file.name}/{name}"
                yield Entry(whole, file.where, member.offset_data, member.size, file.stamp)
        _check_end(stream, archive.offset)


def _suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    return dot + suffix


def _check_end(stream: IO[bytes], offset: int) -> None:
    """Raise where ``tarfile`` took a damaged header for the end."""
    stream.seek(offset)
    if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("what follows is no header")


def _rows(file: Entry, column: str | None) -> Iterator[Entry]:
    with open_binary(file.where) as stream:
        parquet = pyarrow_parquet().ParquetFile(stream)
        picture_column(parquet.schema_arrow, column)
        for row in range(parquet.metadata.num_rows):
            yield Entry(f"{file.name}/{row}", file.where, row, 0, file.stamp)


def pyarrow_parquet() -> Any:
    """The module.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed.", 'Run pip install "trocr[batch]".'
        ) from None
    return pyarrow.parquet


def picture_column(schema: Schema, column: str | None) -> str:
    """The column that holds pictures, or ``{bytes, path}`` as Hugging Face's ``datasets`` has it.

    Raises:
        ValueError: there is none, or several and none is chosen.
    """
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if column is not None:
        if column not in found:
            raise ValueError(f"it has no column {column} of bytes, but {', '.join(schema.names)}")
        return column
    named = [name for name in _COLUMNS if name in found]
    if not found or (len(found) > 1 and not named):
        raise ValueError(f"which of its columns holds the pictures? {', '.join(schema.names)}")
    return (named or found)[0]


def _holds_bytes(kind: DataType) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        fields = {kind.field(at).name: kind.field(at).type for at in range(kind.num_fields)}
        return "bytes" in fields and _holds_bytes(fields["bytes"])
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
