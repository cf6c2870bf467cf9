"""Pictures to PDF pages, their compressed data as they are wherever PDF allows it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..document import Document, Page
from ..image import pillow_warnings_off
from .options import Options
from .pictures import picture_of

if TYPE_CHECKING:
    from pikepdf import Page as PdfPage
    from pikepdf import Pdf

_LONG_SIDE = 842.0  # points, of A4: how long a page is whose resolution is unknown
_MIRRORED = (2, 4, 5, 7)  # EXIF orientations that no rotation of a page gives
_ORIENTATION = 0x0112

Layout = Callable[[int, int, object], tuple[float, float, float, float]]


@contextmanager
def picture_pdf(
    document: Document, original: Path | bytes | None, options: Options
) -> Iterator[Pdf]:
    """A PDF with a page for each page of the document."""
    import pikepdf

    data = original.read_bytes() if isinstance(original, Path) else original
    with ExitStack() as stack:
        pdf = stack.enter_context(pikepdf.new())
        made = _embedded(data, document) if data else None
        whole = stack.enter_context(pikepdf.open(io.BytesIO(made))) if made else None
        for index, page in enumerate(document):
            if whole and page.number <= len(whole.pages):
                drawn = whole.pages[page.number - 1]
                if _shows(drawn, page):
                    pdf.pages.append(drawn)
                    continue
            picture = _lossless(picture_of(document, index, options), page)
            pdf.pages.append(stack.enter_context(pikepdf.open(io.BytesIO(picture))).pages[0])
        yield pdf


def _embedded(data: bytes, document: Document) -> bytes | None:
    """A PDF of the file's own data, a page a frame; None where they would not do as they are."""
    import img2pdf

    sizes = {page.number: page for page in document}
    numbers = count(1)

    def layout(width: int, height: int, dpi: object) -> tuple[float, float, float, float]:
        page = sizes.get(next(numbers), Page(width, height))
        return _layout(page)(width, height, dpi)

    try:
        with pillow_warnings_off(), Image.open(io.BytesIO(data)) as picture:
            animated = getattr(picture, "n_frames", 1) > 1 and picture.format != "TIFF"
            if animated or picture.getexif().get(_ORIENTATION, 1) in _MIRRORED:
                return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: bytes = img2pdf.convert(
                data, layout_fun=layout, rotation=img2pdf.Rotation.ifvalid
            )
    except Exception:  # img2pdf refuses in many ways: transparency, odd colour spaces, …
        return None
    return made


def _shows(drawn: PdfPage, page: Page) -> bool:
    """Has it the sides of the picture that was read, rather than turned or cut ones?"""
    left, bottom, right, top = map(float, drawn.mediabox)
    width, height = right - left, top - bottom
    if drawn.rotation % 180:
        width, height = height, width
    return abs(width * page.height - height * page.width) < 0.5 * max(width, height)


def _lossless(picture: Image.Image, page: Page) -> bytes:
    import img2pdf

    out = io.BytesIO()
    picture.save(out, "PNG")
    made: bytes = img2pdf.convert(out.getvalue(), layout_fun=_layout(page))
    return made


def page_size(page: Page) -> tuple[float, float]:
    """Width and height in points, by the page's resolution."""
    points = _points(page)
    return page.width * points, page.height * points


def _points(page: Page) -> float:
    """Of a pixel."""
    return 72 / page.dpi if page.dpi else _LONG_SIDE / max(page.width, page.height)


def _layout(page: Page) -> Layout:
    """The size of the page by its resolution, as img2pdf asks for it."""
    points = _points(page)

    def layout(width: int, height: int, dpi: object) -> tuple[float, float, float, float]:
        return width * points, height * points, width * points, height * points

    return layout
