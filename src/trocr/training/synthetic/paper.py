"""Ink on paper: colours, grain, rules, boxes, stains, and what shines through from behind."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .textures import texture

ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


def put_on_paper(mask: ByteArray, kind: str, generator: np.random.Generator) -> ByteArray:
    """A grey picture, 0-255, of a mask of ink coverage; ``kind`` is "print" or "hand"."""
    chance = generator.random
    paper = _paper_colour(kind, generator)
    ink = _ink_colour(paper, kind, generator)
    ground = _ground(mask.shape, paper, generator)
    if chance() < 0.07:
        ground = _shine_through(ground, mask, paper - ink, generator)
    if chance() < (0.15 if kind == "hand" else 0.1):
        ground = _ruled(ground, paper, ink, generator)
    elif kind == "hand" and chance() < 0.12:
        ground = _lined(ground, paper - ink, generator)
    coverage = mask.astype(np.float32) * np.float32(1 / 255)
    grey = ground + coverage * (np.float32(ink) - ground)
    if chance() < 0.12:
        grey = _shadowed(grey, generator)
    picture: ByteArray = grey.clip(0, 255).astype(np.uint8)
    return picture


def _paper_colour(kind: str, generator: np.random.Generator) -> float:
    style = generator.random()
    if style < (0.2 if kind == "hand" else 0.35):
        return 255.0 if generator.random() < 0.5 else generator.uniform(244, 255)
    if style < 0.85:
        return generator.uniform(185, 245)
    return generator.uniform(105, 185)


def _ink_colour(paper: float, kind: str, generator: np.random.Generator) -> float:
    """Mostly dark; a tail is faint, yet no less than 45 levels darker than the paper."""
    depth = generator.random()
    faint = 0.35 if kind == "hand" else 0.25
    share = generator.uniform(0, 0.35) if depth > faint else generator.uniform(0.3, 0.78)
    return min(paper * share, paper - (40 if kind == "hand" and paper > 170 else 55))


def _ground(shape: tuple[int, ...], paper: float, generator: np.random.Generator) -> FloatArray:
    height, width = shape
    ground = np.full((height, width), paper, np.float32)
    if paper > 250 and generator.random() < 0.7:
        return ground
    kinds = ("noise", "grain", "grain", "blots", "clouds", "fibres", "rows", "columns")
    for index in generator.integers(0, len(kinds), int(generator.integers(0, 3))):
        strength = generator.exponential(0.06)
        cut = texture(kinds[index], shape, generator)
        ground += (cut.astype(np.float32) - 128) * np.float32(min(strength, 0.3))
    if generator.random() < 0.3:
        ramp = np.linspace(0, generator.normal(0, 14), width, dtype=np.float32)
        ground += ramp
    return ground


def _shine_through(
    ground: FloatArray, mask: ByteArray, contrast: float, generator: np.random.Generator
) -> FloatArray:
    """The other side of the sheet: mirrored, blurred, faint."""
    other = np.roll(mask[:, ::-1], generator.integers(-10, 11, 2), axis=(0, 1))
    soft = cv2.GaussianBlur(other, (0, 0), generator.uniform(0.8, 2.5)).astype(np.float32)
    result: FloatArray = ground - soft * np.float32(generator.uniform(0.04, 0.2) * contrast / 255)
    return result


def _ruled(
    ground: FloatArray, paper: float, ink: float, generator: np.random.Generator
) -> FloatArray:
    """A rule under or over the text, or the sides of a table's cell."""
    height, width = ground.shape
    colour = np.float32(generator.uniform(ink, 0.7 * paper + 0.3 * ink))
    thickness = int(generator.integers(1, 3))
    if generator.random() < 0.75:
        row = int(
            height * generator.choice([generator.uniform(0.72, 1), generator.uniform(0, 0.1)])
        )
        ground[row : row + thickness] = colour
    if generator.random() < 0.25:
        column = int(generator.integers(0, 4))
        ground[:, column : column + thickness] = colour
    if generator.random() < 0.25:
        column = width - int(generator.integers(1, 5))
        ground[:, column : column + thickness] = colour
    return ground


def _lined(ground: FloatArray, contrast: float, generator: np.random.Generator) -> FloatArray:
    """Exercise-book paper: pale lines at even distances, squares or only rows."""
    spacing = max(6, round(ground.shape[0] * generator.uniform(0.25, 0.8)))
    depth = np.float32(contrast * generator.uniform(0.1, 0.45))
    ground[int(generator.integers(spacing)) :: spacing] -= depth
    if generator.random() < 0.6:
        ground[:, int(generator.integers(spacing)) :: spacing] -= depth
    return ground


def _shadowed(grey: FloatArray, generator: np.random.Generator) -> FloatArray:
    clouds = texture("clouds", grey.shape, generator)
    light = 1 - (clouds * np.float32(generator.uniform(0.1, 0.45) / 255))
    result: FloatArray = grey * light
    return result
