"""What ``trocr read`` was asked for, checked before any page is read."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..document import Document, Line, Page, Region, Word, rectangle
from ..errors import UsageError
from ..writers import Options, render

if TYPE_CHECKING:
    from ..pipeline import Settings

WITH_CHARACTERS = {"alto", "hocr", "json", "jsonl", "page", "template"}
STREAMED = {"txt", "jsonl"}  # written page by page to standard output
JOINABLE = {"txt", "jsonl", "md"}  # of which standard output can hold several documents
BINARY = {"overlay", "pdf"}


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        formats: names of ``trocr.writers.FORMATS``.
        options: of the writers.
        settings: of the pipeline.
        pages, password, dpi, allow_private: as of ``read_pages``.
        overwrite: replace files that exist.
    """

    formats: Sequence[str]
    options: Options
    settings: Settings
    pages: str | None = None
    password: str | None = None
    dpi: float | None = None
    allow_private: bool = False
    overwrite: bool = False

    @property
    def has_characters(self) -> bool:
        """Whether a format has them: they take most of the memory of a page."""
        return bool(WITH_CHARACTERS & set(self.formats))

    def digest(self, model: str) -> str:
        """Of all that decides what is read on a page, but for the source."""
        boxes = self.settings.boxes.path if self.settings.boxes else None
        settings = asdict(replace(self.settings, boxes=None, batch_size=1))
        versions = [_version(path) for path in (model, boxes)]
        known = [settings, self.pages, self.dpi, self.has_characters, versions]
        return hashlib.sha256(json.dumps(known, default=str).encode()).hexdigest()


def _version(path: str | Path | None) -> list[Any]:
    """A file or folder, and when what is in it was last changed."""
    if path is None or not Path(path).exists():
        return [path]
    files = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
    return [path, [file.stat().st_mtime_ns for file in files]]


def rehearse(formats: Iterable[str], options: Options) -> None:
    """Write a tiny page in every format, to nowhere, before hours of reading.

    Raises:
        UsageError: a package is missing, or a template cannot be filled.
    """
    picture = Image.new("RGB", (64, 32), "white")
    line = Line(
        "a", rectangle((8, 8, 24, 24)), ((8, 20), (24, 20)), 0.5, (Word("a", (8, 8, 24, 24)),)
    )
    document = Document((Page(64, 32, (Region((line,)),)),), "page.png", "printed")
    options = replace(options, pages=[picture], original=None)
    for format in formats:
        render(document, format, options)


def check_standard_output(formats: Sequence[str], documents: int) -> None:
    """Whether documents can go there.

    Raises:
        UsageError: it cannot.
    """
    if len(formats) > 1:
        raise UsageError("Standard output takes one format.", "Name a folder: -o out/")
    if formats[0] in BINARY and sys.stdout.isatty():
        raise UsageError(f"{formats[0]} is nothing for a terminal.", "Name a file with -o.")
    if documents > 1 and formats[0] not in JOINABLE:
        raise UsageError(
            f"Several documents of the format {formats[0]} make no single one.",
            "Name a folder: -o out/",
        )
