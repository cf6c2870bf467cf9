"""A document, from an upload to pages and a file."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from PIL import Image

from ...document import Document, Page
from ...errors import ImageError, OutputError
from ...pages import PageFailure, PageImage, read_pages
from ...pipeline import Settings
from ...writers import Options, render
from ...writers.files import write_atomically
from ..folders import DOCUMENT, ORIGINAL, page_file
from ..formats import clean_name
from ..messages import PageFailed, PageRead, PageStarted, ReadDocument
from .exporting import rendered
from .fetching import fetched
from .page_work import PageWork
from .stats import Counts
from .work import AHEAD_PIXELS, ReadingWork, Room

_QUALITY = 95  # of JPEG: lines to learn from are cut from these pictures
_LONGEST_SIDE = 65_500  # pixels that JPEG can hold


class DocumentWork(ReadingWork):
    """A `ReadDocument` on its way."""

    def __init__(self, number: int, task: ReadDocument, room: Room) -> None:
        super().__init__(number, room)
        self.task = task
        self.name = clean_name(task.upload.name)
        options = task.options
        self.how = Settings(
            detector=room.settings.detector,
            keep_text=task.keep_text,
            words=options.words,
            num_beams=options.num_beams,
            allow=options.allow,
            regex=options.regex,
            lexicon=options.lexicon,
        )
        self._source: IO[bytes] = io.BytesIO(task.upload.content)
        self._pages: Iterator[PageImage | PageFailure] | None = None
        self._open: dict[int, PageWork] = {}
        self._read: dict[int, Page] = {}
        self._failures: dict[int, PageFailed] = {}
        self._count = 0
        self._some_read = False
        self._state = threading.Lock()
        self._finishing = False

    def fetch(self) -> None:
        assert self.task.upload.url is not None
        self._source = fetched(self.task.upload.url, self.room.settings)

    @property
    def has_room(self) -> bool:
        waiting = self.room.lines.waiting(self.number)
        few = len(self._open) < 2 or waiting < 2 * self.room.settings.batch_size
        return not self._open or (few and self.pixels < AHEAD_PIXELS)

    def prepare(self) -> None:
        if self._pages is None:
            self._pages = self._start()
        item = next(self._pages, None)
        if item is None:
            self.prepared = True
            self._finish_if_complete()
            return
        order, self._count = self._count, self._count + 1
        if isinstance(item, PageFailure):
            self.page_failed(order, item.number, item.error)
            return
        if self.task.folder:
            self._keep(item)
        with self._state:
            page = self._open[order] = PageWork(self, order, item)
        page.advance(None)

    def tell_page(self, event: PageStarted | PageRead | PageFailed) -> None:
        """Where no file is asked for, pages are answered as they come."""
        if self.task.format is None:
            self.emit(event)

    def page_done(self, order: int, page: Page, announced: bool) -> None:
        """A page was read; ``announced``: that it was started."""
        if not announced:
            lines = sum(1 for _ in page.lines)
            self.tell_page(PageStarted(page.number, page.width, page.height, lines))
        self.tell_page(PageRead(page))
        self.room.tally.add(Counts(pages=1))
        with self._state:
            self._some_read = True
            if self.task.folder or self.task.format is not None:
                self._read[order] = page
        self._close(order)

    def page_failed(self, order: int, number: int | None, error: ImageError) -> None:
        """A page cannot be read; the others go on."""
        failure = PageFailed(number, error.message, error.hint)
        self.tell_page(failure)
        with self._state:
            self._failures[order] = failure
        self._close(order)

    def count_pixels(self) -> None:
        """After a page has got other pictures."""
        with self._state:
            self.pixels = sum(page.pixels for page in self._open.values())
        self.room.changed()

    def _start(self) -> Iterator[PageImage | PageFailure]:
        task = self.task
        if task.folder:
            self._write(ORIGINAL, self._source.read())
            self._source.seek(0)
        return read_pages(
            self._source,
            name=self.name,
            pages=task.pages,
            password=task.password,
            dpi=task.dpi,
            embedded_text=task.keep_text,
            limits=self.room.settings.limits,
        )

    def _keep(self, page: PageImage) -> None:
        fits = max(page.image.size) <= _LONGEST_SIDE
        self._write(page_file(page.number, ".jpg" if fits else ".png"), _encoded(page.image, fits))

    def _write(self, name: str, content: bytes) -> None:
        """A file of the job, unless that is gone: its folder must not come back."""
        folder = self.task.folder
        if folder is None or not folder.is_dir():
            raise OutputError(f"The folder of {self.name} is gone.", "Read it again.")
        write_atomically(folder / name, content)

    def _close(self, order: int) -> None:
        with self._state:
            self._open.pop(order, None)
        self.count_pixels()
        self._finish_if_complete()

    def _finish_if_complete(self) -> None:
        with self._state:
            if self._finishing or self._open or not self.prepared:
                return
            self._finishing = True
        self.room.later(self, "rendering", self._finish)

    def _finish(self) -> None:
        failures = tuple(self._failures[order] for order in sorted(self._failures))
        if not self._some_read:
            raise _nothing_read(self.name, failures)
        pages = tuple(self._read[order] for order in sorted(self._read))
        document = Document(pages, self.name, self.task.options.model)
        if self.task.folder:
            text = render(document, "json")
            assert isinstance(text, str)
            self._write(DOCUMENT, text.encode())
        if self.task.format is not None:
            self._source.seek(0)
            options = Options(original=self._source.read(), password=self.task.password)
            output = rendered(document, self.task.format, options)
            self.emit(replace(output, failed_pages=failures))
        self.complete = True


def _nothing_read(name: str, failures: tuple[PageFailed, ...]) -> ImageError:
    if failures:
        return ImageError(failures[0].message, failures[0].hint)
    return ImageError(f"{name} has no pages.", "Check the file.")


def _encoded(picture: Image.Image, jpeg: bool) -> bytes:
    stream = io.BytesIO()
    if jpeg:
        picture.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    else:
        picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
