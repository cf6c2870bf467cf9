"""Tab-separated values with the columns of Tesseract's."""

from __future__ import annotations

from collections.abc import Iterator

from ..document import Box, Document, Line, Page, Word
from .characters import one_row
from .options import Options

COLUMNS = ["level", "page_num", "block_num", "par_num", "line_num", "word_num"]
COLUMNS += ["left", "top", "width", "height", "conf", "text"]


def render(document: Document, options: Options) -> str:
    """A row for each page, block, paragraph, line and word (level 1 to 5), after a header.

    Only words have text and confidence (0 to 100, -1 where unknown). Nothing is quoted. A line
    whose words are unknown is one word; a word without a box has that of its line.
    """
    rows = [COLUMNS, *(row for page in document for row in _rows(page))]
    return "".join("\t".join(row) + "\n" for row in rows)


def _rows(page: Page) -> Iterator[list[str]]:
    whole = (0, 0, page.width, page.height)
    yield _row(1, [page.number, 0, 0, 0, 0], whole)
    for block, region in enumerate(page.regions, start=1):
        box = region.box or whole
        yield _row(2, [page.number, block, 0, 0, 0], box)
        yield _row(3, [page.number, block, 1, 0, 0], box)
        for number, line in enumerate(region.lines, start=1):
            line_box = line.box or box
            yield _row(4, [page.number, block, 1, number, 0], line_box)
            for index, word in enumerate(words_of(line), start=1):
                place = [page.number, block, 1, number, index]
                yield _row(5, place, word.box or line_box, word)


def words_of(line: Line) -> tuple[Word, ...]:
    """The words; where they are unknown, the text as one."""
    if line.words or not line.text:
        return line.words
    return (Word(line.text, line.box, line.confidence),)


def _row(level: int, place: list[int], box: Box, word: Word | None = None) -> list[str]:
    left, top, right, bottom = box
    known = word is not None and word.confidence is not None
    confidence = f"{100 * word.confidence:.2f}" if known else "-1"  # type: ignore
    text = one_row(word.text) if word else ""
    numbers = (level, *place, left, top, right - left, bottom - top)
    return [*map(str, numbers), confidence, text]
