"""The pictures of lines, cut from their pages again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from PIL import Image

from ..document import Document, Line, rectangle
from ..errors import TrOCRError, UsageError
from ..labelled_lines import SkippedLine
from ..layout.crops import cut
from ..readers import read_document
from ..writers.options import Options, Pictures
from ..writers.pictures import picture_of
from .lines import WorkLine


def cut_lines(
    lines: Iterable[WorkLine], images: Path | Pictures | None = None
) -> Iterator[tuple[WorkLine, Image.Image] | SkippedLine]:
    """Each line and its RGB picture, upright and level, as a model would get it; page by page.

    Args:
        lines: from ``find_lines``.
        images: the folder of the pages' pictures, or for one document the pictures themselves; by
            default they are where the documents say.

    Yields:
        In the order of documents and pages. A page without a picture, and a line without a place,
        costs only itself.
    """
    ordered = sorted(lines, key=lambda line: (line.path, line.place))
    for path, of_document in groupby(ordered, key=lambda line: line.path):
        document = read_document(path)
        for index, of_page in groupby(of_document, key=lambda line: line.place[0]):
            wanted = list(of_page)
            try:
                picture = picture_of(document, index, _options(document, index, wanted[0], images))
            except TrOCRError as error:
                yield SkippedLine(f"{path}, page {document.pages[index].number}", error.message)
                continue
            yield from _cut_page(document, index, wanted, picture)


def _cut_page(
    document: Document, index: int, wanted: list[WorkLine], picture: Image.Image
) -> Iterator[tuple[WorkLine, Image.Image] | SkippedLine]:
    page = document.pages[index]
    upright = picture.rotate(-page.orientation, expand=True)
    lines = list(page.turned(page.orientation).lines)
    for item in wanted:
        try:
            yield item, cut(upright, _placed(lines[item.place[1]])).image
        except UsageError:
            yield SkippedLine(item.name, "It is not known where on the page it is.")


def _placed(line: Line) -> Line:
    """With the box of its words for an outline where it has none."""
    if line.polygon or line.box is None:
        return line
    return replace(line, polygon=rectangle(line.box))


def _options(
    document: Document, index: int, line: WorkLine, images: Path | Pictures | None
) -> Options:
    """Where the picture is: in `images`, in a tree like that of the documents or by its name."""
    if images is not None and not isinstance(images, Path):
        return Options(pages=images)
    source = Path(document.source or document.pages[index].source)
    if images is None:
        places = [source, line.path.parent / source.name]
    else:
        beside = Path(line.page).parent / source.name
        places = [images / each for each in (source, beside, source.name)]
    return Options(
        original=next((place for place in places if place.is_file()), images and places[1])
    )
