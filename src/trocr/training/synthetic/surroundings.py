"""What stands around a line and on it: its neighbours, underlines, struck-out words, strokes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .setting import Box, Setting

ByteArray = NDArray[np.uint8]


def add_neighbours(setting: Setting, pitch: int, generator: np.random.Generator) -> None:
    """Draw the lines above and below, ``pitch`` pixels away.

    They say the same from another word on; a crop shows too little of them to read.
    """
    left, top, right, bottom = setting.ink
    line = setting.mask[top:bottom, left:right].copy()
    for shift in (-pitch, pitch):
        start, end = max(0, top + shift), min(setting.mask.shape[0], bottom + shift)
        if start >= end:
            continue
        turned = np.roll(line, int(generator.integers(line.shape[1])), axis=1)
        place = setting.mask[start:end, left:right]
        np.maximum(place, turned[start - top - shift : end - top - shift], out=place)


def add_underline(setting: Setting, generator: np.random.Generator) -> None:
    """One or two strokes below the baseline, solid or dotted, under all or a part of the line."""
    left, _, right, _ = setting.ink
    if generator.random() < 0.4:
        left, right = sorted(int(x) for x in generator.integers(left, right + 1, 2))
    row = setting.baseline + round(setting.unit * generator.uniform(0.04, 0.26))
    thickness = 1 + int(setting.unit * generator.uniform(0, 0.07))
    dots = generator.random() < 0.15
    for _ in range(1 + (generator.random() < 0.2)):
        stroke = setting.mask[row : row + thickness, left:right]
        stroke[:, :: 3 if dots else 1] = 255
        row += 2 * thickness + 1


def add_strokes(setting: Setting, generator: np.random.Generator) -> None:
    """A curl of a signature across the line, or a struck-out word before or behind it."""
    left, top, right, bottom = setting.ink
    if generator.random() < 0.5:
        centre = generator.uniform(left, right)
        box = (
            centre - 2 * setting.unit,
            top - setting.unit,
            centre + 2 * setting.unit,
            float(bottom),
        )
        scribble(setting.mask, box, int(generator.integers(2, 5)), generator)
        return
    width = setting.unit * generator.uniform(0.6, 1.5)
    gap = 0.3 * setting.unit
    start = left - width - gap if generator.random() < 0.5 else right + gap
    box = (start, setting.baseline - 0.6 * setting.unit, start + width, float(setting.baseline))
    scribble(setting.mask, box, int(generator.integers(12, 25)), generator)


def scribble(
    mask: ByteArray,
    box: tuple[float, float, float, float],
    turns: int,
    generator: np.random.Generator,
) -> None:
    """Draw a smooth stroke that changes its mind ``turns`` times inside a box."""
    left, top, right, bottom = box
    knots = generator.uniform((left, top), (right, bottom), (turns + 2, 2)).astype(np.float32)
    # Cubic interpolation from knot to knot makes a pen's curve of a zigzag.
    curve = cv2.resize(knots, (2, 12 * len(knots)), interpolation=cv2.INTER_CUBIC)
    points = [(np.asarray(curve) * 16).round().astype(np.int32)]
    thickness = max(1, round((bottom - top) * generator.uniform(0.03, 0.08)))
    ink = int(generator.integers(150, 256))
    cv2.polylines(mask, points, False, ink, thickness, cv2.LINE_AA, 4)


def widened(ink: Box, mask: ByteArray) -> Box:
    """The box of all ink between the top and the bottom of a box."""
    left, top, right, bottom = ink
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return min(left, int(columns[0])), top, max(right, int(columns[-1]) + 1), bottom
