"""A line cut from its page and levelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..document import Line, Point
from ..errors import UsageError
from .outlines import axis_of
from .page_ink import Matrix

PADDING = 0.08  # of the line's height, on all sides
OUTSIDE = 0.03  # of the line's height: what is further from the polygon belongs to other lines
MIN_SIDE = 4  # pixels
LEVEL = 1.0  # pixels that a line may fall from end to end without being turned

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Crop:
    """A line's picture.

    Attributes:
        image: RGB, the line level.
        matrix: from the crop to the page; pixel (0, 0) covers (0, 0) to (1, 1).
    """

    image: Image.Image
    matrix: Matrix

    def to_page(self, x: float, y: float) -> Point:
        """Where a place of the crop is on the page, in pixels of each."""
        a, b, c, d, e, f = self.matrix
        return a * x + b * y + c, d * x + e * y + f


def cut(image: Image.Image, line: Line) -> Crop:
    """The picture of a line, turned so that its baseline is level, with `PADDING` around it.

    What is clearly outside the polygon, and so part of other lines, is painted over with the
    colour of the paper. Of a polygon beyond the page, the part on the page is cut.

    Args:
        image: the page, RGB.
        line: has a polygon in pixels of `image`.

    Raises:
        UsageError: the line has no polygon.
    """
    if len(line.polygon) < 3:
        raise UsageError("A line without a polygon cannot be cut.", "Find lines first.")
    points = np.asarray(line.polygon, np.float64).clip((0, 0), image.size)
    cosine, sine = _direction(line)
    to_level = np.array([[cosine, -sine], [sine, cosine]])
    level = points @ to_level
    height = float(np.ptp(level[:, 1]))
    margin = PADDING * height + 1
    left, top = (math.floor(edge) for edge in level.min(0) - margin)
    right, bottom = (math.ceil(edge) for edge in level.max(0) + margin)
    size = max(right - left, MIN_SIDE), max(bottom - top, MIN_SIDE)
    origin = to_level @ (left, top)
    matrix = (cosine, -sine, float(origin[0]), sine, cosine, float(origin[1]))
    picture = _levelled(image, matrix, size)
    return Crop(_without_neighbours(picture, level - (left, top), OUTSIDE * height), matrix)


def _direction(line: Line) -> tuple[float, float]:
    """Cosine and sine of the angle by which the line falls."""
    axis = axis_of(line)
    if axis is None:
        return 1.0, 0.0
    angle, length = math.radians(axis[0]), axis[1]
    across, down = math.cos(angle), math.sin(angle)
    if len(line.baseline) > 1:
        (x0, y0), (x1, y1) = line.baseline[0], line.baseline[-1]
        if (x1 - x0) * across + (y1 - y0) * down < 0:
            return -across, -down
    return (1.0, 0.0) if abs(down) * length < LEVEL else (across, down)


def _levelled(image: Image.Image, matrix: Matrix, size: tuple[int, int]) -> Image.Image:
    """The part of the page that the crop shows; beyond the page the colour of the paper."""
    paper = _paper(image, matrix, size)
    return image.transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=paper
    )


def _paper(image: Image.Image, matrix: Matrix, size: tuple[int, int]) -> tuple[int, ...]:
    """The colour of most of the crop."""
    small = max(1, size[0] // 4), max(1, size[1] // 4)
    a, b, c, d, e, f = matrix
    step_x, step_y = size[0] / small[0], size[1] / small[1]
    coarse = (a * step_x, b * step_y, c, d * step_x, e * step_y, f)
    pixels = np.asarray(image.transform(small, Image.Transform.AFFINE, coarse))
    x, y = np.meshgrid(np.arange(small[0]) + 0.5, np.arange(small[1]) + 0.5)
    across = coarse[0] * x + coarse[1] * y + c
    down = coarse[3] * x + coarse[4] * y + f
    on_page = (across >= 0) & (across < image.width) & (down >= 0) & (down < image.height)
    if not on_page.any():
        return (255,) * 3
    return tuple(int(level) for level in np.median(pixels[on_page], axis=0))


def _without_neighbours(picture: Image.Image, polygon: FloatArray, reach: float) -> Image.Image:
    """Painted over where it is further than `reach` from the polygon."""
    outline = [(float(x), float(y)) for x, y in polygon]
    mask = Image.new("1", picture.size, 1)
    draw = ImageDraw.Draw(mask)
    draw.polygon(outline, fill=0)
    draw.line([*outline, *outline[:2]], fill=0, width=max(1, round(2 * reach)), joint="curve")
    if mask.getextrema() == (0, 0):
        return picture
    pixels = np.asarray(picture)
    inside = pixels[~np.asarray(mask)]
    paper = tuple(int(level) for level in np.median(inside, axis=0))
    cleaned = picture.copy()
    cleaned.paste(paper, mask=mask)
    return cleaned
