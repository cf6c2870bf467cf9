"""Any number of pages through one recognizer; lines of many share batches, memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from PIL import Image

from ..document import Page
from ..errors import ImageError
from ..line_result import LineResult
from ..pages import PageFailure, PageImage
from .draft import Draft
from .settings import Settings
from .steps import PageSteps, Unread, page_steps

if TYPE_CHECKING:
    from ..recognizer import Recognizer

WINDOW_BATCHES = 4  # lines of this many batches are read together
WINDOW_PIXELS = 40_000_000  # of the pages and crops that wait

Key = TypeVar("Key")
Other = TypeVar("Other")


def read_stream(
    reader: Recognizer,
    items: Iterable[tuple[Key, PageImage | Draft | Other]],
    settings: Settings,
) -> Iterator[tuple[Key, Page | PageFailure | Other]]:
    """Read pages, each as soon as its window was read, in order.

    Args:
        reader: reads the lines.
        items: a page or its draft, and whatever its caller knows it by. What is neither is handed
            on in its place: failures, ends of documents.
        settings: how to read.

    Yields:
        The same keys, each with its `Page`, or the `PageFailure` of a page that cannot be read.

    Raises:
        UsageError, DataError: settings that cannot be used.
    """
    window: _Window[Key, Other] = _Window(reader, settings)
    for key, item in items:
        opened = _Opened(item, settings) if isinstance(item, (PageImage, Draft)) else item
        window.add(key, opened)
        # No picture is kept while others work with the pages or draw the next one.
        del item, opened
        if window.is_full:
            yield from window.read()
    yield from window.read()


class _Opened:
    """A page as far as it was read: `outcome` once that is known, `unread` until then."""

    def __init__(self, page: PageImage | Draft, settings: Settings) -> None:
        picture = page.picture if isinstance(page, Draft) else page
        self._where = picture.source, picture.number
        self._steps: PageSteps = page_steps(page, settings)
        self.unread: Unread | None = None
        self.outcome: Page | PageFailure | None = None
        self._advance(None)

    def go_on(self, results: Sequence[LineResult]) -> None:
        """With those of the pictures that were unread."""
        self._advance(results)

    def _advance(self, results: Sequence[LineResult] | None) -> None:
        self.unread = None
        try:
            self.unread = next(self._steps) if results is None else self._steps.send(results)
        except StopIteration as end:
            self.outcome = end.value
        except ImageError as error:
            self.outcome = PageFailure(*self._where, error)


class _Window(Generic[Key, Other]):
    """Pages whose lines are read together."""

    def __init__(self, reader: Recognizer, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self._items: list[tuple[Key, _Opened | Other]] = []
        self._lines = self._pixels = 0

    def add(self, key: Key, item: _Opened | Other) -> None:
        self._items.append((key, item))
        if isinstance(item, _Opened) and item.unread:
            self._lines += len(item.unread.pictures)
            self._pixels += item.unread.draft.pixels

    @property
    def is_full(self) -> bool:
        """Also where there is nothing to read: nobody has to wait for that."""
        most = WINDOW_BATCHES * self._settings.batch_size
        return not self._lines or self._lines >= most or self._pixels >= WINDOW_PIXELS

    def read(self) -> list[tuple[Key, Page | PageFailure | Other]]:
        """All pages that were added, which are forgotten."""
        items, self._items = self._items, []
        self._lines = self._pixels = 0
        opened = [item for _, item in items if isinstance(item, _Opened)]
        unread = [item.unread.pictures for item in opened if item.unread]
        results = iter(self._read(picture for pictures in unread for picture in pictures))
        for item in opened:
            if item.unread:
                item.go_on([next(results) for _ in item.unread.pictures])
            while item.unread:  # what only shows once the lines were read
                item.go_on(self._read(item.unread.pictures))
        return [(key, _outcome(item)) for key, item in items]

    def _read(self, pictures: Iterable[Image.Image]) -> list[LineResult]:
        crops = list(pictures)
        return self._reader.read_lines(crops, **self._settings.of_lines) if crops else []


def _outcome(item: _Opened | Other) -> Page | PageFailure | Other:
    if not isinstance(item, _Opened):
        return item
    assert item.outcome is not None
    return item.outcome
