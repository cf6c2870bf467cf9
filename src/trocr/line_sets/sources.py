"""A set as files with names, wherever it lies."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from ..errors import DataError
from ..labelled_lines import SkippedLine
from .found import CONTROL

FILE_LIMIT = 200 << 20  # bytes of one picture, label file or member of an archive

_PICTURES = ".png .jpg .jpeg .tif .tiff .webp .bmp .gif .jp2 .pbm .pgm .ppm .pnm .avif"
PICTURE_SUFFIXES = tuple(_PICTURES.split())
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


@dataclass(frozen=True)
class Source:
    """The files of a set.

    Attributes:
        path: as the user gave it, for messages.
        listing: finds the names of all files, relative, with ``/``, sorted.
        open: the file of a name; `DataError` where that fails.
        refused: files that are there and are not read.
        only: the one file that was asked for, where it was a file; its folder is the source.
        folder: on disk, absolute; None for an archive.
    """

    path: Path
    listing: Callable[[], list[str]]
    open: Callable[[str], IO[bytes]]
    refused: list[SkippedLine] = field(default_factory=list)
    only: str | None = None
    folder: Path | None = None

    @cached_property
    def names(self) -> list[str]:
        """Of all files; of a single file of labels not needed before a picture is missing."""
        return self.listing()

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DataError: it cannot be read, or is larger than `FILE_LIMIT`.
        """
        try:
            with self.open(name) as stream:
                data = stream.read(FILE_LIMIT + 1)
        except OSError as error:
            raise DataError(f"{name} cannot be read: {error.strerror}.") from error
        if len(data) > FILE_LIMIT:
            raise DataError(f"{name} is larger than {FILE_LIMIT >> 20} MB.")
        return data

    def ending(self, *suffixes: str) -> list[str]:
        """Names of the files that may hold labels and end so, in any case."""
        names = self.names if self.only is None else [self.only]
        return [name for name in names if name.lower().endswith(suffixes)]

    @cached_property
    def pictures(self) -> list[str]:
        """Names of all pictures, by their endings."""
        return [name for name in self.names if name.lower().endswith(PICTURE_SUFFIXES)]

    @cached_property
    def _by_path(self) -> dict[str, str]:
        """Names by their composed form: file systems may decompose what labels do not."""
        return {unicodedata.normalize("NFC", name): name for name in self.names}

    @cached_property
    def _by_last_part(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, name in self._by_path.items():
            found.setdefault(posixpath.basename(path), []).append(name)
        return found

    def at(self, path: str) -> str | None:
        """The name of the file at a path that may hold ``..``; None where there is none."""
        path = posixpath.normpath(unicodedata.normalize("NFC", path))
        beside = self.folder if self.only is not None else None
        if beside is not None and not bad_name(path) and (beside / path).is_file():
            return path
        return self._by_path.get(path)

    def called(self, last_part: str) -> list[str]:
        """The names of all files with this last part, in any folder."""
        return self._by_last_part.get(unicodedata.normalize("NFC", last_part), [])

    def named(self, name: str, folder: str) -> str:
        """The file that a row in `folder` means: from there, from the top, or by a name alone.

        Raises:
            DataError: no such file, more than one, or a name that leads out of the set.
        """
        name = name.strip().replace("\\", "/")
        if not name:
            raise DataError("It names no picture.")
        if self.folder is not None and Path(name).is_relative_to(self.folder):
            folder, name = "", Path(name).relative_to(self.folder).as_posix()
        if _ABSOLUTE.match(name):
            raise DataError(f"The name {name} is absolute; it must be relative to the set.")
        if posixpath.normpath(posixpath.join(folder, name)).startswith(".."):
            raise DataError(f"The name {name} leads out of the set.")
        found = self.at(posixpath.join(folder, name)) or self.at(name)
        if found is not None:
            return found
        same = self.called(name)
        if len(same) > 1:
            raise DataError(f"The picture {name} could be {' or '.join(same[:3])}.")
        if not same:
            raise DataError(f"The picture {name} is missing.")
        return same[0]


def is_hidden(name: str) -> bool:
    """Is it what operating systems and version control put beside files?"""
    parts = name.split("/")
    return any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in parts)


def bad_name(name: str) -> str:
    """What forbids a name, a sentence; ``""`` where nothing does."""
    if _ABSOLUTE.match(name) or ".." in name.split("/"):
        return "Its name leads out of the set."
    if CONTROL.search(name) or "\t" in name or "\n" in name or "\r" in name:
        return "Its name holds a control character or is not UTF-8."
    return ""
