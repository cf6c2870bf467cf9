"""Pictures of lines to what an encoder takes, distorted or plain: for our models and published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..image_processor import ImageProcessor
from ..line_image import LineImageProcessor, normalize_ink, stack_lines
from .augment import distorted, with_other_ink

FloatArray = NDArray[np.float32]
DISTORTED_HEIGHT = 64  # pixels of a line that is distorted before a published processor resizes it
DISTORTED_WIDTH = 4096


class Preparation(Protocol):
    """What differs between kinds of models before a batch is made."""

    def distorted(
        self, grey: Image.Image, generator: np.random.Generator, strength: float
    ) -> FloatArray:
        """(channels, height, width) of a line, distorted by ``generator``."""

    def plain(self, grey: Image.Image) -> FloatArray:
        """(channels, height, width) of a line as it is read."""

    def stacked(self, lines: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray | None]:
        """``pixel_values`` and, if the encoder takes one, ``pixel_mask``."""


class LinePreparation:
    """Lines of one height, as wide as they come; paper 0 and ink 1."""

    def __init__(self, processor: LineImageProcessor) -> None:
        self.processor = processor

    def distorted(
        self, grey: Image.Image, generator: np.random.Generator, strength: float
    ) -> FloatArray:
        height, max_width = self.processor.image_height, self.processor.max_image_width
        line = normalize_ink(distorted(grey, height, max_width, generator, strength))
        return with_other_ink(line, generator, strength)[None]

    def plain(self, grey: Image.Image) -> FloatArray:
        return self.processor.preprocess(grey)[None]

    def stacked(self, lines: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray | None]:
        padded = stack_lines([line[0] for line in lines], bucket(max(x.shape[2] for x in lines)))
        return padded.pixel_values, padded.pixel_mask


class PicturePreparation:
    """Pictures resized to one size by a published processor; distorted ones are grey."""

    def __init__(self, processor: ImageProcessor) -> None:
        self.processor = processor

    def distorted(
        self, grey: Image.Image, generator: np.random.Generator, strength: float
    ) -> FloatArray:
        line = distorted(grey, DISTORTED_HEIGHT, DISTORTED_WIDTH, generator, strength)
        return self.plain(Image.fromarray(line))

    def plain(self, grey: Image.Image) -> FloatArray:
        pixel_values: Any = self.processor(grey, return_tensors="np").pixel_values
        pixels: FloatArray = pixel_values[0]
        return pixels

    def stacked(self, lines: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray | None]:
        return np.stack(lines), None


def preparation_for(processor: ImageProcessor) -> Preparation:
    """The one that fits a model's image processor."""
    if isinstance(processor, LineImageProcessor):
        return LinePreparation(processor)
    return PicturePreparation(processor)


def bucket(width: int) -> int:
    """The padded width of a batch: few shapes, because oneDNN builds a kernel for each."""
    step = 32 if width <= 512 else 64 if width <= 1024 else 128
    return -(-width // step) * step
