"""Crops without text: bare paper, noise, texture, rules and smudges, all labelled empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

FloatArray = NDArray[np.float32]


def blank_line(height: int, width: int, generator: np.random.Generator) -> Image.Image:
    """A grey crop of the given size on which there is nothing to read."""
    paper = generator.uniform(120, 255)
    pixels = np.full((height, width), paper, np.float32)
    pixels += np.linspace(0, generator.uniform(-60, 60), width, dtype=np.float32)
    kinds = (_paper_grain, _strong_noise, _texture, _speckles, _rule)
    for kind in generator.choice(len(kinds), size=generator.integers(0, 3), replace=False):
        pixels = kinds[kind](pixels, generator)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _paper_grain(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    grain = _normal(pixels, generator, generator.uniform(1, 15))
    grain += pixels
    return grain


def _strong_noise(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    if generator.random() < 0.5:
        noise = _normal(pixels, generator, generator.uniform(20, 90))
        noise += 128
        return noise
    return generator.uniform(0, 255, pixels.shape).astype(np.float32)


def _texture(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Noise blurred to blobs of a few pixels, as in smudges and stained paper."""
    noise = generator.integers(0, 256, pixels.shape, dtype=np.uint8)
    radius = generator.uniform(0.7, 5)
    blobs = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(radius)), np.float32)
    deviation = max(float(blobs.std()), 1e-3)
    contrast = np.float32(generator.uniform(5, 60) / deviation)
    stained: FloatArray = pixels + (blobs - blobs.mean()) * contrast
    return stained


def _speckles(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    chosen = generator.random(pixels.shape) < generator.uniform(0.001, 0.1)
    speckled: FloatArray = pixels.copy()
    speckled[chosen] = generator.uniform(0, 120)
    return speckled


def _rule(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A ruled line, a box edge, or the shadow of a fold."""
    ruled: FloatArray = pixels.copy()
    thickness = int(generator.integers(1, 4))
    ink = np.float32(generator.uniform(0, 150))
    if generator.random() < 0.7:
        row = int(generator.integers(0, pixels.shape[0]))
        ruled[row : row + thickness] = ink
    else:
        column = int(generator.integers(0, pixels.shape[1]))
        ruled[:, column : column + thickness] = ink
    return ruled


def _normal(pixels: FloatArray, generator: np.random.Generator, deviation: float) -> FloatArray:
    noise: FloatArray = generator.standard_normal(pixels.shape, dtype=np.float32)
    noise *= np.float32(deviation)
    return noise
