"""Sources to documents: read together, written one after another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from ..document import Document, Page
from ..errors import ImageError, OutputError, TrOCRError
from ..pages import PageFailure, PageImage, count_pages, read_pages
from ..writers import files_of, render, write
from . import console
from .options import ChosenModel
from .outputs import Job
from .reading import Reading
from .request import STREAMED, Request
from .tally import Tally

if TYPE_CHECKING:
    from ..recognizer import Recognizer


def read_documents(
    jobs: Sequence[Job],
    failures: Sequence[PageFailure],
    request: Request,
    model: ChosenModel,
    tally: Tally,
) -> None:
    """Read the sources of jobs, write what becomes of them, and count.

    Args:
        jobs: in the order of their output.
        failures: what was found to be no source.
        request: what was asked for.
        model: what reads the lines.
        tally: is added to.

    Raises:
        OutputError: nothing more can be written.
        UsageError, CheckpointError, DataError: nothing can be read.
    """
    with console.Bar(_count(jobs, request), "pages") as bar:
        for failure in failures:
            _report(failure, bar, tally)
        if jobs:
            _Run(model.load(), request, bar, tally).read(jobs)


def _count(jobs: Sequence[Job], request: Request) -> int:
    """How many pages there are to read, where anyone looks."""
    if not sys.stderr.isatty():
        return 0
    chosen, password = request.pages, request.password
    return sum(
        count_pages(job.file, pages=chosen, password=password) if job.file else 1 for job in jobs
    )


def _report(failure: PageFailure, bar: console.Bar, tally: Tally) -> None:
    tally.failures.append(failure)
    bar.advance()
    with bar.aside(sys.stderr):
        console.report(failure.error)


class _End(Enum):
    """Says that a source has no more pages."""

    of_source = 0


class _Run:
    def __init__(
        self, reader: Recognizer, request: Request, bar: console.Bar, tally: Tally
    ) -> None:
        self.reader, self.request, self.bar, self.tally = reader, request, bar, tally

    def read(self, jobs: Sequence[Job]) -> None:
        from ..pipeline import read_stream

        self.several = len(jobs) > 1
        stream = read_stream(self.reader, self._pictures(jobs), self.request.settings)
        for reading, page in stream:
            if isinstance(page, PageFailure):
                _report(page, self.bar, self.tally)
            elif isinstance(page, Page):
                reading.add(page)
                self.tally.add(page)
                self.bar.advance(lines=sum(1 for _ in page.lines))
                self._show_page(reading)
            else:
                self._finish(reading)

    def _pictures(
        self, jobs: Sequence[Job]
    ) -> Iterator[tuple[Reading, PageImage | PageFailure | _End]]:
        request = self.request
        for job in jobs:
            try:
                reading = Reading(job, request, self.reader.name)
            except ImageError as error:
                _report(PageFailure(job.source.name, None, error), self.bar, self.tally)
                continue
            self.bar.shorten(reading.kept)
            self.tally.kept += reading.kept
            for page in reading.pages:
                self.tally.add(page)
            pictures = read_pages(
                reading.item,
                name=job.source.name,
                pages=request.pages,
                skip={page.number for page in reading.pages},
                password=request.password,
                dpi=request.dpi,
                embedded_text=request.settings.keep_text,
                allow_private=request.allow_private,
            )
            yield from ((reading, picture) for picture in pictures)
            yield reading, _End.of_source

    def _finish(self, reading: Reading) -> None:
        if reading.pages:
            document = reading.document(self.reader.name)
            try:
                self._write(reading, document)
            except OutputError:
                raise
            except TrOCRError as error:
                problem = f"{document.source} is not written: {error.message}"
                failure = PageFailure(document.source, None, ImageError(problem, error.hint))
                _report(failure, self.bar, self.tally)
                return
            self.tally.documents += 1
        if reading.journal:
            reading.journal.remove()

    def _write(self, reading: Reading, document: Document) -> None:
        request = self.request
        options = replace(request.options, original=reading.original)
        for format, target in reading.job.targets.items():
            for path, part in files_of(document, target, format):
                if request.overwrite or not path.exists():
                    write(part, path, format, options, overwrite=request.overwrite)
        if not reading.job.targets and request.formats[0] not in STREAMED:
            self._show(render(document, request.formats[0], options))

    def _show_page(self, reading: Reading) -> None:
        """Print a page at once where that is how its format is written."""
        if reading.job.targets or self.request.formats[0] not in STREAMED:
            return
        page = Document((reading.pages[-1],), reading.job.source.name, self.reader.name)
        text = render(page, self.request.formats[0], self.request.options)
        assert isinstance(text, str)
        if self.request.formats[0] == "txt":
            is_first = len(reading.pages) == 1
            text = text if is_first else "\f" + text
            if self.several and is_first:
                text = f"==> {page.source} <==\n{text}"
        self._show(text)

    def _show(self, content: str | bytes) -> None:
        with self.bar.aside(sys.stdout):
            if isinstance(content, bytes):
                sys.stdout.buffer.write(content)
                sys.stdout.buffer.flush()
            else:
                print(content, end="", flush=True)
