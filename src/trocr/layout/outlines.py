"""Measures of lines' outlines: where a line's middle runs, how thick it is, how steep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..document import Line, Polygon, rectangle

MIN_ELONGATION = 3.0  # a shorter outline tells no direction
POLYLINE_SAMPLES = 64
MAX_LEAN = 5.0  # degrees
MAX_STEP = 3.0  # line heights up or down between two lines that may share a row
LEVEL = 0.2  # of the lower line's height: level with its neighbour
MIN_GAIN = 1.2  # times as many level neighbours, or the rows stay as they are

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LevelLine:
    """A line on the levelled page: pixels of the picture turned about its centre.

    ``top`` and ``bottom`` hold the mean thickness of the outline about its centroid, so that
    single ascenders and descenders do not reach into the neighbours.
    """

    line: Line
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        """The height of its centre."""
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        """Its mean thickness, at least 1."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """From end to end, at least 1."""
        return self.right - self.left

    @property
    def aspect(self) -> float:
        """Width over height; about twice the number of characters is four times this."""
        return self.width / self.height


def level(line: Line, degrees: float, width: int, height: int) -> LevelLine | None:
    """The line after the page of `width` by `height` was turned back by its skew.

    None for a line whose place is unknown.
    """
    outline = outline_of(line)
    if not outline:
        return None
    points = np.asarray(outline, np.float64) - (width / 2, height / 2)
    turn = math.radians(-degrees)
    cosine, sine = math.cos(turn), math.sin(turn)
    points = points @ np.array([[cosine, sine], [-sine, cosine]])
    left, top = points.min(0)
    right, bottom = points.max(0)
    right = max(right, left + 1)
    area = _area_moments(points)
    middle, thickness = (top + bottom) / 2, bottom - top
    if area is not None and top <= area.centre[1] <= bottom:
        middle, thickness = area.centre[1], area.size / (right - left)
    half = max(float(thickness), 1.0) / 2
    return LevelLine(line, float(left), float(middle) - half, float(right), float(middle) + half)


def with_level_rows(lines: Sequence[LevelLine]) -> list[LevelLine]:
    """Shear lines so that most neighbours stand level.

    For outlines that are all upright boxes: they tell nothing of the page's skew, their places do.
    """
    if len(lines) < 2:
        return list(lines)
    left, right, middle, height = (
        np.array([getattr(line, name) for line in lines])
        for name in ("left", "right", "middle", "height")
    )
    centre = (left + right) / 2
    first, second = np.nonzero(
        (left > right[:, None]) & (np.abs(middle[:, None] - middle) < MAX_STEP * height)
    )
    across, down = centre[second] - centre[first], middle[second] - middle[first]
    level_enough = LEVEL * np.minimum(height[first], height[second])
    # The gentlest slope first: it wins a draw.
    slopes = np.tan(np.radians(sorted(np.arange(-MAX_LEAN, MAX_LEAN + 0.1, 0.25), key=abs)))
    votes = [int((np.abs(down - slope * across) < level_enough).sum()) for slope in slopes]
    slope = float(slopes[np.argmax(votes)]) if max(votes) > MIN_GAIN * votes[0] else 0.0
    shifts = -slope * (centre - centre.mean())
    return [
        replace(line, top=line.top + shift, bottom=line.bottom + shift)
        for line, shift in zip(lines, shifts.tolist(), strict=True)
    ]


def outline_of(line: Line) -> Polygon:
    """Its polygon, or the box around its words; empty where neither is known."""
    if line.polygon:
        return line.polygon
    return rectangle(line.box) if line.box else ()


def axis_of(line: Line) -> tuple[float, float] | None:
    """(degrees in [-90, 90], length in pixels) of the baseline or of the outline's main axis.

    Positive degrees fall to the right. None where there is neither, or nothing elongated.
    """
    if len(line.baseline) > 1:
        points = np.asarray(line.baseline, np.float64)
        run = np.append(0, np.hypot(*np.diff(points, axis=0).T).cumsum())
        if run[-1] > 0:
            at = np.linspace(0, run[-1], POLYLINE_SAMPLES)
            x, y = (np.interp(at, run, points[:, axis]) for axis in (0, 1))
            (xx, xy), (_, yy) = np.cov(x, y)
            return _direction(xx, xy, yy), float(run[-1])
    area = _area_moments(np.asarray(line.polygon, np.float64).reshape(-1, 2))
    if area is None:
        return None
    spread = math.hypot((area.xx - area.yy) / 2, area.xy)
    mean = (area.xx + area.yy) / 2
    if mean + spread < MIN_ELONGATION**2 * (mean - spread):
        return None
    # A bar of length n has the variance n² / 12 along itself.
    return _direction(area.xx, area.xy, area.yy), math.sqrt(12 * (mean + spread))


def _direction(xx: float, xy: float, yy: float) -> float:
    """Degrees of the main axis of a covariance."""
    return math.degrees(math.atan2(2 * xy, xx - yy) / 2)


@dataclass(frozen=True)
class _Area:
    size: float
    centre: tuple[float, float]
    xx: float
    xy: float
    yy: float


def _area_moments(points: FloatArray) -> _Area | None:
    """Area, centroid and covariance of what a polygon holds, by Green's theorem.

    None for a polygon without area or one that crosses itself badly.
    """
    if len(points) < 3:
        return None
    origin = points.mean(0)
    x, y = (points - origin).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    cross = x * next_y - next_x * y
    area = cross.sum() / 2
    if abs(area) < 1:
        return None
    centre_x = ((x + next_x) * cross).sum() / (6 * area)
    centre_y = ((y + next_y) * cross).sum() / (6 * area)
    xx = ((x * x + x * next_x + next_x**2) * cross).sum() / (12 * area) - centre_x**2
    yy = ((y * y + y * next_y + next_y**2) * cross).sum() / (12 * area) - centre_y**2
    mixed = x * next_y + 2 * x * y + 2 * next_x * next_y + next_x * y
    xy = (mixed * cross).sum() / (24 * area) - centre_x * centre_y
    if xx <= 0 or yy <= 0:
        return None
    centre = (float(centre_x + origin[0]), float(centre_y + origin[1]))
    return _Area(abs(float(area)), centre, float(xx), float(xy), float(yy))
