"""Whether there is anything to read on a crop, judged by its pixels alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MIN_CONTRAST = 24.0  # grey levels between paper and the mean of a 2 x 2 patch of ink
MIN_INK_PATCHES = 2
NOISE_COVER = 0.2  # share of patches that differ from the paper, where noise is suspected
MIN_CORRELATION = (
    0.1  # of neighbouring pixels: white noise has 0, tiny print in black and white 0.11
)

IntArray = NDArray[np.int16]


def is_blank(image: Image.Image) -> bool:
    """Whether a crop is bare paper or pure noise.

    Args:
        image: any mode, any size.

    Bare: no patch of 2 x 2 pixels differs from the paper by ``MIN_CONTRAST``. Noise: it covers the
    crop, and neighbouring pixels have nothing to do with each other.
    """
    grey = image.convert("L")
    pixels = np.asarray(grey, np.int16)
    if min(pixels.shape) < 3:
        return True
    paper = round(4 * _median(grey))  # of the sums of four pixels, as the patches are
    inked = np.abs(_patch_sums(pixels) - paper) > 4 * MIN_CONTRAST
    found = int(np.count_nonzero(inked))
    if found < MIN_INK_PATCHES:
        return True
    return found > NOISE_COVER * inked.size and _neighbour_correlation(pixels) < MIN_CORRELATION


def _median(grey: Image.Image) -> float:
    """The middle grey level, or the mean of the two in the middle."""
    up_to = np.cumsum(grey.histogram())
    count = int(up_to[-1])
    middle = np.searchsorted(up_to, [(count - 1) // 2, count // 2], side="right")
    return float(middle.mean())


def _patch_sums(pixels: IntArray) -> IntArray:
    """Of all patches of 2 x 2 pixels."""
    rows = pixels[:-1] + pixels[1:]
    return rows[:, :-1] + rows[:, 1:]


def _neighbour_correlation(pixels: IntArray) -> float:
    centred = pixels - np.float32(pixels.mean())
    variance = float((centred**2).mean())
    across = float((centred[:, 1:] * centred[:, :-1]).mean())
    down = float((centred[1:] * centred[:-1]).mean())
    return (across + down) / 2 / max(variance, 1e-6)
