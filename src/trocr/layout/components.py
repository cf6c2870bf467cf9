"""Connected pieces of a mask, from its runs: what scipy.ndimage.label gives, without scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .page_ink import BoolArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """Pieces of a mask that hang together, corners included, numbered from 0.

    Attributes:
        shape: of the mask: rows, columns.
        runs: (runs, 4): row, first column, the column after the last, piece.
        boxes: (pieces, 4): left, top, right, bottom; right and bottom are just outside.
        sizes: (pieces,): pixels.
    """

    shape: tuple[int, int]
    runs: IntArray
    boxes: IntArray
    sizes: IntArray

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def widths(self) -> IntArray:
        """(pieces,): columns."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def heights(self) -> IntArray:
        """(pieces,): rows."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    def drawn(self, keep: BoolArray) -> BoolArray:
        """A mask of some of the pieces; `keep` has an entry for each."""
        return self.numbered(np.where(keep, 1, 0)) > 0

    def numbered(self, numbers: NDArray[np.integer]) -> NDArray[np.int32]:
        """(rows, columns): at each pixel its piece's entry of `numbers`, 0 at no piece."""
        rows, columns = self.shape
        steps = np.zeros((rows, columns + 1), np.int32)
        row, first, after, piece = self.runs.T
        number = np.asarray(numbers, np.int32)[piece]
        np.add.at(steps, (row, first), number)
        np.add.at(steps, (row, after), -number)
        picture: NDArray[np.int32] = steps.cumsum(1, dtype=np.int32)[:, :-1]
        return picture


def components_of(mask: BoolArray) -> Components:
    """The pieces of a mask (rows, columns)."""
    rows, columns = mask.shape
    padded = np.zeros((rows, columns + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    row, first = np.nonzero(steps == 1)
    after = np.nonzero(steps == -1)[1]
    piece = _pieces(row, first, after, columns)
    count = int(piece.max(initial=-1)) + 1
    boxes = np.zeros((count, 4), np.int64)
    boxes[:, :2] = max(rows, columns)
    np.minimum.at(boxes[:, 0], piece, first)
    np.minimum.at(boxes[:, 1], piece, row)
    np.maximum.at(boxes[:, 2], piece, after)
    np.maximum.at(boxes[:, 3], piece, row + 1)
    sizes = np.bincount(piece, after - first, count).astype(np.int64)
    runs = np.stack([row, first, after, piece], axis=1)
    return Components((rows, columns), runs, boxes, sizes)


def _pieces(row: IntArray, first: IntArray, after: IntArray, columns: int) -> IntArray:
    """The piece of each run: runs that touch in neighbouring rows are one piece."""
    stride = columns + 2  # as if all rows were one, with room between them
    starts, ends = row * stride + first, row * stride + after
    low = np.searchsorted(ends, starts + stride, "left")
    high = np.searchsorted(starts, ends + stride, "right")
    counts = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(row)), counts)
    lower = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    lower += np.repeat(low, counts)
    parent = np.arange(len(row))
    while len(upper):
        one, other = parent[upper], parent[lower]
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        while (parent[parent] != parent).any():
            parent = parent[parent]
        apart = parent[upper] != parent[lower]
        upper, lower = upper[apart], lower[apart]
    numbers: IntArray = np.unique(parent, return_inverse=True)[1].astype(np.int64)
    return numbers
