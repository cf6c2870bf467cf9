"""Where the lines of a page are, and in which order they are read."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..document import Line
from ..errors import UsageError
from .baseline import baseline_of
from .boxes import TextBox, in_rows, page_slope
from .envelope import envelope_of
from .page_ink import PageInk, ink_of
from .rows import rows_of
from .seams import parted
from .strip import strip_of
from .tall import without_tall

if TYPE_CHECKING:
    from PIL import Image

DETECTORS = ("auto", "rapidocr", "plain")


def find_lines(image: Image.Image, *, detector: str = "auto") -> tuple[Line, ...]:
    """The text lines of an upright page, from top to bottom.

    Args:
        image: RGB.
        detector: ``"rapidocr"`` needs the extra ``trocr[layout]``; ``"plain"`` needs no model;
            ``"auto"`` is the former if it is installed.

    Returns:
        Lines without text, with a polygon (clockwise from the top left) and a baseline, in pixels
        of `image`.

    Raises:
        UsageError: an unknown detector, or one that is not installed.
    """
    if detector not in DETECTORS:
        raise UsageError(f"Unknown detector {detector!r}.", f"Use one of {', '.join(DETECTORS)}.")
    if detector == "auto":
        detector = "rapidocr" if find_spec("rapidocr") and find_spec("onnxruntime") else "plain"
    if detector == "rapidocr":
        from .rapid import text_boxes
    else:
        from .plain import text_boxes
    corners = text_boxes(image)
    ink = ink_of(image).letters
    boxes = without_tall(in_rows(corners, page_slope(corners)), ink)
    return parted([_line(row, ink) for row in rows_of(boxes)], ink)


def _line(row: list[TextBox], ink: PageInk) -> Line:
    strip = strip_of(row, ink)
    baseline = baseline_of(strip)
    return Line("", envelope_of(strip, baseline), strip.to_page(*baseline))
