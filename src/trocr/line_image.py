"""One text line as the line encoder sees it: grey, fixed height, paper 0 and ink 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .batch import BatchFeature, to_arrays
from .config import PIXELS_PER_TOKEN
from .errors import UsageError
from .image import load_image

PAPER_PERCENTILE = 80  # most of a line's pixels are paper
MIN_CONTRAST = 48.0  # grey levels; less is stretched no further, so noise stays faint
SKEW_STEPS = np.linspace(-0.8, 0.8, 33)  # rise over a whole line, in line heights
SKEW_GAIN = 1.03  # how much sharper its rows must get before a line is sheared
SKEW_PIXELS = 1200  # ink pixels looked at
SKEW_HEIGHT = 48  # rows of the picture that they are picked from
MIN_SKEW_ASPECT = 3.0  # width over height; the slope of a shorter crop is anyone's guess
ROW_MARGIN = 0.1  # of the height of the ink, left above and below it
INK_SHARE_OUTSIDE = 0.004  # of all ink, above and below what counts as the line
MIN_ROW_SHARE = 0.4  # of the crop's rows, always kept
BATCH_WIDTHS = 128  # pixels: batches are multiples wide, as kernels are made for each shape

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Where ``pixel_values`` lie on the picture that they were made of.

    Attributes:
        width: columns of ``pixel_values``, those of padding left out.
        left, right: the columns of the picture that they show, from edge to edge.
        top, bottom: the rows that they show, at the picture's middle column.
        slope: rows by which these lie lower from one column of the picture to the next.
    """

    width: int
    left: float
    right: float
    top: float
    bottom: float
    slope: float = 0.0


def normalize_ink(grey: Image.Image | NDArray[np.uint8]) -> FloatArray:
    """(height, width) grey levels 0-255 to float32 with paper near 0 and full ink near 1.

    Light text on a dark ground is turned over first: most of a line is ground, and the ink is
    further from it than anything else is on the other side.
    """
    pixels = np.asarray(grey)
    percents = (1, 2, 100 - PAPER_PERCENTILE, 50, PAPER_PERCENTILE, 98, 99)
    ink, darkest, dark_paper, ground, paper, brightest, light_ink = grey_levels(pixels, percents)
    if ground < 110 and paper < 160 and ground - darkest < brightest - ground:
        paper, ink = dark_paper, light_ink
    level = np.arange(256, dtype=np.float32)
    contrast = max(abs(paper - ink), MIN_CONTRAST)
    shades = (paper - level if paper >= ink else level - paper) / contrast
    normalized: FloatArray = shades.clip(-0.5, 1.5).astype(np.float32)[pixels]
    return normalized


def grey_levels(pixels: NDArray[np.uint8], percents: Sequence[float]) -> list[int]:
    """The grey levels that so many per cent of the pixels do not exceed."""
    below = np.cumsum(Image.fromarray(pixels).histogram())  # faster than sorting
    levels: list[int] = np.searchsorted(below, np.asarray(percents) / 100 * below[-1]).tolist()
    return levels


@dataclass(frozen=True)
class Levelling:
    """How ``straightened`` moves the rows of a picture; columns stay where they are.

    Attributes:
        slope: rows by which the line falls from one column to the next.
        top, bottom: the rows that are kept, of the picture sheared about its middle column.
    """

    slope: float
    top: int
    bottom: int


def levelling(grey: Image.Image) -> Levelling:
    """What levels a rising or falling line, and leaves out empty rows above and below its ink.

    The slope is the one whose row sums of ink are the most uneven (projection profile, Postl
    1986).
    """
    columns, rows = _ink_positions(grey)
    if len(rows) < 10:
        return Levelling(0.0, 0, grey.height)
    slope = _rise(columns, rows, grey.width, grey.height) * grey.height / grey.width
    rows = rows - slope * (columns - grey.width / 2) if slope else rows
    return Levelling(slope, *_rows_of_ink(np.sort(rows), grey.height))


def straightened(grey: Image.Image) -> Image.Image:
    """The picture levelled and cut (``levelling``), sheared, so that letters keep their slant."""
    level = levelling(grey)
    if level.slope:
        (paper,) = grey_levels(np.asarray(grey), [PAPER_PERCENTILE])
        matrix = (1, 0, 0, level.slope, 1, -level.slope * grey.width / 2)
        grey = grey.transform(
            grey.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=paper
        )
    return grey.crop((0, level.top, grey.width, level.bottom))


def _ink_positions(grey: Image.Image) -> tuple[FloatArray, FloatArray]:
    """Columns and rows of at most ``SKEW_PIXELS`` pixels of ink, evenly picked."""
    factor = max(1, grey.height // SKEW_HEIGHT)
    rows, columns = np.nonzero(normalize_ink(grey.reduce(factor)) > 0.4)
    step = max(1, len(rows) // SKEW_PIXELS)
    scaled = [(picked[::step] + 0.5) * np.float32(factor) - 0.5 for picked in (columns, rows)]
    return scaled[0].astype(np.float32), scaled[1].astype(np.float32)


def _rise(columns: FloatArray, rows: FloatArray, width: int, height: int) -> float:
    """How far the line falls from its left to its right end, in line heights; 0 if level."""
    if width < MIN_SKEW_ASPECT * height:
        return 0.0
    across = (columns / width - 0.5) * height
    shifted = rows - SKEW_STEPS[:, None].astype(np.float32) * across
    bins = np.rint(shifted + height).astype(np.int64).clip(0, 3 * height - 1)
    bins += np.arange(len(SKEW_STEPS))[:, None] * 3 * height
    sums = np.bincount(bins.ravel(), minlength=len(SKEW_STEPS) * 3 * height)
    sharpness = np.square(sums.reshape(len(SKEW_STEPS), -1), dtype=np.float64).sum(1)
    best = int(sharpness.argmax())
    level = len(SKEW_STEPS) // 2
    return float(SKEW_STEPS[best]) if sharpness[best] > SKEW_GAIN * sharpness[level] else 0.0


def _rows_of_ink(rows: FloatArray, height: int) -> tuple[int, int]:
    """The first row to keep and the one after the last; ``rows`` of the ink are sorted."""
    outside = int(len(rows) * INK_SHARE_OUTSIDE)
    top, bottom = float(rows[outside]), float(rows[-1 - outside]) + 1
    margin = max(1.0, ROW_MARGIN * (bottom - top), (MIN_ROW_SHARE * height - bottom + top) / 2)
    first, last = max(0, round(top - margin)), min(height, round(bottom + margin))
    return (first, last) if last - first >= 4 else (0, height)


def stack_lines(lines: Sequence[FloatArray], multiple: int = PIXELS_PER_TOKEN) -> BatchFeature:
    """Pad lines of one height with paper to one width.

    Returns:
        ``pixel_values`` (batch, 1, height, width) and ``pixel_mask`` (batch, width), both float32
        arrays; each line's own columns are rounded up to ``PIXELS_PER_TOKEN``.
    """
    own = [-(-line.shape[1] // PIXELS_PER_TOKEN) * PIXELS_PER_TOKEN for line in lines]
    width = -(-max(own) // multiple) * multiple
    pixel_values = np.zeros((len(lines), 1, lines[0].shape[0], width), np.float32)
    pixel_mask = np.zeros((len(lines), width), np.float32)
    for row, (line, columns) in enumerate(zip(lines, own, strict=True)):
        pixel_values[row, 0, :, : line.shape[1]] = line
        pixel_mask[row, :columns] = 1
    return BatchFeature({"pixel_values": pixel_values, "pixel_mask": pixel_mask})


class LineImageProcessor:
    """Pictures of lines to ``pixel_values`` and ``pixel_mask`` for ``LineEncoder``.

    Args:
        image_height: pixels, as the encoder was trained.
        max_image_width: pixels; a longer line is squeezed to it.
        straighten: level every line and cut its empty rows first.
        stretch: how many times as wide as in proportion to its height a line is drawn.
    """

    model_input_names: tuple[str, ...] = ("pixel_values", "pixel_mask")

    def __init__(
        self,
        image_height: int = 32,
        max_image_width: int = 2048,
        straighten: bool = False,
        stretch: float = 1.0,
        **extra: Any,
    ) -> None:
        self.image_height = image_height
        self.max_image_width = max_image_width
        self.straighten = straighten
        self.stretch = stretch
        self.extra = extra

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LineImageProcessor:
        """Build from the entries of ``preprocessor_config.json``; unknown ones are kept."""
        return cls(**{k: v for k, v in values.items() if k != "image_processor_type"})

    def to_dict(self) -> dict[str, Any]:
        """The entries of ``preprocessor_config.json``."""
        return {
            "image_processor_type": type(self).__name__,
            "image_height": self.image_height,
            "max_image_width": self.max_image_width,
            "straighten": self.straighten,
            "stretch": self.stretch,
            **self.extra,
        }

    def preprocess(self, image: Any) -> FloatArray:
        """One picture, of any type ``load_image`` takes, to (image_height, width) float32."""
        grey = load_image(image).convert("L")
        if self.straighten:
            grey = straightened(grey)
        size = self.drawn_width(grey.size), self.image_height
        return normalize_ink(grey.resize(size, Image.Resampling.BILINEAR))

    def drawn_width(self, size: tuple[int, int]) -> int:
        """Columns of ``pixel_values`` of a line of (width, height) pixels, levelled and cut."""
        return min(max(round(self.wanted_width(size)), 1), self.max_image_width)

    def wanted_width(self, size: tuple[int, int]) -> float:
        """The same before a long line is squeezed."""
        return size[0] * self.stretch * self.image_height / size[1]

    def placement(self, picture: Image.Image) -> Placement:
        """Which part of a picture ``preprocess`` uses, and how wide that becomes."""
        level = Levelling(0.0, 0, picture.height)
        if self.straighten:
            level = levelling(picture.convert("L"))
        height = level.bottom - level.top
        width = self.drawn_width((picture.width, height))
        return Placement(width, 0.0, picture.width, level.top, level.bottom, level.slope)

    def __call__(
        self, images: Any, return_tensors: str | None = None, **options: Any
    ) -> BatchFeature:
        """One picture or a list of them, padded to the widest, and on to a multiple of 128 pixels.

        Raises:
            UsageError: any option; the size is the model's.
        """
        if options:
            raise UsageError(
                f"Unknown image option {next(iter(options))!r}.",
                "The line image processor takes none besides return_tensors.",
            )
        pictures = images if isinstance(images, (list, tuple)) else [images]
        batch = stack_lines([self.preprocess(picture) for picture in pictures], BATCH_WIDTHS)
        return BatchFeature({k: to_arrays(v, return_tensors) for k, v in batch.items()})
