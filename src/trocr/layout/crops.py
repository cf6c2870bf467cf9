"""A line cut from its page and levelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..document import Line, Point
from ..errors import UsageError

PADDING = 0.08  # of the line's height, on all sides


@dataclass(frozen=True)
class Crop:
    """A line's picture.

    Attributes:
        image: RGB, the line level.
        matrix: ``a, b, c, d, e, f``; crop (x, y) is page (ax + by + c, dx + ey + f).
    """

    image: Image.Image
    matrix: tuple[float, float, float, float, float, float]

    def to_page(self, x: float, y: float) -> Point:
        """Where a place of the crop is on the page, in pixels of each."""
        a, b, c, d, e, f = self.matrix
        return a * x + b * y + c, d * x + e * y + f


def cut(image: Image.Image, line: Line) -> Crop:
    """The picture of a line, turned so that its baseline is level, with `PADDING` around it.

    Args:
        image: the page, RGB.
        line: has a polygon in pixels of `image`.

    Raises:
        UsageError: the line has no polygon.
    """
    if len(line.polygon) < 3:
        raise UsageError("A line without a polygon cannot be cut.", "Find lines first.")
    cosine, sine = _direction(line)
    points = np.asarray(line.polygon, np.float64)
    along = points @ (cosine, sine)
    across = points @ (-sine, cosine)
    margin = PADDING * float(np.ptp(across)) + 1
    left, top = along.min() - margin, across.min() - margin
    width, height = (max(4, math.ceil(np.ptp(span) + 2 * margin)) for span in (along, across))
    matrix = (
        cosine,
        -sine,
        float(left * cosine - top * sine),
        sine,
        cosine,
        float(left * sine + top * cosine),
    )
    paper = tuple(int(level) for level in np.median(np.asarray(image.reduce(8)), axis=(0, 1)))
    picture = image.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=paper
    )
    return Crop(picture, matrix)


def _direction(line: Line) -> tuple[float, float]:
    """Cosine and sine of the angle by which the line falls."""
    ends = line.baseline if len(line.baseline) > 1 else line.polygon[:2]
    across, down = ends[-1][0] - ends[0][0], ends[-1][1] - ends[0][1]
    length = math.hypot(across, down)
    if across <= 0 or length == 0:
        return 1.0, 0.0
    return across / length, down / length
