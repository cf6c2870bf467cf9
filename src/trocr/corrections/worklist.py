"""A folder to work through: a table, a web page, and the pictures of the lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from PIL import Image

from ..errors import DataError, OutputError
from ..labelled_lines import SkippedLine
from ..writers.files import write_atomically
from ..writers.web_page import data_url
from .lines import WorkLine
from .marks import table
from .pictures import cut_lines
from .web_page import render

TABLE, WEB_PAGE = "worklist.tsv", "worklist.html"
SHOWN = (1600, 200)  # pixels that a line's picture has on the page


def choose(
    lines: Sequence[WorkLine],
    *,
    below: float | None = None,
    limit: int | None = None,
    sample: int | None = None,
) -> list[WorkLine]:
    """The least confident lines first; those of unknown confidence before all others.

    Args:
        below: leave out lines of this confidence and more, 0 to 1.
        limit: leave out all but so many.
        sample: first of all, draw so many at random; the same each time.
    """
    if sample is not None:
        lines = Random(0).sample(lines, min(sample, len(lines)))

    def doubt(line: WorkLine) -> float:
        return -1.0 if line.confidence is None else line.confidence

    wanted = [line for line in lines if below is None or doubt(line) < below]
    return sorted(wanted, key=doubt)[:limit]


def write_worklist(
    lines: Sequence[WorkLine], folder: Path, out: Path, images: Path | None = None
) -> tuple[list[WorkLine], list[SkippedLine]]:
    """Write `TABLE`, `WEB_PAGE` and a PNG a line, each by the name of its line.

    Args:
        lines: in the order of work.
        folder: of the documents, after which the web page is called.
        out: a new folder.
        images: where the pictures of pages are, as for ``cut_lines``.

    Returns:
        The lines that are in it, in their order; what has no picture.

    Raises:
        DataError: no line has a picture.
        OutputError: the folder cannot be written to.
    """
    skipped: list[SkippedLine] = []
    shown: dict[str, str] = {}
    for item in cut_lines(lines, images):
        if isinstance(item, SkippedLine):
            skipped.append(item)
        else:
            line, picture = item
            _save(picture, out / line.file)
            shown[line.name] = data_url(picture, SHOWN)
    found = [line for line in lines if line.name in shown]
    if not found:
        reason = f"{skipped[0].where}: {skipped[0].reason}" if skipped else "There are no lines."
        raise DataError(f"There is nothing to look at. {reason}", "Name the pictures: --images.")
    write_atomically(out / TABLE, table(found).encode("utf-8"))
    write_atomically(out / WEB_PAGE, render(found, shown, folder).encode("utf-8"))
    return found, skipped


def _save(picture: Image.Image, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.", "Name another folder with -o."
        ) from None
