"""One smooth displacement for all that bends a line: slant, turn, drift, size, elastic strokes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Bend:
    """Strengths, in line heights unless said otherwise.

    Attributes:
        stretch: factor on the width.
        slant: shift to the right per pixel upwards; ``slant_change`` deviates along the line.
        turn: fall per horizontal pixel.
        drift: deviation of the baseline.
        growth: relative deviation of the letter size.
        elastic: deviation of single strokes.
    """

    stretch: float = 1.0
    slant: float = 0.0
    slant_change: float = 0.0
    turn: float = 0.0
    drift: float = 0.0
    growth: float = 0.0
    elastic: float = 0.0


NO_BEND = Bend()


def bent(
    mask: ByteArray,
    box: tuple[int, int, int, int],
    baseline: float,
    unit: float,
    bend: Bend,
    generator: np.random.Generator,
) -> ByteArray:
    """The (left, top, right, bottom) crop of a mask after bending it; black where nothing was.

    Args:
        baseline: row of ``mask`` that slant and growth leave in place.
        unit: the height of the line in pixels, the length that ``bend`` is measured in.
    """
    left, top, right, bottom = box
    width, height = max(1, round((right - left) * bend.stretch)), bottom - top
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    columns = np.linspace(left, right, width, endpoint=False, dtype=np.float32)[None]
    above = np.float32(baseline) - rows

    slant = bend.slant + bend.slant_change * _curve(width, 2.0 * unit, generator)
    offset = bend.turn * (columns - (left + right) / 2)
    offset = offset + bend.drift * unit * _curve(width, 3.0 * unit, generator)
    growth = bend.growth * _curve(width, 2.0 * unit, generator)
    map_x = columns - slant * above
    map_y = rows + offset + growth * above
    if bend.elastic:
        grid = (max(2, round(1.5 * height / unit) + 1), max(2, round(1.8 * width / unit) + 1))
        strength = bend.elastic * unit
        map_x += _field(grid, (height, width), strength, generator)
        map_y += _field(grid, (height, width), strength, generator)
    maps = map_x.astype(np.float32, copy=False), map_y.astype(np.float32, copy=False)
    return np.asarray(cv2.remap(mask, *maps, cv2.INTER_LINEAR), np.uint8)


def _curve(width: int, spacing: float, generator: np.random.Generator) -> FloatArray:
    """A (1, width) smooth random curve of deviation about 1."""
    knots = (1, max(2, round(width / spacing) + 2))
    return _field(knots, (1, width), 1.0, generator)


def _field(
    grid: tuple[int, int], shape: tuple[int, int], strength: float, generator: np.random.Generator
) -> FloatArray:
    knots = generator.standard_normal(grid, dtype=np.float32).clip(-2, 2)
    knots *= np.float32(strength)
    field = cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)
