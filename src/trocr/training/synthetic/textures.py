"""Grey textures made once per process and cut from at random: noise, grain, blots, fibres."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

HEIGHT, WIDTH = 160, 2304  # pixels; larger cuts are enlarged
VARIANTS = 3  # of each kind
# Blur radii (across, along) in pixels of the noise that each kind is made of.
BLURS: dict[str, tuple[tuple[float, float], ...]] = {
    "noise": ((0.0, 0.0),),
    "grain": ((0.7, 0.7), (1.4, 1.4)),
    "blots": ((2.5, 2.5), (6.0, 6.0)),
    "clouds": ((12.0, 16.0), (30.0, 50.0)),
    "fibres": ((0.6, 5.0), (4.0, 0.6), (1.0, 1.0)),
    "rows": ((0.5, 60.0),),
    "columns": ((60.0, 0.6),),
}


def texture(kind: str, shape: tuple[int, ...], generator: np.random.Generator) -> ByteArray:
    """A cut of ``shape`` (height, width) of a texture, mean 128, standard deviation about 42.

    The textures depend on nothing but the kind; the generator only chooses the cut.
    """
    height, width = shape
    sheet = _sheet(kind, int(generator.integers(VARIANTS)))
    if height > HEIGHT or width > WIDTH:
        size = (max(width, WIDTH), max(height, HEIGHT))
        sheet = np.asarray(cv2.resize(sheet, size), np.uint8)
    top = int(generator.integers(sheet.shape[0] - height + 1))
    left = int(generator.integers(sheet.shape[1] - width + 1))
    cut = sheet[top : top + height, left : left + width]
    return np.ascontiguousarray(cut[::-1]) if generator.random() < 0.5 else cut


def swing(cut: ByteArray, share: float) -> ByteArray:
    """Factors around 128 for one: where the texture is darkest or lightest, ``share`` off it."""
    table = (128 + (np.arange(256) - 128) * share).round().clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(cut, table), np.uint8)


@cache
def _sheet(kind: str, variant: int) -> ByteArray:
    generator = np.random.default_rng((sorted(BLURS).index(kind), variant))
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for across, along in BLURS[kind]:
        noise = _smooth_noise(across, along, generator)
        total += noise / noise.std()
    total *= 42.0 / total.std()
    sheet: ByteArray = (total - total.mean() + 128).clip(0, 255).astype(np.uint8)
    return sheet


def _smooth_noise(across: float, along: float, generator: np.random.Generator) -> FloatArray:
    """White noise blurred by (across, along) pixels; wide blurs are made small and enlarged."""
    small = max(1, HEIGHT // max(1, int(across))), max(1, WIDTH // max(1, int(along)))
    rows, columns = (min(full, 2 * part) for full, part in zip((HEIGHT, WIDTH), small, strict=True))
    noise = generator.standard_normal((rows, columns), dtype=np.float32)
    if across or along:
        sigma_y, sigma_x = across * rows / HEIGHT, along * columns / WIDTH
        soft = cv2.GaussianBlur(noise, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)
        noise = np.asarray(soft, np.float32)
    large = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.float32)
