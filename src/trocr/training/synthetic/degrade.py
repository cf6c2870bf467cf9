"""What printers, scanners, cameras and croppers do to a line."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .textures import swing, texture

ByteArray = NDArray[np.uint8]
DOT = 8  # pixels; side of the picture of one printed dot


def worn_ink(mask: ByteArray, generator: np.random.Generator) -> ByteArray:
    """Ink as a press, a ribbon, a thermal head or a copier leaves it; coverage 0-255."""
    chance = generator.random
    style = chance()
    if style < 0.34:
        mask = _edges(mask, generator)
    elif style < 0.43 and mask.shape[0] > 24:
        mask = _dots(mask, generator)
    if chance() < 0.25:
        mask = _uneven(mask, generator)
    if chance() < 0.06:
        mask = _streaks(mask, generator)
    return mask


def _edges(mask: ByteArray, generator: np.random.Generator) -> ByteArray:
    """Bleeding or starving ink with ragged edges: noise added to the soft edge, cut at a level."""
    soft = cv2.GaussianBlur(mask, (0, 0), generator.uniform(0.5, 1.1))
    cut = texture("grain" if generator.random() < 0.7 else "noise", mask.shape, generator)
    rough = cv2.multiply(soft, swing(cut, generator.uniform(0, 1)), scale=1 / 128)
    # Of the strokes' own darkness after softening, so that hairlines do not vanish.
    level = generator.uniform(0.3, 0.75) * cv2.mean(soft, mask)[0]
    steepness = generator.uniform(1.5, 6.0)
    ramp = (np.arange(256) - level) * steepness + 128
    return _mapped(np.asarray(rough, np.uint8), ramp)


def _dots(mask: ByteArray, generator: np.random.Generator) -> ByteArray:
    """A needle printer: the line in a grid of dots."""
    height, width = mask.shape
    rows = generator.uniform(13, 30)
    pitch = max(2.0, height / rows)
    grid = (max(1, round(width / pitch)), max(1, round(height / pitch)))
    coarse = cv2.resize(mask, grid, interpolation=cv2.INTER_AREA)
    level = generator.uniform(0.5, 0.8) * cv2.mean(coarse, coarse)[0]
    struck = (coarse > level).astype(np.uint8) * 255
    coordinates = np.arange(DOT) - (DOT - 1) / 2
    distance = np.hypot(coordinates[:, None], coordinates[None])
    radius = (generator.uniform(0.42, 0.62) if rows < 20 else 0.8) * DOT  # fine dots touch
    dot = ((radius - distance) * 0.6 + 0.5).clip(0, 1)
    large = cv2.resize(struck, (grid[0] * 4, grid[1] * 4), interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(dot, (4, 4), interpolation=cv2.INTER_AREA)
    tiled = np.tile(small, (grid[1], grid[0]))
    inked = (large * tiled).astype(np.uint8)
    return np.asarray(cv2.resize(inked, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _uneven(mask: ByteArray, generator: np.random.Generator) -> ByteArray:
    """Ink fading in and out along the line, or grainy."""
    kind = ("clouds", "blots", "grain", "fibres")[int(generator.integers(4))]
    cut = texture(kind, mask.shape, generator)
    least = generator.uniform(0.35, 0.9)
    ramp = np.linspace(2 * least - 1, 1.3, 256).clip(0.25, 1) * 255
    return np.asarray(cv2.multiply(mask, _mapped(cut, ramp), scale=1 / 255), np.uint8)


def _streaks(mask: ByteArray, generator: np.random.Generator) -> ByteArray:
    """Dead elements of a print head: pale thin lines along or across."""
    streaked: ByteArray = mask.copy()
    for _ in range(int(generator.integers(1, 4))):
        pale = generator.uniform(0, 0.7)
        if generator.random() < 0.6:
            row = int(generator.integers(mask.shape[0]))
            streaked[row] = (streaked[row] * pale).astype(np.uint8)
        else:
            column = int(generator.integers(mask.shape[1]))
            streaked[:, column] = (streaked[:, column] * pale).astype(np.uint8)
    return streaked


def captured(grey: ByteArray, kind: str, generator: np.random.Generator) -> ByteArray:
    """The picture, grey levels 0-255, that a scanner or a camera hands over.

    Args:
        kind: "print" or "hand"; handwriting is more often cut out along an outline.
    """
    chance = generator.random
    if chance() < (0.3 if kind == "hand" else 0.08):
        grey = _masked_outside(grey, generator)
    if chance() < 0.3:
        radius = min(0.3 + generator.exponential(0.3), 0.035 * grey.shape[0])
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), radius), np.uint8)
    if chance() < (0.1 if kind == "hand" else 0.22):
        grey = _low_resolution(grey, generator)
    if chance() < 0.3:
        darkest, lightest = cv2.minMaxLoc(grey)[:2]
        share = min(generator.exponential(0.1), (lightest - darkest) / 600)
        noise = texture("noise" if chance() < 0.6 else "grain", grey.shape, generator)
        grey = np.asarray(cv2.addWeighted(grey, 1.0, noise, share, -128 * share), np.uint8)
    if chance() < 0.1:
        grey = _black_and_white(grey, generator)
    if chance() < 0.25:
        quality = int(generator.integers(20, 92))
        _, data = cv2.imencode(".jpg", grey, (cv2.IMWRITE_JPEG_QUALITY, quality))
        grey = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    if chance() < 0.03:
        grey = np.bitwise_not(grey)
    return grey


def _low_resolution(grey: ByteArray, generator: np.random.Generator) -> ByteArray:
    """Scaled down as far as 16 rows, and up again."""
    height, width = grey.shape
    share = max(generator.uniform(0.4, 0.85), min(1.0, 16 / height))
    small = cv2.resize(
        grey,
        (max(1, round(width * share)), max(1, round(height * share))),
        interpolation=cv2.INTER_AREA,
    )
    way = cv2.INTER_LINEAR if generator.random() < 0.6 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=way), np.uint8)


def _black_and_white(grey: ByteArray, generator: np.random.Generator) -> ByteArray:
    """A copier's or fax's two levels, sometimes softened by a later scaling."""
    paper, ink = np.percentile(grey, (80, 1))
    level = ink + (paper - ink) * generator.uniform(0.4, 0.75)
    steep = 255.0 if generator.random() < 0.5 else 8.0
    return _mapped(grey, (np.arange(256) - level) * steep + 128)


def _masked_outside(grey: ByteArray, generator: np.random.Generator) -> ByteArray:
    """Flat paper grey outside a wavy outline round the line, as cutting by a polygon leaves it."""
    height, width = grey.shape
    knots = max(3, width // (2 * height) + 2)
    reach = 0.12 * height
    top = generator.uniform(0, reach, knots)
    bottom = height - generator.uniform(0, reach, knots)
    across = np.linspace(0, width - 1, knots)
    outline = np.concatenate(
        (np.stack((across, top), 1), np.stack((across[::-1], bottom[::-1]), 1))
    )
    inside = np.zeros_like(grey)
    cv2.fillPoly(inside, [outline.round().astype(np.int32)], 255)
    flat = np.full_like(grey, round(float(np.percentile(grey, 80))))
    return np.where(inside > 0, grey, flat).astype(np.uint8)


def _mapped(values: ByteArray, table: NDArray[np.floating]) -> ByteArray:
    return np.asarray(cv2.LUT(values, table.clip(0, 255).astype(np.uint8)), np.uint8)
