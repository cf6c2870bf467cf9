"""Any number of pages through one recognizer; lines of many share batches, memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median
from typing import TypeVar

from PIL import Image

from ..document import Page
from ..errors import ImageError
from ..layout.orientation import is_upside_down
from ..line_result import LineResult
from ..pages import PageFailure, PageImage
from ..recognizer import Recognizer
from .assembly import assembled, page_of_text
from .draft import Draft, draft_of, turned_draft
from .settings import Settings

WINDOW_BATCHES = 4  # lines of this many batches are read together
WINDOW_PIXELS = 40_000_000  # of the pages and crops that wait
SURE = 0.5  # median confidence from which a page is taken to be the right way up
PROBED = 6  # lines, the longest, that are also read upside down where it is not

Key = TypeVar("Key")
Other = TypeVar("Other")


def read_stream(
    reader: Recognizer,
    items: Iterable[tuple[Key, PageImage | Other]],
    settings: Settings,
) -> Iterator[tuple[Key, Page | PageFailure | Other]]:
    """Read pages, each as soon as its window was read, in order.

    Args:
        reader: reads the lines.
        items: a page, and whatever its caller knows it by. What is no page is handed on in its
            place: failures, ends of documents.
        settings: how to read.

    Yields:
        The same keys, each with its `Page`, or the `PageFailure` of a page that cannot be read.

    Raises:
        UsageError, DataError: settings that cannot be used.
    """
    window: list[tuple[Key, Draft | Page | PageFailure | Other]] = []
    lines = pixels = 0
    for key, item in items:
        opened = _opened(item, settings) if isinstance(item, PageImage) else item
        window.append((key, opened))
        if isinstance(opened, Draft):
            lines, pixels = lines + len(opened.crops), pixels + opened.pixels
        if not lines or lines >= WINDOW_BATCHES * settings.batch_size or pixels >= WINDOW_PIXELS:
            done = _all_read(reader, window, settings)
            # No picture is kept while others work with the pages or draw the next one.
            window, lines, pixels = [], 0, 0
            del item, opened
            yield from done
    yield from _all_read(reader, window, settings)


def _opened(picture: PageImage, settings: Settings) -> Draft | Page | PageFailure:
    if settings.keep_text and picture.embedded_text:
        return page_of_text(picture)
    try:
        return draft_of(picture, settings)
    except ImageError as error:
        return PageFailure(picture.source, picture.number, error)


def _all_read(
    reader: Recognizer,
    window: list[tuple[Key, Draft | Page | PageFailure | Other]],
    settings: Settings,
) -> list[tuple[Key, Page | PageFailure | Other]]:
    drafts = [each for _, each in window if isinstance(each, Draft)]
    crops = [crop.image for draft in drafts for crop in draft.crops]
    results = iter(reader.read_lines(crops, **settings.of_lines) if crops else [])
    done: list[tuple[Key, Page | PageFailure | Other]] = []
    for key, each in window:
        if isinstance(each, Draft):
            found = [next(results) for _ in each.crops]
            done.append((key, _finished(reader, each, found, settings)))
        else:
            done.append((key, each))
    return done


def _finished(
    reader: Recognizer, draft: Draft, results: list[LineResult], settings: Settings
) -> Page | PageFailure:
    if not _is_upside_down(reader, draft, results, settings):
        return assembled(draft, results)
    picture = draft.picture
    try:
        draft = turned_draft(picture, (draft.turn + 180) % 360, settings)
    except ImageError as error:
        return PageFailure(picture.source, picture.number, error)
    crops = [crop.image for crop in draft.crops]
    return assembled(draft, reader.read_lines(crops, **settings.of_lines) if crops else [])


def _is_upside_down(
    reader: Recognizer, draft: Draft, results: list[LineResult], settings: Settings
) -> bool:
    """Whether the longest lines read better that way; asked only where reading was unsure."""
    sure = (result.confidence if result.text else 0.0 for result in results)
    if draft.given or draft.whole or not results or median(sure) >= SURE:
        return False
    longest = sorted(range(len(results)), key=lambda at: -draft.crops[at].image.width)[:PROBED]
    turned = [draft.crops[at].image.transpose(Image.Transpose.ROTATE_180) for at in longest]
    found = reader.read_lines(turned, **settings.of_lines)
    return is_upside_down(
        [(results[at].text, results[at].confidence) for at in longest],
        [(result.text, result.confidence) for result in found],
    )
