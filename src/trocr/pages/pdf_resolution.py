"""The resolution at which a PDF page is worth drawing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfImage, PdfMatrix, PdfObject, PdfPage

POINTS_AN_INCH = 72
LEAST_DPI = 72  # below it nothing could be read
DRAWN_DPI = (200, 300)
DRAWN_PIXELS = 20_000_000  # at more of them, pages of text are drawn at less than 300 DPI
SCAN_PIXELS = 50_000_000

_OBJECTS = 5_000  # looked at on one page
_DEPTH = 4
_SCANNED = 0.5  # of the page is covered by pictures
_COUNTS = 0.2  # of the page is covered by pictures of one resolution
_SLACK = 0.02  # of a pixel; PDFium's numbers are exact to a thousandth on large pages


def page_dpi(page: PdfPage) -> float:
    """That of the scan which fills the page; else 300, and down to 200 for large pages.

    A page with both, a scan and text or lines drawn over it, gets the higher of the two.
    """
    width, height = page.get_size()
    square_inches = width * height / POINTS_AN_INCH**2
    low, high = DRAWN_DPI
    drawn = min(high, max(low, math.sqrt(DRAWN_PIXELS / square_inches)))
    scan, has_drawing = _look_at(page, width * height)
    if not scan:
        return drawn
    scan = max(LEAST_DPI, min(scan, max(high, math.sqrt(SCAN_PIXELS / square_inches))))
    return max(scan, drawn) if has_drawing else scan


def settle_pictures(page: PdfPage, dpi: float) -> None:
    """Let pictures that fill whole pixels, but for rounding errors, be drawn on these alone.

    PDFium draws on every pixel that a picture touches: one that reaches by a millionth into the
    next row would be stretched by that row, and a scan blurred. The page has to be closed after
    it has been drawn, not saved.
    """
    from pypdfium2 import PdfImage, PdfMatrix

    for found in _objects(page):
        if isinstance(found, PdfImage):
            matrix = _matrix(found)
            sides = (math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d))
            pixels = [side * dpi / POINTS_AN_INCH for side in sides]
            if min(pixels) > 1:
                x, y = (1 - 2 * _SLACK / side for side in pixels)
                shrink = PdfMatrix(x, 0, 0, y, (1 - x) / 2, (1 - y) / 2)
                found.set_matrix(shrink.multiply(found.get_matrix()))


def _look_at(page: PdfPage, page_area: float) -> tuple[float, bool]:
    """The resolution of the scan, 0 without one; and whether anything visible is drawn."""
    from pypdfium2 import PdfImage, raw

    shares: dict[int, float] = {}
    exact: dict[int, float] = {}
    has_drawing = False
    for found in _objects(page):
        if isinstance(found, PdfImage):
            dpi, area = _placed(found)
            key = round(dpi)
            shares[key] = shares.get(key, 0.0) + area / page_area
            exact[key] = max(exact.get(key, 0.0), dpi)
        elif found.type == raw.FPDF_PAGEOBJ_TEXT:
            mode = raw.FPDFTextObj_GetTextRenderMode(found)
            has_drawing |= mode != raw.FPDF_TEXTRENDERMODE_INVISIBLE
        else:
            has_drawing |= found.type != raw.FPDF_PAGEOBJ_FORM
    if sum(shares.values()) < _SCANNED:
        return 0.0, has_drawing
    # A background may lie coarse below a fine mask with the letters.
    dpi = max((exact[key] for key, share in shares.items() if share >= _COUNTS), default=0.0)
    return dpi, has_drawing


def _objects(page: PdfPage) -> Iterator[PdfObject]:
    return itertools.islice(page.get_objects(max_depth=_DEPTH), _OBJECTS)


def _placed(image: PdfImage) -> tuple[float, float]:
    """Pixels an inch, in its finer direction, and square points on the page."""
    columns, rows = image.get_px_size()
    matrix = _matrix(image)
    width, height = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    if not (min(width, height) > 1e-3 and math.isfinite(width * height)):
        return 0.0, 0.0
    dpi = max(columns / width, rows / height) * POINTS_AN_INCH
    return dpi, abs(matrix.a * matrix.d - matrix.b * matrix.c)


def _matrix(image: PdfImage) -> PdfMatrix:
    """From the unit square, which a picture fills, to the page."""
    matrix, outer = image.get_matrix(), image.container
    while outer is not None:
        matrix, outer = matrix.multiply(outer.get_matrix()), outer.container
    return matrix
