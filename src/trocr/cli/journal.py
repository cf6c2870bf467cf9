"""Pages of an unfinished document, kept beside its output until that is written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import __version__
from ..document import Document, Page, as_dict, from_dict
from ..errors import DataError, OutputError


class Journal:
    """A file of JSON rows: what the pages were read from and how, then a page a row.

    Args:
        path: the file; its folder is made.
        source: the file that is read; its size and time of change are noted.
        settings: a digest of all else that the pages depend on.

    Pages that are there are kept if they were read from the same file with the same settings;
    else the journal starts anew. A row that was cut off is dropped.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, source: Path, settings: str) -> None:
        self.path = path
        self.pages: list[Page] = []
        try:
            head = _head(source, settings)
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = self._read(head)
            with path.open("r+b" if kept else "wb") as file:
                file.truncate(kept)
            if not kept:
                self._append(head)
        except OSError as error:
            raise _not_written(path, error) from error

    def append(self, page: Page) -> None:
        """Keep a page.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self._append(as_dict(Document((page,))))
        except OSError as error:
            raise _not_written(self.path, error) from error

    def remove(self) -> None:
        """The document is written, or there is nothing to keep."""
        with suppress(OSError):
            self.path.unlink()

    def _append(self, row: Mapping[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(row).encode("ascii") + b"\n")

    def _read(self, head: Mapping[str, Any]) -> int:
        """Read the pages of an earlier run; returns how many bytes of the file hold."""
        if not self.path.exists():
            return 0
        kept = 0
        with self.path.open("rb") as file:
            for row in file:
                if not row.endswith(b"\n"):
                    break
                try:
                    entry = json.loads(row)
                    if kept:
                        self.pages += from_dict(entry)
                    elif entry != head:
                        return 0
                except (DataError, ValueError):
                    break
                kept += len(row)
        return kept


def _head(source: Path, settings: str) -> dict[str, Any]:
    about = os.stat(source)
    return {
        "trocr": __version__,
        "source": {
            "path": os.fsencode(source.resolve()).decode("utf-8", "backslashreplace"),
            "size": about.st_size,
            "mtime_ns": about.st_mtime_ns,
        },
        "settings": settings,
    }


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Choose a folder that you may write to, with room for it.",
    )
