"""Labelled lines in memory, split by group, and the batches of every epoch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ..config import PIXELS_PER_TOKEN
from ..errors import DataError
from ..labelled_lines import LabelledLine, read_labelled_lines
from ..line_image import normalize_ink, resize_to_height, stack_lines
from .augment import augmented_line
from .blank import blank_line
from .config import DataSection, TrainingConfig

POOL_BATCHES = 40  # lines of about this many batches are sorted by width together
WIDTH_BUCKET = 32  # pixels; oneDNN builds a primitive per shape
STRETCH_ALLOWANCE = 1.2  # what augmentation may add to a width


@dataclass(frozen=True)
class TrainingLine:
    """A decoded grey picture, its token ids without special tokens, and its width at height 1."""

    grey: Image.Image
    token_ids: list[int]
    aspect: float


def group_of(file: str) -> str:
    """The page or receipt a line was cut from: its file name up to the last ``_``."""
    return PurePosixPath(file).stem.rpartition("_")[0]


def split_by_group(
    lines: Sequence[LabelledLine], section: DataSection
) -> tuple[list[LabelledLine], list[LabelledLine]]:
    """Training and validation lines; a group's side depends on its name alone."""
    joined = {name: names[0] for names in section.same_group for name in names}
    sides: tuple[list[LabelledLine], list[LabelledLine]] = ([], [])
    for line in lines:
        group = group_of(line.file)
        if group in section.exclude:
            continue
        digest = hashlib.sha256(joined.get(group, group).encode()).digest()
        share = int.from_bytes(digest[:4], "big") / 2**32
        sides[share < section.validation_fraction].append(line)
    return sides


def read_split(config: TrainingConfig) -> tuple[list[LabelledLine], list[LabelledLine]]:
    """Training and validation lines of every set that the configuration names.

    Raises:
        DataError: a set cannot be read, or one side would be empty.
    """
    lines = [
        line for path in config.data.train for line in read_labelled_lines(config.folder / path)
    ]
    train, validation = split_by_group(lines, config.data)
    if not train or not validation:
        raise DataError(
            f"{len(train)} lines to train on and {len(validation)} to validate on.",
            "Give more groups, or another validation_fraction.",
        )
    return train, validation


def decode_line(line: LabelledLine, token_ids: list[int]) -> TrainingLine:
    grey = Image.open(io.BytesIO(line.image)).convert("L")
    return TrainingLine(grey, token_ids, grey.width / grey.height)


@dataclass(frozen=True)
class Batch:
    """``pixel_values`` (batch, 1, height, width), ``pixel_mask`` (batch, width), token ids."""

    pixel_values: np.ndarray
    pixel_mask: np.ndarray
    token_ids: list[list[int]]


class LineBatches:
    """Batches of lines of like width, at most ``tokens_per_batch`` encoder tokens each.

    Epoch ``e`` of seed ``s`` is always the same: order and distortions are drawn from both.
    """

    def __init__(
        self,
        lines: Sequence[TrainingLine],
        *,
        height: int,
        max_width: int,
        tokens_per_batch: int,
        blank_share: float,
        seed: int,
    ) -> None:
        self.lines = lines
        self.height = height
        self.max_width = max_width
        self.tokens_per_batch = tokens_per_batch
        self.blank_share = blank_share
        self.seed = seed

    def plan(self, epoch: int) -> list[list[int]]:
        """Line indices of every batch of an epoch."""
        generator = np.random.default_rng((self.seed, epoch))
        order = generator.permutation(len(self.lines)).tolist()
        mean = float(np.mean([self._tokens(i) for i in order]))
        pool = max(1, round(POOL_BATCHES * self.tokens_per_batch / mean))
        batches: list[list[int]] = []
        for start in range(0, len(order), pool):
            batches += self._cut(sorted(order[start : start + pool], key=self._tokens))
        return [batches[i] for i in generator.permutation(len(batches))]

    def batch(self, epoch: int, indices: Sequence[int]) -> Batch:
        """The distorted lines of one batch; a share of them is swapped for crops without text."""
        drawn = [self._draw(epoch, index) for index in indices]
        return _batch([array for array, _ in drawn], [token_ids for _, token_ids in drawn])

    def load(self, epoch: int, plan: Sequence[Sequence[int]], workers: int = 0) -> Iterator[Batch]:
        """The batches of ``plan`` in order, prepared ahead by ``workers`` processes."""
        dataset = _PlannedBatches(self, epoch, plan)
        # A generator of its own: the global one must not depend on how often a run was resumed.
        return iter(DataLoader(dataset, None, num_workers=workers, generator=torch.Generator()))

    def _draw(self, epoch: int, index: int) -> tuple[np.ndarray, list[int]]:
        generator = np.random.default_rng((self.seed, epoch, index))
        line = self.lines[index]
        if generator.random() < self.blank_share:
            blank = blank_line(line.grey.height, line.grey.width, generator)
            return augmented_line(blank, self.height, self.max_width, generator), []
        return augmented_line(line.grey, self.height, self.max_width, generator), line.token_ids

    def _cut(self, indices: list[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in indices:
            if batch and (len(batch) + 1) * self._tokens(index) > self.tokens_per_batch:
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _tokens(self, index: int) -> float:
        width = self.lines[index].aspect * self.height * STRETCH_ALLOWANCE
        return min(width, self.max_width) / PIXELS_PER_TOKEN


@dataclass(frozen=True)
class _PlannedBatches(Dataset[Batch]):
    batches: LineBatches
    epoch: int
    plan: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> Batch:
        return self.batches.batch(self.epoch, self.plan[index])


def plain_batches(
    lines: Sequence[TrainingLine], height: int, max_width: int, rows: int = 32
) -> Iterator[Batch]:
    """Undistorted batches, narrow lines first."""
    ordered = sorted(lines, key=lambda line: line.aspect)
    for start in range(0, len(ordered), rows):
        part = ordered[start : start + rows]
        arrays = [normalize_ink(resize_to_height(line.grey, height, max_width)) for line in part]
        yield _batch(arrays, [line.token_ids for line in part])


def _batch(arrays: list[np.ndarray], token_ids: list[list[int]]) -> Batch:
    stacked = stack_lines(arrays, WIDTH_BUCKET)
    return Batch(stacked.pixel_values, stacked.pixel_mask, token_ids)
