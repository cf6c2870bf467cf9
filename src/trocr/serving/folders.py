"""What a job keeps in its folder, and what its lines are called in corrections."""

from __future__ import annotations

from pathlib import Path

from ..corrections.lines import name_of

DOCUMENT = "document.json"
ORIGINAL = "original"
PAGES = "pages"
_SUFFIXES = (".jpg", ".png")


def page_file(number: int, suffix: str = ".jpg") -> str:
    """Where the picture of a page is, within the folder; ``.png`` where JPEG cannot hold it."""
    return f"{PAGES}/{number:04d}{suffix}"


def find_page(folder: Path, number: int) -> Path | None:
    """The picture of a page, if it is there."""
    files = (folder / page_file(number, suffix) for suffix in _SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def line_name(page: int, line: int) -> str:
    """What ``corrections.tsv`` calls a line.

    Args:
        page: its number in the document, from 1.
        line: on the page, in reading order, from 1.
    """
    stem = Path(DOCUMENT).stem + (f"-p{page}" if page > 1 else "")
    return name_of(stem, line - 1)
