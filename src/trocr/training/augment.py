"""Distortions that a scanner, a camera, a pen and a cropping tool make, from one generator."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]
GreyArray = NDArray[np.uint8]


def distorted(
    grey: Image.Image,
    height: int,
    max_width: int,
    generator: np.random.Generator,
    strength: float = 1.0,
) -> GreyArray:
    """A line of another shape, (height, width) grey levels 0-255.

    Args:
        strength: 0-1, how likely each distortion is.
    """
    line = _placed(grey, height, max_width, generator, strength)
    if generator.random() < 0.6 * strength:
        line = _warped(line, generator)
    if generator.random() < 0.15 * strength:
        kernel = np.ones((2, 2) if generator.random() < 0.5 else (1, 2), np.uint8)
        thicker_or_thinner = cv2.erode if generator.random() < 0.5 else cv2.dilate
        line = np.asarray(thicker_or_thinner(line, kernel), np.uint8)
    if generator.random() < 0.2 * strength:
        line = np.asarray(cv2.GaussianBlur(line, (0, 0), generator.uniform(0.3, 0.9)), np.uint8)
    return line


def with_other_ink(
    line: FloatArray, generator: np.random.Generator, strength: float = 1.0
) -> FloatArray:
    """Another stroke weight and noise, and a patch hidden now and then.

    Args:
        line: (height, width), paper 0 and ink 1.
    """
    if generator.random() < 0.4 * strength:
        line = np.sign(line) * np.abs(line) ** np.float32(generator.uniform(0.65, 1.5))
    if generator.random() < 0.3 * strength:
        noise = generator.standard_normal(line.shape, dtype=np.float32)
        line = line + noise * np.float32(generator.uniform(0.02, 0.15))
    if generator.random() < 0.2 * strength and line.shape[1] > 24:
        row, column = generator.integers(0, line.shape[0]), generator.integers(0, line.shape[1])
        line[row : row + 10, column : column + 8] = generator.uniform(0, 1)
    return line


def _placed(
    grey: Image.Image,
    height: int,
    max_width: int,
    generator: np.random.Generator,
    strength: float,
) -> GreyArray:
    """Stretch the line and move it up or down inside its box, as a looser or tighter crop would."""
    line_height = max(8, round(height * (1 + strength * generator.uniform(-0.22, 0.08))))
    stretch = (1 + strength * generator.uniform(-0.2, 0.2)) * height / grey.height
    width = min(max(8, round(grey.width * stretch)), max_width - 8)
    line = np.asarray(grey.resize((width, line_height), Image.Resampling.BILINEAR))
    left, right = generator.integers(0, 5, 2)
    spare = height - line_height
    top = int(generator.integers(min(0, spare), max(0, spare) + 1))
    canvas = np.full((height, width + int(left + right)), _paper(line), np.uint8)
    rows = slice(max(0, top), min(height, top + line_height))
    canvas[rows, left : left + width] = line[rows.start - top : rows.stop - top]
    return canvas


def _warped(line: GreyArray, generator: np.random.Generator) -> GreyArray:
    """Slant, tilt and a smooth random displacement, in one resampling."""
    height, width = line.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    slant = np.float32(generator.uniform(-0.3, 0.3))
    tilt = np.float32(generator.uniform(-2.0, 2.0) / max(width, 32))
    across = columns + slant * (rows - height / 2)
    down = rows + tilt * (columns - width / 2)
    if generator.random() < 0.7:
        cells = (3, max(2, round(width / height * generator.uniform(1, 3))))
        amplitude = np.float32(height * generator.uniform(0.01, 0.05))
        across = across + amplitude * _smooth(cells, line.shape, generator)
        down = down + amplitude * _smooth(cells, line.shape, generator)
    border = (cv2.BORDER_CONSTANT, _paper(line))
    warped = cv2.remap(line, across, down, cv2.INTER_LINEAR, None, *border)
    return np.asarray(warped, np.uint8)


def _smooth(
    cells: tuple[int, int], shape: tuple[int, ...], generator: np.random.Generator
) -> FloatArray:
    coarse = generator.uniform(-1.5, 1.5, cells).astype(np.float32)
    smooth = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _paper(line: GreyArray) -> int:
    """The grey level that four fifths of the pixels do not exceed."""
    up_to = np.bincount(line.ravel(), minlength=256).cumsum()
    return int(np.searchsorted(up_to, 0.8 * line.size))
