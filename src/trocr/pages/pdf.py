"""The pages of a PDF, drawn one at a time by PDFium."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import ImageError
from ..image import COPY_AGAIN, reason
from .page import Options, PageFailure, PageImage
from .pdf_resolution import LEAST_DPI, POINTS_AN_INCH, page_dpi, settle_pictures
from .pdf_text import embedded_lines
from .picture import no_such_page

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdfium2 import PdfDocument, PdfPage

_PAGES_AN_OPENING = 16  # PDFium keeps the data of all pictures that it met until it is closed
# PDFium is not made for several threads, whatever the document.
_pdfium_lock = threading.RLock()


def read_pdf(stream: IO[bytes], name: str, options: Options) -> Iterator[PageImage | PageFailure]:
    """The pages of a PDF, with their annotations and form fields.

    Raises:
        ImageError: damaged, encrypted without the right password, more pages than allowed, or
            pypdfium2 is not installed.
    """
    document, count = _open(stream, name, options.password)
    try:
        runs, absent = options.pages.choose(count)
        for part in absent:
            yield PageFailure(name, None, no_such_page(name, part, count))
        chosen = sum(map(len, runs))
        if chosen > options.limits.pages:
            raise ImageError(
                f"{name} has {chosen:,} pages to read; the limit is {options.limits.pages:,}.",
                "Choose some of them, such as 1-100, or raise the limit.",
            )
        wanted = (number for number in itertools.chain(*runs) if number not in options.skip)
        for done, number in enumerate(wanted, start=1):
            # No variable here: it would keep the page while the next one is drawn.
            yield _read_page(document, number, name, options)
            if done % _PAGES_AN_OPENING == 0:
                with _pdfium_lock:
                    document.close()
                document, _ = _open(stream, name, options.password)
    finally:
        with _pdfium_lock:
            document.close()


def count_pdf(path: Path, password: str | None) -> int:
    """How many pages a PDF has.

    Raises:
        ImageError, OSError: it cannot be opened.
    """
    with path.open("rb") as stream:
        document, count = _open(stream, str(path), password)
        with _pdfium_lock:
            document.close()
    return count


def _open(stream: IO[bytes], name: str, password: str | None) -> tuple[PdfDocument, int]:
    """The document, and how many pages it has."""
    try:
        import pypdfium2
        from pypdfium2 import raw
    except ImportError:
        raise ImageError(
            f"{name} is a PDF, and pypdfium2, which draws its pages, is not installed.",
            "Run: pip install 'trocr[pdf]'",
        ) from None
    with _pdfium_lock:
        try:
            document = pypdfium2.PdfDocument(stream, password=password)
            document.init_forms()
            return document, len(document)
        except pypdfium2.PdfiumError as error:
            if error.err_code == raw.FPDF_ERR_SECURITY:
                raise ImageError(
                    f"{name} is encrypted in a way that PDFium does not know.",
                    "Save a copy without encryption in the program that opens it.",
                ) from None
            if error.err_code != raw.FPDF_ERR_PASSWORD:
                message = f"{name} is a damaged PDF: no page is found."
                raise ImageError(message, COPY_AGAIN) from error
    if not password:
        raise ImageError(f"{name} is encrypted.", "Give its password.")
    try:
        return _open(stream, name, None)  # one that anyone may read
    except ImageError:
        raise ImageError(
            f"The password for {name} is wrong.", "Give the one that opens it."
        ) from None


def _read_page(
    document: PdfDocument, number: int, name: str, options: Options
) -> PageImage | PageFailure:
    import pypdfium2

    where = f"{name}, page {number}"
    with _pdfium_lock:
        try:
            page = document[number - 1]
            try:
                return _drawn(page, number, name, options)
            finally:
                page.close()
        except ImageError as error:
            return PageFailure(name, number, error)
        except (pypdfium2.PdfiumError, ArithmeticError, MemoryError) as error:
            message = f"{where} is damaged: {reason(error)}."
            return PageFailure(name, number, ImageError(message, COPY_AGAIN))


def _drawn(page: PdfPage, number: int, name: str, options: Options) -> PageImage:
    dpi = _fitting_dpi(page, f"{name}, page {number}", options)
    width, height = (max(1, round(side * dpi / POINTS_AN_INCH)) for side in page.get_size())
    text = embedded_lines(page, width, height) if options.embedded_text else None
    settle_pictures(page, dpi)
    return PageImage(_draw(page, width, height), name, number, dpi, text)


def _fitting_dpi(page: PdfPage, where: str, options: Options) -> float:
    """The resolution asked for, or the page's own, or what the pixel limit leaves of it.

    Raises:
        ImageError: the limit leaves too little, or less than was asked for.
    """
    width, height = page.get_size()
    square_inches = width * height / POINTS_AN_INCH**2
    limit = options.limits.pixels
    if not square_inches > 0:
        raise ImageError(f"{where} has no size: {width:g}×{height:g} points.", COPY_AGAIN)
    most = math.sqrt(limit / square_inches)
    least = options.dpi or LEAST_DPI
    if most < least:
        raise ImageError(
            f"{where} is too large to draw at {least:g} DPI ({width / POINTS_AN_INCH:,.0f}×"
            f"{height / POINTS_AN_INCH:,.0f} inches; the limit is {limit:,} pixels).",
            "Choose a lower resolution." if options.dpi else "Check what made it.",
        )
    return options.dpi or min(page_dpi(page), most)


def _draw(page: PdfPage, width: int, height: int) -> Image:
    """PDFium's own picture, not rounded up as pypdfium2 does: a scan keeps its very pixels."""
    from pypdfium2 import PdfBitmap, raw

    bitmap = PdfBitmap.new_native(width, height, raw.FPDFBitmap_BGR, rev_byteorder=True)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    area = (bitmap, page, 0, 0, width, height, 0, raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER)
    raw.FPDF_RenderPageBitmap(*area)
    if page.formenv:
        raw.FPDF_FFLDraw(page.formenv, *area)
    image: Image = bitmap.to_pil()
    return image
