"""A source that is being read: its pages so far, and where they are safe."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from ..document import Document, Line, Page
from ..pages import Limits
from ..pages.download import download
from ..pages.inputs import STDIN
from ..pages.spool import spool
from ..writers import WITH_PICTURES
from .journal import Journal
from .outputs import Job
from .request import Request


class Reading:
    """A source that is being read.

    Args:
        job: the source and its files.
        request: what was asked for.
        model: the name of the one that reads.

    Raises:
        OutputError: pages cannot be kept beside the output.
        ImageError: standard input or a URL cannot be read.
    """

    def __init__(self, job: Job, request: Request, model: str) -> None:
        self.job = job
        self.item: Any = job.source.item
        self.original: bytes | None = None
        if job.file is None and WITH_PICTURES & set(request.formats):
            self.original = _fetched(job, request.allow_private)
            self.item = self.original
        self.journal: Journal | None = None
        if job.journal and job.file and job.file.is_file():
            self.journal = Journal(job.journal, job.file, request.digest(model))
        self.pages: list[Page] = list(self.journal.pages) if self.journal else []
        self.kept = len(self.pages)
        self.has_characters = request.has_characters

    def add(self, page: Page) -> None:
        """A page that was read; it is safe from here on."""
        page = page if self.has_characters else _without_characters(page)
        if self.journal:
            self.journal.append(page)
        self.pages.append(page)

    def document(self, model: str) -> Document:
        """All pages, in their order."""
        pages = sorted(self.pages, key=lambda page: page.number)
        return Document(tuple(pages), self.job.source.name, model)


def _fetched(job: Job, allow_private: bool) -> bytes:
    """Standard input or a URL, which can be read only once, for formats that show the pages."""
    name, limits = job.source.name, Limits()
    if job.source.item == STDIN:
        stream = spool(sys.stdin.buffer.read, name, limits.stream_bytes)
    else:
        stream = download(job.source.item, limits, allow_private=allow_private)
    with stream:
        return stream.read()


def _without_characters(page: Page) -> Page:
    def bare(line: Line) -> Line:
        return replace(line, words=tuple(replace(word, characters=()) for word in line.words))

    regions = (replace(region, lines=tuple(map(bare, region.lines))) for region in page.regions)
    return replace(page, regions=tuple(regions))
