"""The lines of all documents in a folder, each once, whatever formats they are there in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from ..document import Document, Line, Page
from ..errors import DataError
from ..labelled_lines import SkippedLine
from ..readers import read_document
from ..writers.characters import for_xml, one_row

_FORMATS = ("json", "page", "alto")  # the first has all that was read, the last the least
_SUFFIX = re.compile(r"(\.page|\.alto)?\.xml$|\.json$", re.IGNORECASE)
_ROOT_OF_PAGE = re.compile(rb"<([\w.-]+:)?PcGts\b")


@dataclass(frozen=True)
class DocumentFile:
    """``path`` is that of the file, ``name`` its path in the folder, ``format`` as for writing."""

    path: Path
    name: Path
    format: str
    document: Document

    def page_name(self, page: Page) -> str:
        """The same for a page in whatever format: ``letters/scan``, its second page ``scan-p2``."""
        stem = _SUFFIX.sub("", self.name.name)
        source = Path(self.document.source)
        if self.format == "page" and stem not in (source.stem, source.name):
            stem = stem.removesuffix(f"-{page.number:04d}")
        number = f"-p{page.number}" if page.number > 1 else ""
        return one_row(self.name.with_name(stem + number).as_posix())


@dataclass(frozen=True)
class WorkLine:
    """A line to look at.

    Attributes:
        name: what corrections call it by: ``PAGE/PAGE_0012``, the number that of the line on its
            page, in reading order.
        text: as read, spaces joined.
        confidence: 0 to 1; of its words together where only they have one; None where unknown.
        page: the folder in ``name``.
        path: the file of the document.
        place: numbers of the page in the document and of the line on the page, from 0.
    """

    name: str
    text: str
    confidence: float | None
    page: str
    path: Path
    place: tuple[int, int]

    @property
    def file(self) -> str:
        """Its picture in a worklist and in a training set."""
        return f"{self.name}.png"


def find_lines(folder: Path) -> tuple[list[WorkLine], list[SkippedLine]]:
    """The lines of all JSON, PAGE and ALTO documents in a folder and below, or of one file.

    A page that is there in several formats counts once, as the richest of them has it.

    Returns:
        The lines, file by file, in reading order; and the files that are no documents.

    Raises:
        DataError: there are no documents.
    """
    found: dict[str, list[WorkLine]] = {}
    skipped: list[SkippedLine] = []
    rank: dict[str, int] = {}
    for item in document_files(folder):
        if isinstance(item, SkippedLine):
            skipped.append(item)
            continue
        for index, page in enumerate(item.document):
            name, richness = item.page_name(page), _FORMATS.index(item.format)
            if richness < rank.get(name, len(_FORMATS)):
                rank[name] = richness
                found[name] = list(_work_lines(item, name, index))
    if not found:
        raise DataError(
            f"{folder} holds no pages that were read.",
            "Make some: trocr read SCANS -o FOLDER --format json",
        )
    return [line for lines in found.values() for line in lines], skipped


def document_files(folder: Path) -> Iterator[DocumentFile | SkippedLine]:
    """Every document of a folder, one in memory at a time, and what is none.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.exists():
        raise DataError(f"There is no folder {folder}.", "Name the one that `trocr read` wrote.")
    root = folder if folder.is_dir() else folder.parent
    paths = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    for path in paths:
        name = path.relative_to(root)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or not _SUFFIX.search(path.name) or not path.is_file():
            continue
        try:
            yield _read(path, name)
        except (OSError, DataError) as error:
            yield SkippedLine(str(path), getattr(error, "message", str(error)))


def name_of(page: str, number: int) -> str:
    """What the line with this number, from 0, is called.

    The page leads the name behind the folder too: sets are split into training and validation by
    either.
    """
    return f"{page}/{page.rpartition('/')[2]}_{number + 1:04d}"


def plain(text: str) -> str:
    """One row in NFC that a web page can hold, words with a space between them."""
    return " ".join(one_row(for_xml(unicodedata.normalize("NFC", text))).split())


def _read(path: Path, name: Path) -> DocumentFile:
    data = path.read_bytes()
    kind = "json" if path.suffix.lower() == ".json" else "alto"
    if kind == "alto" and _ROOT_OF_PAGE.search(data):
        kind = "page"
    document = read_document(data)
    if not document.source and len(document) == 1:
        document = replace(document, source=document.pages[0].source)
    return DocumentFile(path, name, kind, document)


def _work_lines(item: DocumentFile, name: str, index: int) -> Iterator[WorkLine]:
    for number, line in enumerate(item.document.pages[index].lines):
        yield WorkLine(
            name_of(name, number),
            plain(line.text),
            _confidence(line),
            name,
            item.path,
            (index, number),
        )


def _confidence(line: Line) -> float | None:
    """A line is right if all its words are."""
    if line.confidence is not None or not line.words:
        return line.confidence
    known = [word.confidence for word in line.words if word.confidence is not None]
    return prod(known) if len(known) == len(line.words) else None
