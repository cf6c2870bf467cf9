"""The ink of a page: what is darker than the paper around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 1800  # pixels; text stays some 20 pixels high, and a page takes a fraction of a second
NEIGHBOURHOOD = 1 / 50  # of the longer side, to each side of a pixel
MIN_CONTRAST = 12.0  # grey levels below the paper
DEVIATIONS = 0.6  # standard deviations around a pixel, below the mean there
GRAIN = 4.0  # times the median distance from the mean: what grain hardly ever reaches
COARSE = 4  # pixels in one, where means are taken
RULE_LENGTH = 50  # pixels at least: a straight run of ink that no letter has
RULE_SHARE = 1 / 26  # of the longer side, the same on large pages
RULE_THICKNESS = 5  # pixels

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Matrix = tuple[float, float, float, float, float, float]
"""``a, b, c, d, e, f``; (x, y) becomes (ax + by + c, dx + ey + f)."""


@dataclass(frozen=True)
class PageInk:
    """Where a page has ink.

    Attributes:
        mask: (rows, columns), True on ink.
        scale: pixels of `mask` for a pixel of the page.
    """

    mask: BoolArray
    scale: float

    @cached_property
    def picture(self) -> Image.Image:
        """Mode L: 255 on ink."""
        return Image.fromarray(self.mask.astype(np.uint8) * 255)

    @cached_property
    def letters(self) -> PageInk:
        """The ink less straight thin runs, level and upright."""
        length = max(RULE_LENGTH, round(RULE_SHARE * max(self.mask.shape)))
        rules = np.zeros_like(self.mask)
        for ink, target in ((self.mask, rules), (self.mask.T, rules.T)):
            long = _opened(ink, length)
            target |= long & ~_opened(long.T, RULE_THICKNESS + 1).T
        return PageInk(self.mask & ~rules, self.scale)

    def sample(self, matrix: Matrix, width: int, height: int) -> FloatArray:
        """(height, width) cover of ink, 0 to 1, where `matrix` takes each pixel on the page."""
        scaled = tuple(value * self.scale for value in matrix)
        part = self.picture.transform(
            (width, height), Image.Transform.AFFINE, scaled, Image.Resampling.BILINEAR
        )
        cover: FloatArray = np.asarray(part, np.float64) / 255
        return cover


def ink_of(image: Image.Image, max_side: int = MAX_SIDE) -> PageInk:
    """Threshold a page against its surroundings (Niblack 1986, with a least contrast).

    The local deviation keeps faint pencil, the least contrast keeps grain out. A page that is
    mostly dark is turned over first.

    Args:
        image: any mode.
        max_side: pixels of the longer side of the mask.
    """
    scale = min(1.0, max_side / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    grey = image.convert("L").resize(size, Image.Resampling.BOX)
    if np.median(np.asarray(grey)) < 100:
        grey = Image.eval(grey, lambda level: 255 - level)
    pixels = np.asarray(grey, np.float32)
    coarse = np.asarray(grey.reduce(COARSE), np.float32)
    radius = max(2, round(max(coarse.shape) * NEIGHBOURHOOD))
    paper = box_mean(coarse, radius, radius)
    deviation = np.sqrt(np.maximum(box_mean(coarse**2, radius, radius) - paper**2, 0))
    darker = np.asarray(Image.fromarray(paper).resize(size)) - pixels
    grain = GRAIN * float(np.median(np.abs(darker[::3, ::3])))
    least = np.maximum(max(MIN_CONTRAST, grain), DEVIATIONS * deviation)
    mask: BoolArray = darker > np.asarray(Image.fromarray(least).resize(size))
    return PageInk(mask, size[0] / image.width)


def box_mean(values: Float32Array, across: int, down: int) -> Float32Array:
    """Means over windows of 2 · `across` + 1 columns and 2 · `down` + 1 rows; edges repeat."""
    for axis, radius in ((0, down), (1, across)):
        if radius:
            ends = [(radius + 1, radius) if each == axis else (0, 0) for each in (0, 1)]
            sums = np.cumsum(np.pad(values, ends, "edge"), axis, dtype=np.float64)
            after = sums[2 * radius + 1 :] if axis == 0 else sums[:, 2 * radius + 1 :]
            before = sums[: -2 * radius - 1] if axis == 0 else sums[:, : -2 * radius - 1]
            values = ((after - before) / (2 * radius + 1)).astype(np.float32)
    return values


def _opened(mask: BoolArray, length: int) -> BoolArray:
    """What belongs to a run of at least `length` pixels along the rows."""
    sums = np.cumsum(np.pad(mask, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    opened = np.zeros(mask.shape, np.int32)
    if mask.shape[1] < length:
        return opened > 0
    full = sums[:, length:] - sums[:, :-length] == length  # at its first pixel
    steps = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int32)
    steps[:, : full.shape[1]] += full
    steps[:, length : length + full.shape[1]] -= full
    covered: BoolArray = steps.cumsum(1)[:, :-1] > 0
    return covered
