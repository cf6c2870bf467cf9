"""Boxes that hold several lines, parted where there is white between these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .boxes import TextBox, text_box
from .page_ink import PageInk
from .strip import BESIDE, ROWS, strip_of

TALL = 1.5  # times the usual height
MANY = 4  # boxes tell what is usual
OUTER = 0.25  # of a box's height at its top and bottom, where no line ends and another begins
WHITE = 0.12  # of the ink in the fuller rows at both sides, that there is between two lines
ALIKE = 0.45  # the fuller rows, and the number of rows with ink, of one line over the other's
MIN_ASPECT = 2.0  # width over height; in a narrower box single letters would decide


def without_tall(boxes: Sequence[TextBox], ink: PageInk) -> list[TextBox]:
    """The boxes, those parted that are taller than is usual on their page and hold several lines.

    Of a few boxes, any may be tall.
    """
    heights = [box.height for box in boxes]
    least = TALL * float(np.median(heights)) if len(boxes) >= MANY else 0.0
    parts = [single_lines(box, ink) if box.height > least else [box] for box in boxes]
    return [line for box in parts for line in box]


def single_lines(box: TextBox, ink: PageInk) -> list[TextBox]:
    """The lines in a box, from top to bottom; the box itself where it holds one."""
    if box.width < MIN_ASPECT * box.height:
        return [box]
    profile = strip_of([box], ink).cover[BESIDE : BESIDE + ROWS].sum(1)
    first, last = round(OUTER * ROWS), round((1 - OUTER) * ROWS)
    emptiest = np.flatnonzero(profile[first:last] == profile[first:last].min()) + first
    at = int(emptiest[len(emptiest) // 2])
    sides = profile[:at], profile[at:]
    fullest = [side.max() for side in sides]
    white = WHITE * min(fullest)
    extents = [int((side > white).sum()) for side in sides]
    alike = all(min(pair) >= ALIKE * max(pair) for pair in (fullest, extents))
    if not alike or profile[at] > white:
        return [box]
    share = (at + 0.5) / ROWS
    top_left, top_right, bottom_right, bottom_left = box.corners
    left = top_left + share * (bottom_left - top_left)
    right = top_right + share * (bottom_right - top_right)
    upper = text_box(np.array([top_left, top_right, right, left]))
    lower = text_box(np.array([left, right, bottom_right, bottom_left]))
    return [*single_lines(upper, ink), *single_lines(lower, ink)]
