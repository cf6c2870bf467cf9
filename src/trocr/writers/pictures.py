"""The pictures of a document's pages, for the formats that show them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..document import Document, Page
from ..errors import UsageError
from ..pages import PageFailure, read_pages
from .options import Options


def original_of(document: Document, options: Options) -> Path | bytes | None:
    """The file that was read, if it is given or still where the document says.

    Raises:
        UsageError: the one that was given does not exist.
    """
    if isinstance(options.original, bytes):
        return options.original
    path = Path(options.original or document.source)
    if path.is_file():
        return path
    if options.original is not None:
        raise UsageError(f"There is no file {path}.", "Name the file that was read.")
    return None


def picture_of(document: Document, index: int, options: Options) -> Image.Image:
    """The RGB picture of the page at `index`: that given, else a page of the original.

    Raises:
        UsageError: there is none, or it has another size than the page.
        ImageError: the original cannot be read.
    """
    page = document.pages[index]
    if options.pages is None:
        picture = _from_original(document, page, options)
    elif callable(options.pages):
        picture = options.pages(page.number)
    elif index < len(options.pages):
        picture = options.pages[index]
    else:
        raise _missing(page)
    if picture.size != (page.width, page.height):
        raise UsageError(
            f"The picture of page {page.number} has {picture.width}×{picture.height} pixels,"
            f" the page {page.width}×{page.height}.",
            "Give the picture that was read, not turned and not scaled.",
        )
    return picture.convert("RGB")


def _from_original(document: Document, page: Page, options: Options) -> Image.Image:
    original = original_of(document, options)
    if original is None:
        raise _missing(page)
    found = read_pages(
        original,
        pages=str(page.number),
        password=options.password,
        dpi=page.dpi,
        frames=page.number > 1,
    )
    for picture in found:
        if isinstance(picture, PageFailure):
            raise picture.error
        return picture.image
    raise _missing(page)


def _missing(page: Page) -> UsageError:
    return UsageError(
        f"There is no picture of page {page.number}.", "Give the pictures or the original file."
    )
