"""Records to shards, and documents to files of their own."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import OutputError, TrOCRError
from ..writers import files_of, render, suffix_of
from ..writers.characters import encodable
from .containers import pyarrow_parquet
from .files import Folder
from .reading import Reading
from .task import Task
from .units import Outcome, Unit

_FOLDER = "shards"
_DOCUMENTS = "documents"
_JSON_COLUMNS = ("failures", "document")  # of Parquet


class Writer:
    """Collects what was read of a unit, and writes its files.

    Args:
        task: says which.
        folder: where they go.
        model: the name of the one that reads.
    """

    def __init__(self, task: Task, folder: Folder, model: str) -> None:
        self._task, self._folder, self._model = task, folder, model
        self._records: list[dict[str, Any]] = []

    def add(self, reading: Reading) -> Outcome:
        """Write the documents of an entry, and keep its record for the shard.

        Raises:
            OutputError: a document cannot be written.
        """
        number, failed = reading.numbered.number, len(reading.failures)
        why = reading.reason
        if why is None:
            try:
                self._write_documents(reading)
            except OutputError:
                raise
            except TrOCRError as error:
                why = f"{reading.name} is not written: {error.message}"
        if why is not None:
            return Outcome(number, 0, encodable(why))
        if self._task.shard_format:
            self._records.append(reading.record(self._model))
        return Outcome(number, len(reading.pages), None, failed)

    def close(self, unit: Unit) -> None:
        """Write the shard of the unit; one without records is removed.

        Raises:
            OutputError: it cannot be written.
        """
        records, self._records = self._records, []
        format = self._task.shard_format
        if not format:
            return
        name = shard_name(unit.key, format)
        if records:
            self._folder.write(name, _jsonl(records) if format == "jsonl" else _parquet(records))
        else:
            self._folder.remove(name)

    def _write_documents(self, reading: Reading) -> None:
        if not self._task.documents:
            return
        document = reading.document(self._model)
        options = replace(self._task.writing, original=reading.original)
        name = document_name(reading.name, self._task.mirrored)
        for format in self._task.documents:
            for path, part in files_of(document, f"{name}{suffix_of(format, options)}", format):
                content = render(part, format, options)
                whole = content if isinstance(content, bytes) else content.encode("utf-8")
                self._folder.write(str(path), whole)


def shard_name(key: str, format: str) -> str:
    """Of the shard of a unit, in OUTPUT."""
    return f"{_FOLDER}/{key}.{format}"


def document_name(name: str, mirrored: str) -> str:
    """Of the documents of an entry, in OUTPUT, without their endings.

    The name of the entry, whole: ``scan.png`` and ``scan.tif`` become two documents.
    """
    rest = name.removeprefix(mirrored)
    parts = [part for part in rest.replace("://", "/").split("/") if part not in ("", ".", "..")]
    return "/".join([_DOCUMENTS, *parts])


def _jsonl(records: Sequence[dict[str, Any]]) -> bytes:
    rows = (encodable(json.dumps(record, ensure_ascii=False)) + "\n" for record in records)
    return "".join(rows).encode("utf-8")


def _parquet(records: Sequence[dict[str, Any]]) -> bytes:
    import pyarrow

    rows = [
        {
            name: encodable(value) if isinstance(value, str) else value
            for name, value in record.items()
            if name not in _JSON_COLUMNS
        }
        | {name: encodable(json.dumps(record[name])) for name in _JSON_COLUMNS}
        for record in records
    ]
    stream = io.BytesIO()
    parquet = pyarrow_parquet()
    parquet.write_table(pyarrow.Table.from_pylist(rows), stream, compression="zstd")
    return stream.getvalue()
