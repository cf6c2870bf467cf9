"""Units to records: what every entry holds, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..document import Document, Page, as_dict
from ..errors import ImageError
from ..pages import PageFailure, PageImage, read_pages
from ..pipeline import read_stream
from .fetching import Fetcher
from .task import Task
from .units import Numbered

if TYPE_CHECKING:
    from ..recognizer import Recognizer


class End(Enum):
    """Says that an entry has no more pages."""

    of_entry = 0


@dataclass(eq=False)
class Reading:
    """An entry that is being read.

    Attributes:
        sha256: of its bytes, hexadecimal; empty where they could not be had.
        original: its bytes, where a format shows the pages.
    """

    numbered: Numbered
    sha256: str = ""
    size: int = 0
    original: bytes | None = None
    pages: list[Page] = field(default_factory=list)
    failures: list[PageFailure] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.numbered.entry.name

    @property
    def reason(self) -> str | None:
        """Why nothing of it could be read; None where something was."""
        if self.pages:
            return None
        return self.failures[0].error.message if self.failures else f"{self.name} has no pages."

    def add(self, item: Page | PageFailure) -> None:
        """What became of a page."""
        if isinstance(item, Page):
            self.pages.append(item)
        else:
            self.failures.append(item)

    def document(self, model: str) -> Document:
        """All pages that were read, in their order."""
        read = sorted(self.pages, key=lambda page: page.number)
        pages = (replace(page, image_sha256=self.sha256) for page in read)
        return Document(tuple(pages), self.name, model)

    def record(self, model: str) -> dict[str, Any]:
        """What a shard holds of it."""
        document = self.document(model)
        return {
            "name": self.name,
            "sha256": self.sha256,
            "size": self.size,
            "pages": len(document),
            "text": document.text,
            "failures": [
                {"page": failure.number, "reason": failure.error.message}
                for failure in sorted(self.failures, key=lambda failure: failure.number or 0)
            ],
            "document": as_dict(document),
        }


def read_entries(
    reader: Recognizer, entries: Iterable[Numbered], task: Task, fetcher: Fetcher
) -> Iterator[Reading]:
    """Read entries, each as soon as its last page was; lines of many share batches.

    Raises:
        UsageError, DataError: a detector or a rule that cannot be used.
    """
    for reading, item in read_stream(reader, opened(entries, task, fetcher), task.settings):
        if isinstance(item, (Page, PageFailure)):
            reading.add(item)
        else:
            yield reading


def opened(
    entries: Iterable[Numbered], task: Task, fetcher: Fetcher
) -> Iterator[tuple[Reading, PageImage | PageFailure | End]]:
    """The pages of entries as pictures, an end after those of each."""
    for numbered in entries:
        reading = Reading(numbered)
        try:
            data = fetcher.read(numbered.entry)
        except ImageError as error:
            yield reading, PageFailure(reading.name, None, error)
        else:
            reading.sha256, reading.size = hashlib.sha256(data).hexdigest(), len(data)
            reading.original = data if task.needs_original else None
            keep_text = task.settings.keep_text
            pages = read_pages(
                data,
                name=reading.name,
                pages=task.pages,
                password=task.password,
                dpi=task.dpi,
                embedded_text=keep_text,
            )
            yield from ((reading, page) for page in pages)
        yield reading, End.of_entry
