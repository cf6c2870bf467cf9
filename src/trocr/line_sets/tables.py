"""Tables of pictures and labels: TSV, CSV, JSON Lines, and text files with tabs."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from ..errors import DataError
from ..image import reason
from ..labelled_lines import SkippedLine
from .columns import FILE, NEEDED, PREDICTIONS, Columns, called
from .found import Candidate, Format, Reading
from .labels import decoded
from .sidecars import label_files
from .sources import PICTURE_SUFFIXES, Source

_ENDINGS = (".tsv", ".csv", ".jsonl", ".ndjson", ".txt")
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_LOOK_AHEAD = 3  # rows that may show that a table without a header begins with pictures

# Where it is, and its cells or why it has none.
Cells = tuple[str, "list[str] | DataError"]
Row = tuple[str, "dict[str, Any] | DataError"]


class _OtherTableError(DataError):
    """A table that says something else than what pictures show."""


class _Table(NamedTuple):
    name: str
    has_header: bool
    rows: Iterator[Row]


def read(source: Source) -> Reading:
    """All rows of all tables, and the pictures that no row names."""
    found: list[Candidate | SkippedLine] = []
    others: list[SkippedLine] = []
    tables = []
    for name in _names(source):
        try:
            table = _table(source, name)
        except _OtherTableError as error:
            others.append(SkippedLine(name, error.message))
        except DataError as error:
            found.append(SkippedLine(name, error.message))
        else:
            tables += [table] if table else []
    found += [] if tables else others
    used: set[str] = set()
    read_tables = []
    any_header = any(table.has_header for table in tables)
    for table in tables:
        if any_header and not table.has_header:
            found.append(SkippedLine(table.name, "It has no header row, and another table has."))
            continue
        read_tables.append(posixpath.basename(table.name))
        found += _lines_of(source, table, used)
    title = " and ".join(dict.fromkeys(read_tables))
    if source.only is None and read_tables:
        found += [
            SkippedLine(name, f"It has no label: no row of {title} names it.")
            for name in source.pictures
            if name not in used
        ]
    return Reading(title, found)


FORMAT = Format("labels.tsv, metadata.csv or metadata.jsonl with pictures", read)


def _names(source: Source) -> list[str]:
    beside = set(label_files(source)) if source.only is None else set()
    return [name for name in source.ending(*_ENDINGS) if name not in beside]


def _lines_of(source: Source, table: _Table, used: set[str]) -> Iterator[Candidate | SkippedLine]:
    folder = posixpath.dirname(table.name)
    for where, row in table.rows:
        if isinstance(row, DataError):
            yield SkippedLine(where, row.message)
        else:
            yield _candidate(source, folder, where, row, used)


def _candidate(
    source: Source, folder: str, where: str, row: dict[str, Any], used: set[str]
) -> Candidate | SkippedLine:
    columns = Columns.among(list(row))
    if columns is None:
        return SkippedLine(where, f"It lacks {NEEDED}.")
    file, text = row[columns.file], row[columns.text]
    try:
        if not isinstance(file, str):
            raise DataError(f"Its picture is {_kind(file)}, not the name of a file.")
        file = source.named(file, folder)
        used.add(file)
        if text is None:
            raise DataError("It has no label.")
        if not isinstance(text, str):
            raise DataError(f"Its label is {_kind(text)}, not text in quotes.")
        return Candidate(where, file, source.read(file), text, columns.page(row))
    except DataError as error:
        return SkippedLine(where, error.message)


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def _json_rows(text: str, name: str) -> Iterator[Row]:
    for where, line in _lines(text, name):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield where, DataError(f"It is no JSON: {reason(error)}.")
            continue
        yield where, row if isinstance(row, dict) else DataError("It is no JSON object.")


def _lines(text: str, name: str) -> Iterator[tuple[str, str]]:
    """What is not blank; only line feeds end a line, U+2028 may be part of a label."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{name} line {number}", line.removesuffix("\r")


def _table(source: Source, name: str) -> _Table | None:
    """A table, its delimiter and header told by its first rows; None for what need not be one:
    running text, and the predictions that `trocr evaluate` wrote.

    Raises:
        DataError: it cannot be read, or is no table of pictures and labels.
    """
    text = decoded(source.read(name))
    if name.lower().endswith((".jsonl", ".ndjson")):
        rows = list(_json_rows(text, name))
        if any(isinstance(row, dict) and Columns.among(list(row)) for _, row in rows):
            return _Table(name, True, iter(rows))
        raise _OtherTableError(f"No row of it has {NEEDED}.")
    return _delimited_table(source, name, text)


def _delimited_table(source: Source, name: str, text: str) -> _Table | None:
    delimiters = ",;\t" if name.lower().endswith(".csv") else "\t"
    tables = {delimiter: partial(_cells, text, name, delimiter) for delimiter in delimiters}
    heads = {
        delimiter: [cells for _, cells in islice(rows(), _LOOK_AHEAD) if isinstance(cells, list)]
        for delimiter, rows in tables.items()
    }
    for delimiter, head in heads.items():
        if head and tuple(head[0]) == PREDICTIONS and source.only is None:
            return None
        if head and Columns.among(head[0]):
            return _Table(
                name, True, _rows(islice(tables[delimiter](), 1, None), head[0], delimiter)
            )
    folder = posixpath.dirname(name)
    for delimiter, head in heads.items():
        pictures = [len(cells) > 1 and _is_picture(cells[0], folder, source) for cells in head]
        # A row of names that are known, with no text among them, is a header all the same.
        if any(pictures) and (pictures[0] or not called(FILE, head[0])):
            return _Table(name, False, _rows(tables[delimiter](), ["file", "text"], delimiter))
    if name.lower().endswith(".txt") and not any(len(cells) > 1 for cells in heads["\t"]):
        return None
    raise _OtherTableError(f"It has no header row that names {NEEDED}.")


def _cells(text: str, name: str, delimiter: str) -> Iterator[Cells]:
    if name.lower().endswith(".csv"):
        yield from _quoted_cells(text, name, delimiter)
        return
    for where, line in _lines(text, name):
        yield where, line.split(delimiter)


def _quoted_cells(text: str, name: str, delimiter: str) -> Iterator[Cells]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"{name} line {number}", DataError(f"It cannot be read: {reason(error)}.")
            continue
        if any(cell.strip() for cell in cells):
            yield f"{name} line {number}", cells


def _rows(table: Iterator[Cells], header: list[str], delimiter: str) -> Iterator[Row]:
    for where, cells in table:
        if isinstance(cells, DataError):
            yield where, cells
        elif len(cells) == len(header):
            yield where, dict(zip(header, cells, strict=True))
        else:
            trouble = f"It has {len(cells)} columns, not {len(header)}"
            more = f": is there a {_DELIMITERS[delimiter]} in a text" * (len(cells) > len(header))
            yield where, DataError(f"{trouble}{more}.")


def _is_picture(cell: str, folder: str, source: Source) -> bool:
    try:
        return source.named(cell, folder).lower().endswith(PICTURE_SUFFIXES)
    except DataError:
        return False
