"""Lines that were found, matched with the true ones of their page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from trocr.document import Line
from trocr.layout.crops import Crop

MIN_IOU = 0.5
MIN_COVER = 0.9  # of a true line's area, inside a crop
MAX_TALL = 1.6  # heights of the true row that such a crop may have
MIN_PART = 0.8  # of a true box's area, inside the line that it is a part of
SAME_ROW = 0.5  # of the lower box's height that boxes of one row share


@dataclass(frozen=True)
class Counts:
    """How many lines there are, were found, and match.

    Attributes:
        truth, found: lines.
        truth_matched, found_matched: with an IoU of at least 0.5, one with one.
        truth_in_line, found_of_parts: the same, or: true boxes inside a line that was found, and
            such lines all of whose boxes are on one row. For sets whose boxes are parts of lines.
        truth_cropped, found_cropping: true lines with 90 % of their area in the crop of a line,
            which is no higher than 1.6 times the true row; and the lines with such crops.
    """

    truth: int = 0
    found: int = 0
    truth_matched: int = 0
    found_matched: int = 0
    truth_in_line: int = 0
    found_of_parts: int = 0
    truth_cropped: int = 0
    found_cropping: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def scores(self) -> dict[str, float]:
        """Precision and recall of each kind, in per cent."""
        kinds = {
            "iou": (self.found_matched, self.truth_matched),
            "joined": (self.found_of_parts, self.truth_in_line),
            "crop": (self.found_cropping, self.truth_cropped),
        }
        found, truth = max(self.found, 1), max(self.truth, 1)
        return {
            f"{kind}_{name}": 100 * count / total
            for kind, counts in kinds.items()
            for name, count, total in zip(
                ("precision", "recall"), counts, (found, truth), strict=True
            )
        }


def compare(truth: Sequence[BaseGeometry], lines: Sequence[Line], crops: Sequence[Crop]) -> Counts:
    """Score the lines of one page; `crops` are theirs, in the same order."""
    found = [outline(line.polygon) for line in lines]
    shared = shared_areas(truth, found)
    true_areas, areas = (np.array([item.area for item in items]) for items in (truth, found))
    pairs = _one_to_one(shared / (true_areas[:, None] + areas[None] - shared))
    matched = np.zeros(shared.shape, bool)
    matched[tuple(np.array(pairs, int).reshape(-1, 2).T)] = True
    inside = shared >= MIN_PART * true_areas[:, None]
    rows = [on_one_row([truth[i] for i in column.nonzero()[0]]) for column in inside.T]
    parts = matched | (inside & np.array(rows, bool))
    frames = [outline(_corners(crop)) for crop in crops]
    covered = shared_areas(truth, frames) >= MIN_COVER * true_areas[:, None]
    cropped = covered & (_tallness(truth, covered, crops) <= MAX_TALL)
    return Counts(
        len(truth), len(found),
        len(pairs), len(pairs),
        int(parts.any(1).sum()), int(parts.any(0).sum()),
        int(cropped.any(1).sum()), int(cropped.any(0).sum()),
    )  # fmt: skip


def outline(points: Sequence[tuple[float, float]]) -> BaseGeometry:
    """A valid area, also from an outline that crosses itself."""
    polygon = shapely.make_valid(Polygon(points)) if len(points) > 2 else Polygon()
    return shapely.union_all([part for part in shapely.get_parts(polygon) if part.area])


def _corners(crop: Crop) -> list[tuple[float, float]]:
    width, height = crop.image.size
    return [crop.to_page(x, y) for x, y in ((0, 0), (width, 0), (width, height), (0, height))]


def shared_areas(truth: Sequence[BaseGeometry], found: Sequence[BaseGeometry]) -> np.ndarray:
    """(truth, found): shared areas in pixels."""
    if not truth or not found:
        return np.zeros((len(truth), len(found)))
    return shapely.area(shapely.intersection(np.array(truth)[:, None], np.array(found)[None]))


def _one_to_one(iou: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of at least `MIN_IOU`, the best first."""
    pairs: list[tuple[int, int]] = []
    candidates = np.argwhere(iou >= MIN_IOU)
    for row, column in candidates[np.argsort(-iou[tuple(candidates.T)], kind="stable")]:
        if all(row != other[0] and column != other[1] for other in pairs):
            pairs.append((int(row), int(column)))
    return pairs


def on_one_row(boxes: Sequence[BaseGeometry]) -> bool:
    """Whether each box shares rows with the one on its left."""
    spans = [item.bounds for item in sorted(boxes, key=lambda item: item.bounds[0])]
    return all(
        min(one[3], other[3]) - max(one[1], other[1])
        >= SAME_ROW * min(one[3] - one[1], other[3] - other[1])
        for one, other in pairwise(spans)
    )


def _tallness(
    truth: Sequence[BaseGeometry], covered: np.ndarray, crops: Sequence[Crop]
) -> np.ndarray:
    """(truth, crops): a crop's height over that of the highest box of its row that it covers."""
    tallness = np.full(covered.shape, np.inf)
    for number, crop in enumerate(crops):
        members = covered[:, number].nonzero()[0]
        spans = {index: _span(truth[index], crop) for index in members}
        for index, (top, bottom) in spans.items():
            row = [
                other[1] - other[0]
                for other in spans.values()
                if min(bottom, other[1]) - max(top, other[0]) >= SAME_ROW * (bottom - top)
            ]
            tallness[index, number] = crop.image.height / max(1.0, *row, bottom - top)
    return tallness


def _span(item: BaseGeometry, crop: Crop) -> tuple[float, float]:
    """Upper and lower end of an outline, across the crop's direction."""
    (x0, y0), (x1, y1) = crop.to_page(0, 0), crop.to_page(0, 1)
    points = shapely.get_coordinates(item) @ np.array([x1 - x0, y1 - y0])
    return float(points.min()), float(points.max())
