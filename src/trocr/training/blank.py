"""Crops without text: paper, noise, texture, pictures, and marks that are no letters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .blank_marks import MARKS

FloatArray = NDArray[np.float32]


def blank_crop(heights: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    """`blank_line` of any usual size: a height in the half-open range, 0.8 to 16 times as wide."""
    height = int(generator.integers(*heights))
    width = int(height * np.exp(generator.uniform(np.log(0.8), np.log(16))))
    return blank_line(height, width, generator)


def blank_line(height: int, width: int, generator: np.random.Generator) -> Image.Image:
    """A grey crop of the given size on which there is nothing to read."""
    paper = generator.uniform(235, 255) if generator.random() < 0.4 else generator.uniform(100, 235)
    pixels = np.full((height, width), paper, np.float32)
    pixels += np.linspace(0, generator.normal(0, 25), width, dtype=np.float32)
    for kind in generator.choice(len(GROUNDS), size=generator.integers(0, 3), replace=False):
        pixels = GROUNDS[kind](pixels, generator)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if generator.random() < 0.55:
        for kind in generator.choice(len(MARKS), size=generator.integers(1, 3), replace=False):
            MARKS[kind](picture, generator)
    if generator.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.4, 1.5)))
    if generator.random() < 0.05:
        picture = picture.point(range(255, -1, -1))
    return picture


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


def _picture(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Soft areas of every size and a hard edge or two, as in a photograph."""
    height, width = pixels.shape
    total = np.zeros(pixels.shape, np.float32)
    for cells in (1.0, 3.0, 9.0):
        grid = (max(2, round(cells * width / height)), max(2, round(cells)))
        knots = Image.fromarray(generator.standard_normal(grid[::-1], dtype=np.float32))
        layer = np.asarray(knots.resize((width, height), Image.Resampling.BICUBIC))
        total += layer * np.float32(60 / cells**0.6)
    for _ in range(int(generator.integers(0, 3))):
        across, along = generator.normal(0, 1, 2)
        side = np.arange(height)[:, None] * across + np.arange(width) * along
        total[side > np.median(side) + generator.normal(0, height)] += generator.normal(0, 60)
    total += np.float32(generator.uniform(60, 190))
    return total


def _halftone(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A picture printed as a screen of dots."""
    height, width = pixels.shape
    tone = _picture(pixels, generator)
    pitch, angle = generator.uniform(2.5, 7), generator.uniform(0, np.pi / 2)
    rows = np.arange(height, dtype=np.float32)[:, None] * np.float32(2 * np.pi / pitch)
    columns = np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / pitch)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    screen = np.cos(rows * cos + columns * sin) + np.cos(columns * cos - rows * sin)
    dots: FloatArray = ((tone - 128 + screen * 64) * np.float32(3) + 128).clip(0, 255)
    return dots


GROUNDS = (_paper_grain, _strong_noise, _texture, _speckles, _picture, _halftone, _paper_grain)


def _normal(pixels: FloatArray, generator: np.random.Generator, deviation: float) -> FloatArray:
    noise: FloatArray = generator.standard_normal(pixels.shape, dtype=np.float32)
    noise *= np.float32(deviation)
    return noise
