"""Searchable PDF: the original untouched, the text invisible over the words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..document import Document, Page, Point
from ..errors import ImageError, UsageError
from .glyphless import GlyphlessFont
from .options import Options
from .picture_pdf import page_size, picture_pdf
from .pictures import original_of
from .text_layer import Projection, text_operators

if TYPE_CHECKING:
    from pikepdf import Page as PdfPage
    from pikepdf import Pdf


def render(document: Document, options: Options) -> bytes:
    """The pages of the document, each with its text.

    An original PDF keeps all it has, encryption too, but pages that are not in the document. Of
    an original picture the compressed data are embedded as they are wherever PDF allows it (JPEG,
    PNG, most TIFF), else the same pixels without loss. Text lies over each word's box, in a font
    without shapes.

    Raises:
        UsageError: pikepdf, img2pdf or fonttools is not installed, or a picture cannot be found.
        ImageError: the original is damaged, encrypted, or has fewer pages.
    """
    missing = [name for name in ("pikepdf", "img2pdf", "fontTools") if find_spec(name) is None]
    if missing:
        raise UsageError(f"Writing PDF needs {missing[0]}.", "Run: pip install 'trocr[pdf]'")
    with _opened(document, options) as pdf:
        _add_text(pdf, document, GlyphlessFont())
        _describe(pdf, document)
        out = io.BytesIO()
        locked = pdf.is_encrypted
        pdf.save(out, deterministic_id=not locked, encryption=True if locked else None)
        return out.getvalue()


def render_text_only(document: Document, font_key: str) -> bytes:
    """The text of the pages, invisible and where it stands, on pages that are blank.

    For programs that lay it under pages of their own: each has one content stream, and its font
    the name `font_key` among the resources.
    """
    import pikepdf

    with pikepdf.new() as pdf:
        for page in document:
            pdf.add_blank_page(page_size=page_size(page))
        _add_text(pdf, document, GlyphlessFont(font_key))
        for drawn in pdf.pages:
            drawn.contents_coalesce()
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True)
        return out.getvalue()


def _add_text(pdf: Pdf, document: Document, font: GlyphlessFont) -> None:
    import pikepdf

    layers = [
        text_operators(page, projection(page, drawn), font)
        for page, drawn in zip(document, pdf.pages, strict=True)
    ]
    embedded = font.embed(pdf)
    for drawn, layer in zip(pdf.pages, layers, strict=True):
        if layer:
            drawn.add_resource(embedded, pikepdf.Name.Font, pikepdf.Name("/" + font.key))
            # Below the picture, where no graphics state of its content can reach.
            drawn.contents_add(pdf.make_stream(layer), prepend=True)


@contextmanager
def _opened(document: Document, options: Options) -> Iterator[Pdf]:
    """A PDF with just the pages of the document."""
    original = original_of(document, options)
    if original is None or not _is_pdf(original):
        with picture_pdf(document, original, options) as pdf:
            yield pdf
        return
    import pikepdf

    name = document.source or "The original"
    source = io.BytesIO(original) if isinstance(original, bytes) else original
    try:
        pdf = pikepdf.open(source, password=options.password or "")
    except pikepdf.PasswordError:
        raise ImageError(f"{name} is encrypted.", "Give its password.") from None
    except (pikepdf.PdfError, OSError) as error:
        raise ImageError(f"{name} is damaged: {error}.", "Copy or download it again.") from error
    with pdf:
        _keep(pdf, [page.number for page in document], name)
        yield pdf


def _keep(pdf: Pdf, numbers: list[int], name: str) -> None:
    """Only these pages, counted from 1 and in their order, stay."""
    if any(number > len(pdf.pages) for number in numbers):
        raise ImageError(
            f"{name} has {len(pdf.pages)} pages, not {max(numbers)}.",
            "Give the file that was read.",
        )
    kept = set(numbers)
    if numbers != sorted(kept):
        raise UsageError("The pages of the document are not in their order.", "Sort them.")
    for index in reversed(range(len(pdf.pages))):
        if index + 1 not in kept:
            del pdf.pages[index]


def _is_pdf(original: Path | bytes) -> bool:
    if isinstance(original, Path):
        with original.open("rb") as file:
            original = file.read(1024)
    return b"%PDF-" in original[:1024]


def projection(page: Page, drawn: PdfPage) -> Projection:
    """From pixels of the page's picture to the user space of the PDF's page.

    The picture shows the crop box, turned by the page's own rotation.
    """
    left, bottom, right, top = map(float, drawn.cropbox)
    left, right = min(left, right), max(left, right)
    bottom, top = min(bottom, top), max(bottom, top)
    turned = drawn.rotation % 360

    def project(point: Point) -> Point:
        # x and y from 0 to 1 on the displayed page, from its upper left corner.
        x, y = point[0] / page.width, point[1] / page.height
        if turned == 90:
            x, y = y, 1 - x
        elif turned == 180:
            x, y = 1 - x, 1 - y
        elif turned == 270:
            x, y = 1 - y, x
        return left + x * (right - left), top - y * (top - bottom)

    return project


def _describe(pdf: Pdf, document: Document) -> None:
    from pikepdf import Name, String

    if "/Producer" not in pdf.docinfo:
        pdf.docinfo["/Producer"] = f"trocr {__version__}"
    language = next((page.language for page in document if page.language), None)
    if language and Name.Lang not in pdf.Root:
        pdf.Root.Lang = String(language)
