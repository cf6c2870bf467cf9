"""The strokes of a script face drawn anew: with a thin pen along their middle, or just softer."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .textures import swing, texture

ByteArray = NDArray[np.uint8]

THIN_SHARE = 0.65  # of the lines are written with a thin pen
THINNING_PASSES = 7  # enough for strokes of twice as many pixels


def pen_stroke(mask: ByteArray, unit: float, generator: np.random.Generator) -> ByteArray:
    """Strokes thicker or thinner than the face has them, more so where the pen was pressed.

    Args:
        mask: (height, width) ink coverage 0-255.
        unit: height of the line in pixels.
    """
    if generator.random() < THIN_SHARE:
        radius = max(0.55, unit * generator.uniform(0.011, 0.034))
        spread = max(0.75, radius)
        soft = cv2.GaussianBlur(_middle(mask), (0, 0), spread)
        # A line one pixel wide becomes a ridge 255 / (spread sqrt(2 pi)) high.
        level = 255 / (spread * np.sqrt(2 * np.pi)) * np.exp(-((radius / spread) ** 2) / 2)
        steepness = 255 * spread**2 / (level * radius * generator.uniform(1.0, 2.2))
    else:
        soft = cv2.GaussianBlur(mask, (0, 0), unit * generator.uniform(0.012, 0.03))
        # Of the strokes' own darkness after softening, so that hairlines do not vanish.
        level = generator.uniform(0.36, 0.7) * cv2.mean(soft, mask)[0]
        steepness = generator.uniform(2.0, 5.0)
    pressure = texture("clouds", mask.shape, generator)
    pressed = cv2.multiply(soft, swing(pressure, generator.uniform(0, 0.35)), scale=1 / 128)
    ramp = (np.arange(256) - level) * steepness + 128
    ramp[:6] = 0
    return np.asarray(cv2.LUT(pressed, ramp.clip(0, 255).astype(np.uint8)), np.uint8)


def _middle(mask: ByteArray) -> ByteArray:
    """Lines one pixel wide, 255 on 0, along the middle of all strokes; dots stay as they are.

    Thinned as by Zhang and Suen, "A fast parallel algorithm for thinning digital patterns" (1984),
    which leaves little or nothing of dots and accents.
    """
    whole = ink = np.asarray(cv2.threshold(mask, 75, 1, cv2.THRESH_BINARY)[1], np.uint8)
    ink[[0, -1]] = 0
    ink[:, [0, -1]] = 0
    left = -1
    for _ in range(THINNING_PASSES):
        for table in _removable():
            around = cv2.filter2D(ink, cv2.CV_8U, _NEIGHBOURS)
            ink = np.asarray(cv2.bitwise_and(ink, cv2.LUT(around, table)), np.uint8)
        before, left = left, cv2.countNonZero(ink)
        if left == before:
            break
    nearby = cv2.boxFilter(ink, cv2.CV_8U, (7, 7), normalize=False)
    short = np.asarray(cv2.inRange(nearby, 1, 3), np.uint8) & (ink * np.uint8(255))
    lost = cv2.inRange(cv2.boxFilter(ink, cv2.CV_8U, (9, 9), normalize=False), 0, 0)
    kept = cv2.bitwise_or(cv2.dilate(short, np.ones((7, 7), np.uint8)), lost)
    return np.asarray(
        cv2.bitwise_or(ink * np.uint8(255), cv2.bitwise_and(kept, whole * np.uint8(255)))
    )


# The eight neighbours of a pixel as the bits of a number, clockwise from the one above it.
_NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)


@cache
def _removable() -> tuple[ByteArray, ByteArray]:
    """For each step and each neighbourhood: 0 where the pixel is not needed, else 1."""
    tables = np.ones((2, 256), np.uint8)
    for code in range(256):
        p = [code >> bit & 1 for bit in range(8)]  # north first, clockwise
        changes = sum(p[i] == 0 and p[(i + 1) % 8] == 1 for i in range(8))
        if changes != 1 or not 2 <= sum(p) <= 6:
            continue
        north, east, south, west = p[0], p[2], p[4], p[6]
        tables[0, code] = north * east * south or east * south * west
        tables[1, code] = north * east * west or north * south * west
    return tables[0], tables[1]
