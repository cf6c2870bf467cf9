"""Lines of several sources, mixed by weight, as batches of like width."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ..config import PIXELS_PER_TOKEN
from ..errors import DataError
from ..labelled_lines import LabelledLine
from ..line_image import straightened
from ..tokenizer import Tokenizer
from .blank import blank_crop
from .preparation import Preparation, bucket

FIRST_LENGTH = 10  # characters of the longest label when the curriculum begins
LAST_LENGTH = 120

FloatArray = NDArray[np.float32]


class LineSource(Protocol):
    """Where lines come from. ``case_blind``: its labels have lost their case."""

    case_blind: bool

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        """A grey picture and its label, decided by ``generator`` alone."""


class RealLines:
    """Labelled lines; a picture is decoded and straightened when it is first drawn.

    Raises:
        DataError: one of them is no picture.
    """

    def __init__(
        self, lines: Sequence[LabelledLine], case_blind: bool = False, straighten: bool = False
    ) -> None:
        self.lines, self.case_blind, self.straighten = lines, case_blind, straighten
        self.pictures: dict[int, Image.Image] = {}
        for line in lines:
            _open(line)

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        number = int(generator.integers(len(self.lines)))
        return self.picture(number), self.lines[number].text

    def picture(self, number: int) -> Image.Image:
        """One of the lines, grey."""
        if number not in self.pictures:
            grey = decoded(self.lines[number])
            self.pictures[number] = straightened(grey) if self.straighten else grey
        return self.pictures[number]


class BlankLines:
    """Crops without text."""

    case_blind = False

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        return blank_crop((24, 65), generator), ""


class StraightenedLines:
    """Another source, its lines levelled and freed of empty rows."""

    def __init__(self, source: LineSource) -> None:
        self.source, self.case_blind = source, source.case_blind

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        grey, text = self.source.draw(generator)
        return straightened(grey), text


def _open(line: LabelledLine) -> Image.Image:
    try:
        return Image.open(io.BytesIO(line.image))
    except OSError:
        raise DataError(f"{line.file} is no picture.", "Leave it out of labels.tsv.") from None


def decoded(line: LabelledLine) -> Image.Image:
    """The picture of a line, grey."""
    return _open(line).convert("L")


@dataclass(frozen=True)
class Batch:
    """Lines of like width.

    Attributes:
        pixel_values: (batch, channels, height, width) float32.
        pixel_mask: (batch, width) float32, 1 = the line; None for encoders that take none.
        token_ids: labels without special tokens.
        case_blind: (batch,) bool, labels that have lost their case.
    """

    pixel_values: FloatArray
    pixel_mask: FloatArray | None
    token_ids: list[list[int]]
    case_blind: NDArray[np.bool_]


@dataclass(frozen=True)
class _Sample:
    pixels: FloatArray
    token_ids: list[int]
    case_blind: bool


class MixedLines(Dataset[list[Batch]]):
    """Chunk ``k`` is a list of batches that depends on ``seed`` and ``k`` alone.

    Args:
        sources: with their weights.
        tokens_per_batch: encoder tokens of a batch, padding included.
        curriculum_lines: over these first lines labels and distortions grow to their full range.
    """

    def __init__(
        self,
        sources: Sequence[tuple[LineSource, float]],
        tokenizer: Tokenizer,
        preparation: Preparation,
        *,
        tokens_per_batch: int,
        lines_per_chunk: int,
        curriculum_lines: int,
        seed: int,
    ) -> None:
        self.sources = [source for source, _ in sources]
        weights = np.array([weight for _, weight in sources])
        self.shares = weights / weights.sum()
        self.tokenizer, self.preparation = tokenizer, preparation
        self.tokens_per_batch = tokens_per_batch
        self.lines_per_chunk = lines_per_chunk
        self.curriculum_lines = curriculum_lines
        self.seed = seed

    def __getitem__(self, chunk: int) -> list[Batch]:
        generator = np.random.default_rng((self.seed, chunk))
        done = chunk * self.lines_per_chunk
        difficulty = min(1.0, done / self.curriculum_lines) if self.curriculum_lines else 1.0
        longest = FIRST_LENGTH + difficulty * (LAST_LENGTH - FIRST_LENGTH)
        chosen = generator.choice(len(self.sources), self.lines_per_chunk, p=self.shares)
        samples = []
        for source in (self.sources[index] for index in chosen):
            grey, text = source.draw(generator)
            if difficulty < 1 and len(text) > longest:
                continue
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            pixels = self.preparation.distorted(grey, generator, difficulty)
            samples.append(_Sample(pixels, ids, source.case_blind))
        batches = [_batch(part, self.preparation) for part in self._cut(samples)]
        return [batches[i] for i in generator.permutation(len(batches))]

    def _cut(self, samples: list[_Sample]) -> Iterator[list[_Sample]]:
        """Full batches, wide lines first; the last one is halved while its lines fit, then filled
        with lines it already has, so that shapes are few."""
        samples = sorted(samples, key=lambda sample: -sample.pixels.shape[2])
        start = 0
        while start < len(samples):
            width = bucket(samples[start].pixels.shape[2])
            rows = max(1, self.tokens_per_batch * PIXELS_PER_TOKEN // width)
            part = samples[start : start + rows]
            start += rows
            while rows >= 2 * len(part):
                rows //= 2
            yield [part[i % len(part)] for i in range(rows)]


def lane_batches(
    lines: MixedLines, chunks: Sequence[int], first_batch: int, workers: int = 0
) -> Iterator[tuple[int, int, Batch]]:
    """Batches of ``chunks`` in order with (chunk, number in it), from ``first_batch`` of the first.

    Args:
        workers: processes that prepare chunks ahead.
    """
    cv2.setNumThreads(0)  # of no use for single lines, and not there in a forked worker
    # A generator of its own: the global one must not depend on how often a run was resumed.
    loader = DataLoader(
        lines,
        None,
        sampler=chunks,
        num_workers=workers,
        generator=torch.Generator(),
        worker_init_fn=_leave_group,
    )
    for chunk, batches in zip(chunks, loader, strict=True):
        for number in range(first_batch, len(batches)):
            yield chunk, number, batches[number]
        first_batch = 0


def _leave_group(worker: int) -> None:
    """Out of reach of signals that a terminal or ``timeout`` sends to all processes of a run."""
    os.setsid()


def plain_batches(
    lines: Sequence[LabelledLine],
    tokenizer: Tokenizer,
    preparation: Preparation,
    case_blind: bool = False,
    rows: int = 32,
) -> Iterator[Batch]:
    """Undistorted batches, narrow lines first."""
    samples = []
    for line in lines:
        pixels = preparation.plain(decoded(line))
        ids = tokenizer.encode(line.text, add_special_tokens=False)
        samples.append(_Sample(pixels, ids, case_blind))
    samples.sort(key=lambda sample: sample.pixels.shape[2])
    for start in range(0, len(samples), rows):
        yield _batch(samples[start : start + rows], preparation)


def _batch(samples: list[_Sample], preparation: Preparation) -> Batch:
    pixel_values, pixel_mask = preparation.stacked([sample.pixels for sample in samples])
    return Batch(
        pixel_values,
        pixel_mask,
        [sample.token_ids for sample in samples],
        np.array([sample.case_blind for sample in samples]),
    )
