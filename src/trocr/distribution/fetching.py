"""Entries to their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

from ..errors import ImageError, TrOCRError
from ..image import COPY_AGAIN, reason
from .containers import open_tar, picture_column, pyarrow_parquet
from .entries import PARQUET, Entry
from .files import open_binary

_ROWS = 16  # of Parquet that are unpacked at a time


class Fetcher:
    """Reads entries; the last archive stays open, as its entries come one after another.

    Args:
        column: of Parquet, the one that holds the pictures.
    """

    def __init__(self, column: str | None = None) -> None:
        self._column = column
        self._where = ""
        self._opened: IO[bytes] | _Rows | None = None

    def read(self, entry: Entry) -> bytes:
        """The bytes of an entry.

        Raises:
            ImageError: they cannot be read.
        """
        try:
            return self._read(entry)
        except TrOCRError as error:
            self.close()
            raise ImageError(error.message, error.hint) from error
        except Exception as error:  # stores and archives have errors of their own
            self.close()
            raise ImageError(f"{entry.name} cannot be read: {reason(error)}.", COPY_AGAIN) from None

    def close(self) -> None:
        """Forget the archive."""
        if self._opened is not None:
            with suppress(Exception):
                self._opened.close()
        self._where, self._opened = "", None

    def _read(self, entry: Entry) -> bytes:
        if entry.place is None:
            with open_binary(entry.where) as stream:
                return stream.read()
        if self._where != entry.where:
            self.close()
            is_parquet = entry.where.lower().endswith(PARQUET)
            opened = _Rows(entry.where, self._column) if is_parquet else open_tar(entry.where)
            self._where, self._opened = entry.where, opened
        if isinstance(self._opened, _Rows):
            return self._opened.read(entry.place)
        assert self._opened is not None
        self._opened.seek(entry.place)
        data = self._opened.read(entry.size)
        if len(data) < entry.size:
            raise EOFError("the archive is cut off")
        return data


class _Rows:
    """The pictures of Parquet by row, cheap where rows are asked for in order."""

    def __init__(self, where: str, column: str | None) -> None:
        self._stream = open_binary(where)
        self._file = pyarrow_parquet().ParquetFile(self._stream)
        self._column = picture_column(self._file.schema_arrow, column)
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = ()
        self._start = self._end = 0  # rows of the batch, and where its row group ends

    def read(self, row: int) -> bytes:
        if not self._start <= row < self._end:
            self._open_group(row)
        while row >= self._start + len(self._batch):
            self._start += len(self._batch)
            self._batch = next(self._batches).column(0)
        value = self._batch[row - self._start].as_py()
        value = value.get("bytes") if isinstance(value, dict) else value
        if value is None:
            raise ValueError("the row is empty")
        return bytes(value)

    def _open_group(self, row: int) -> None:
        first = 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if row < first + count:
                self._batches = self._file.iter_batches(
                    _ROWS, row_groups=[group], columns=[self._column]
                )
                self._batch, self._start, self._end = (), first, first + count
                return
            first += count
        raise ValueError("there is no such row")

    def close(self) -> None:
        self._stream.close()
