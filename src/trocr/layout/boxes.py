"""Text boxes as the detectors give them: quadrilaterals with a direction and a height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_ASPECT = 2.5  # a shorter box tells no direction
MAX_SLOPE = 0.36  # 20°: a steeper box is no part of a row
UPRIGHT = 2.5  # a box so many times higher than wide is not one letter

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TextBox:
    """A quadrilateral of an upright page, all in its pixels.

    Attributes:
        corners: (4, 2), clockwise from the top left.
        left, right: (2,), the middles of its ends.
        height: mean length of its ends, at least 1.
    """

    corners: FloatArray
    left: FloatArray
    right: FloatArray
    height: float

    @property
    def width(self) -> float:
        """From the middle of one end to the other's, at least 1."""
        return max(1.0, float(np.hypot(*(self.right - self.left))))

    @property
    def slope(self) -> float:
        """Pixels down for a pixel to the right."""
        return float((self.right[1] - self.left[1]) / max(1.0, self.right[0] - self.left[0]))

    @property
    def stands(self) -> bool:
        """Whether it is no part of a row: steep, or upright as a whole."""
        return abs(self.slope) > MAX_SLOPE or self.height > UPRIGHT * self.width

    @property
    def middle(self) -> FloatArray:
        """(2,): its centre."""
        return (self.left + self.right) / 2

    def at(self, x: float) -> float:
        """How far down the axis is at `x`."""
        return float(self.left[1] + self.slope * (x - self.left[0]))


def text_box(corners: FloatArray) -> TextBox:
    """A box from its (4, 2) corners, clockwise from the top left."""
    left, right = (corners[0] + corners[3]) / 2, (corners[1] + corners[2]) / 2
    ends = np.hypot(*(corners[3] - corners[0])), np.hypot(*(corners[2] - corners[1]))
    return TextBox(corners, left, right, max(1.0, float(np.mean(ends))))


def page_slope(boxes: FloatArray) -> float:
    """The slope of most of the boxes (boxes, 4, 2) that are long enough to have one; 0 if none."""
    sized = [text_box(corners) for corners in boxes]
    known = [box for box in sized if box.width >= MIN_ASPECT * box.height]
    if not known:
        return 0.0
    slopes = np.array([box.slope for box in known])
    weights = np.array([box.width for box in known])
    order = slopes.argsort()
    half = np.searchsorted(weights[order].cumsum(), weights.sum() / 2)
    return float(slopes[order][half])


def in_rows(boxes: FloatArray, slope: float) -> list[TextBox]:
    """Boxes with ends that are upright or nearly so.

    The smallest rectangle around a short word or a digit may stand on its edge; such a box is
    drawn anew along the page's slope. One inside another is left out.
    """
    found = []
    for corners in boxes:
        box = text_box(corners)
        if box.width < MIN_ASPECT * box.height and abs(box.slope - slope) > 0.05:
            box = text_box(_along(corners, slope))
        found.append(box)
    return [box for box in found if not any(_within(box, other) for other in found)]


def _along(corners: FloatArray, slope: float) -> FloatArray:
    """The parallelogram with upright ends and sides of `slope` around the corners."""
    level = corners[:, 1] - slope * corners[:, 0]
    left, right = corners[:, 0].min(), corners[:, 0].max()
    ends = np.array([left, right, right, left])
    rows = np.array([level.min(), level.min(), level.max(), level.max()])
    return np.stack([ends, rows + slope * ends], axis=1)


def _within(box: TextBox, other: TextBox) -> bool:
    """Whether nearly all of a box is in one other, larger box."""
    if box is other or box.width * box.height >= other.width * other.height:
        return False
    overlap = min(box.right[0], other.right[0]) - max(box.left[0], other.left[0])
    centre = other.at(float(box.middle[0]))
    top = max(box.middle[1] - box.height / 2, centre - other.height / 2)
    bottom = min(box.middle[1] + box.height / 2, centre + other.height / 2)
    return bool(overlap > 0.8 * box.width and bottom - top > 0.8 * box.height)
