"""Distortions that a scanner, a camera and a cropping tool make; all drawn from one generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..line_image import normalize_ink

FloatArray = NDArray[np.float32]


def augmented_line(
    grey: Image.Image, height: int, max_width: int, generator: np.random.Generator
) -> FloatArray:
    """A distorted (height, width) float32 line, paper 0 and ink 1, ready for the encoder."""
    line = _placed(grey, height, max_width, generator)
    if generator.random() < 0.3:
        line = _sheared(line, generator)
    if generator.random() < 0.2:
        line = line.filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 0.9)))
    return _inked(normalize_ink(line), generator)


def _placed(
    grey: Image.Image, height: int, max_width: int, generator: np.random.Generator
) -> Image.Image:
    """Stretch the line and move it up or down inside its box, as a looser or tighter crop would."""
    line_height = max(8, round(height * generator.uniform(0.78, 1.08)))
    stretch = generator.uniform(0.82, 1.2) * height / grey.height
    width = min(max(8, round(grey.width * stretch)), max_width - 8)
    line = grey.resize((width, line_height), Image.Resampling.BILINEAR)
    paper = int(np.percentile(np.asarray(line), 80))
    left, right = generator.integers(0, 5, 2)
    canvas = Image.new("L", (width + int(left + right), height), paper)
    spare = height - line_height
    top = generator.integers(min(0, spare), max(0, spare) + 1)
    canvas.paste(line, (int(left), int(top)))
    return canvas


def _sheared(line: Image.Image, generator: np.random.Generator) -> Image.Image:
    slant = generator.uniform(-0.2, 0.2)
    tilt = generator.uniform(-2.0, 2.0) / max(line.width, 32)
    matrix = (1, slant, -slant * line.height / 2, tilt, 1, -tilt * line.width / 2)
    fill = int(np.percentile(np.asarray(line), 80))
    return line.transform(
        line.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill
    )


def _inked(line: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Change stroke weight and noise, and hide a patch now and then."""
    if generator.random() < 0.4:
        line = np.sign(line) * np.abs(line) ** np.float32(generator.uniform(0.65, 1.5))
    if generator.random() < 0.3:
        noise = generator.standard_normal(line.shape, dtype=np.float32)
        line = line + noise * np.float32(generator.uniform(0.02, 0.15))
    if generator.random() < 0.2 and line.shape[1] > 24:
        row, column = generator.integers(0, line.shape[0]), generator.integers(0, line.shape[1])
        line[row : row + 10, column : column + 8] = generator.uniform(0, 1)
    return line
