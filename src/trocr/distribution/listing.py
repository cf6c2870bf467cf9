"""Inputs to entries, found as they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from glob import has_magic
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..image import reason
from ..pages import PageFailure, find_inputs
from ..pages.inputs import SUFFIXES
from .containers import entries_of
from .entries import FOUND, Container, Entry, Fault, is_container
from .files import absolute, find_objects, local_path, local_stamp, stamp_of

Found = Entry | Fault | Container
IsKnown = Callable[[str, str], bool]


def find_entries(
    inputs: Iterable[str], is_known: IsKnown, column: str | None = None
) -> Iterator[Found]:
    """Every entry of paths, folders, patterns and URLs, in order.

    Args:
        inputs: pictures, TIFFs, PDFs, tars, Parquet, folders of them, patterns; on this machine
            or, as a URL, wherever ``fsspec`` reaches.
        is_known: by name and stamp, whether all entries of an archive are known: it is not opened.
        column: of Parquet, the one that holds the pictures.

    Yields:
        entries; a `Fault` for what cannot be read; a `Container` after the entries of an archive.
        The same entry may come twice.
    """
    for name in inputs:
        path = local_path(name)
        files = _objects(name) if path is None else _local_files(path)
        for file in files:
            if isinstance(file, Fault) or not is_container(file.name):
                yield file
            elif not is_known(file.name, file.stamp):
                yield from entries_of(file, column)


def read_list(path: str) -> Iterator[str]:
    """The inputs that a file names, one a row; empty rows and those with ``#`` are passed over.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for row in file:
                name = row.rstrip("\r\n")
                if name.strip() and not name.startswith("#"):
                    yield name
    except OSError as error:
        raise UsageError(f"Cannot read the list {path}: {error}.", "One input a row.") from None


def _local_files(path: str) -> Iterator[Entry | Fault]:
    is_folder = os.path.isdir(path)
    for found in find_inputs(Path(path), FOUND):
        if isinstance(found, PageFailure):
            yield Fault(absolute(found.source), "", found.error.message)
            continue
        name = absolute(str(found.item))
        if is_folder and not _is_wanted(name):
            continue
        try:
            size, stamp = local_stamp(name)
            if os.path.isdir(name):
                raise IsADirectoryError("It is a folder")
        except OSError as error:
            yield Fault(name, "", f"{name} cannot be read: {error.strerror or error}.")
        else:
            yield Entry(name, name, None, size, stamp)


def _objects(url: str) -> Iterator[Entry | Fault]:
    empty = True
    try:
        for name, info in find_objects(url):
            if name == url or has_magic(url) or _is_wanted(name):
                empty = False
                yield Entry(name, name, None, _size(info), stamp_of(info))
    except UsageError:
        raise
    except Exception as error:  # every store has errors of its own
        yield Fault(url, "", f"{url} cannot be listed: {reason(error)}.")
        return
    if empty:
        yield Fault(url, "", f"{url} holds no pictures and no PDF.")


def _is_wanted(name: str) -> bool:
    """Of what is in a folder; what is named, or matched by a pattern, may be called anything."""
    return is_container(name) or SUFFIXES.fullmatch(os.path.splitext(name)[1]) is not None


def _size(info: dict[str, Any]) -> int:
    return int(info.get("size") or 0)
