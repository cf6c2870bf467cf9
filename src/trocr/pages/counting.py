"""How many pages a file has, for those who want to say how far they are."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..errors import ImageError
from ..image import pillow_warnings_off
from .pdf import count_pdf
from .selection import parse_selection


def count_pages(path: Path, *, pages: str | None = None, password: str | None = None) -> int:
    """How many pages ``read_pages`` would give; 1 where that cannot be told.

    Args:
        path: a file, told by its name: PDF and TIFF may have several pages.
        pages, password: as of ``read_pages``.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".pdf":
            count = count_pdf(path, password)
        elif suffix in (".tif", ".tiff"):
            with pillow_warnings_off(), Image.open(path) as image:
                count = int(getattr(image, "n_frames", 1))
        else:
            return 1
    except (ImageError, OSError, ValueError, SyntaxError):
        return 1
    return sum(map(len, parse_selection(pages).choose(count)[0]))
