"""Where the lines are, by a file instead of a detector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ..document import Document, Line, Page, Point, Region, rectangle
from ..errors import DataError, ImageError
from ..pages import PageImage
from ..readers import read_document

SUFFIXES = (".page.xml", ".alto.xml", ".xml", ".json", ".txt")
_ASPECT = 0.01  # how far the sides of a scaled picture may differ from those of its boxes


class Boxes:
    """The lines of pages, from a file, or from the files of a folder named like their sources.

    Args:
        path: PAGE, ALTO or our JSON, or text with a row ``left top right bottom [page]`` for each
            line; or a folder of such files. ``a/scan.pdf`` has its boxes in ``scan.*`` or
            ``a/scan.*``, one page of it alone in ``scan-0007.*``.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._read = (self.path, _document(self.path)) if not self.path.is_dir() else None

    def page(self, picture: PageImage) -> Page:
        """The regions and lines of a page, without texts, in pixels of its picture.

        Raises:
            ImageError: there are none for this page, or they belong to another picture.
            DataError: its file cannot be read.
        """
        document, named = self._document_of(picture)
        numbers = {page.number: page for page in document}
        found = document.pages[0] if named and len(document) == 1 else numbers.get(picture.number)
        where = f"{picture.source}, page {picture.number}"
        if found is None:
            raise ImageError(f"{where} has no boxes in {self.path}.", "Give them, or no boxes.")
        return _without_text(_fitted(found, picture.image, where))

    def _document_of(self, picture: PageImage) -> tuple[Document, bool]:
        """And whether it is that of this page alone."""
        if not self.path.is_dir():
            assert self._read is not None
            return self._read[1], False
        source = Path(picture.source)
        for stem, alone in ((f"{source.stem}-{picture.number:04d}", True), (source.stem, False)):
            for folder in _mirrored(self.path, source):
                for suffix in SUFFIXES:
                    file = folder / f"{stem}{suffix}"
                    if file.is_file():
                        return self._remembered(file), alone
        raise ImageError(
            f"{picture.source} has no boxes in {self.path}.",
            f"They would be called {source.stem}.xml, .json or .txt.",
        )

    def _remembered(self, file: Path) -> Document:
        """The last file is kept: pages of a source come one after another."""
        if self._read is None or self._read[0] != file:
            self._read = file, _document(file)
        return self._read[1]


def _mirrored(folder: Path, source: Path) -> Iterator[Path]:
    """Where files of `source` may be, the longest way first."""
    parents = [part for part in source.parent.parts if part not in ("/", "..", ".")]
    for at in range(len(parents) + 1):
        yield folder.joinpath(*parents[at:])


def _document(path: Path) -> Document:
    if path.suffix.lower() != ".txt":
        return read_document(path)
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The boxes {path} cannot be read: {error}.", "Check the file.") from None
    lines: dict[int, list[Line]] = {}
    for at, row in enumerate(rows, start=1):
        if row.strip() and not row.lstrip().startswith("#"):
            number, line = _row(row, f"{path}, row {at}")
            lines.setdefault(number, []).append(line)
    # A size of 0 says that it is unknown.
    pages = (Page(0, 0, (Region(tuple(found)),), number) for number, found in lines.items())
    return Document(tuple(pages), str(path))


def _row(row: str, where: str) -> tuple[int, Line]:
    try:
        left, top, right, bottom, number = (int(float(cell)) for cell in [*row.split(), "1"][:5])
    except ValueError:
        left = top = right = bottom = number = 0
    if left >= right or top >= bottom or number < 1 or len(row.split()) > 5:
        raise DataError(
            f"{where} is no box: {row.strip()[:60]!r}.",
            "Write left, top, right and bottom in pixels, and the page if it is not the first.",
        )
    return number, Line("", rectangle((left, top, right, bottom)))


def _fitted(page: Page, image: Image.Image, where: str) -> Page:
    """The page at the size of the picture."""
    across = image.width / (page.width or image.width)
    down = image.height / (page.height or image.height)
    if abs(across / down - 1) > _ASPECT:
        raise ImageError(
            f"{where} has {image.width}×{image.height} pixels, its boxes are of a picture of"
            f" {page.width}×{page.height}.",
            "Give the boxes of this picture.",
        )

    def scaled(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple((x * across, y * down) for x, y in points)

    def line(item: Line) -> Line:
        outline = item.polygon
        if len(outline) < 3 and item.box:
            outline = rectangle(item.box)
        return replace(item, polygon=scaled(outline), baseline=scaled(item.baseline))

    regions = tuple(
        replace(each, polygon=scaled(each.polygon), lines=tuple(map(line, each.lines)))
        for each in page.regions
    )
    return replace(page, width=image.width, height=image.height, regions=regions)


def _without_text(page: Page) -> Page:
    """Regions with just the outlines of their lines; a region without lines is one to split."""
    regions = []
    for region in page.regions:
        outlines = [line for line in region.lines if line.polygon]
        if not outlines and region.polygon:
            outlines = [Line("", region.polygon)]
        lines = tuple(Line("", line.polygon, line.baseline) for line in outlines)
        regions.append(replace(region, lines=lines))
    return replace(page, regions=tuple(regions))
