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

FloatArray = NDArray[np.float32]


def is_blank(image: Image.Image) -> bool:
    """Whether a crop is bare paper or pure noise.

    Args:
        image: any mode, any size.

    Bare: no patch of 2 x 2 pixels differs from the paper by ``MIN_CONTRAST``. Noise: it covers the
    crop, and neighbouring pixels have nothing to do with each other.
    """
    pixels = np.asarray(image.convert("L"), np.float32)
    if min(pixels.shape) < 3:
        return True
    inked = np.abs(_patches(pixels) - np.median(pixels)) > MIN_CONTRAST
    if int(inked.sum()) < MIN_INK_PATCHES:
        return True
    return bool(inked.mean() > NOISE_COVER) and _neighbour_correlation(pixels) < MIN_CORRELATION


def _patches(pixels: FloatArray) -> FloatArray:
    """Means of all 2 x 2 patches."""
    sums = pixels[:-1, :-1] + pixels[1:, :-1] + pixels[:-1, 1:] + pixels[1:, 1:]
    means: FloatArray = sums * np.float32(0.25)
    return means


def _neighbour_correlation(pixels: FloatArray) -> float:
    centred = pixels - pixels.mean()
    variance = float((centred**2).mean())
    across = float((centred[:, 1:] * centred[:, :-1]).mean())
    down = float((centred[1:] * centred[:-1]).mean())
    return (across + down) / 2 / max(variance, 1e-6)
