"""Where lines are: what a detector finds on the pages of `../shared`, against their outlines.

python benchmarks/detection.py                # a row for each set and detector
python benchmarks/detection.py --detector ours --set peraire
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import shapely
from PIL import Image
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from trocr.document import Line
from trocr.layout import find_lines
from trocr.layout.crops import Crop, cut

PAGES = Path("/tmp/data/pages/pages")
MIN_IOU = 0.5
MIN_COVER = 0.9  # of a true line's area, inside a crop
MAX_TALL = 1.6  # heights of the true row that such a crop may have
MIN_PART = 0.8  # of a true box's area, inside the line that it is a part of
SAME_ROW = 0.5  # of the lower box's height that boxes of one row share

Detector = Callable[[Image.Image], Sequence[Line]]


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
    shared = _areas(truth, found)
    true_areas, areas = (np.array([item.area for item in items]) for items in (truth, found))
    pairs = _one_to_one(shared / (true_areas[:, None] + areas[None] - shared))
    matched = np.zeros(shared.shape, bool)
    matched[tuple(np.array(pairs, int).reshape(-1, 2).T)] = True
    inside = shared >= MIN_PART * true_areas[:, None]
    parts = matched | (
        inside & [_on_one_row([truth[i] for i in column.nonzero()[0]]) for column in inside.T]
    )
    frames = [outline(_corners(crop)) for crop in crops]
    covered = _areas(truth, frames) >= MIN_COVER * true_areas[:, None]
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


def _areas(truth: Sequence[BaseGeometry], found: Sequence[BaseGeometry]) -> np.ndarray:
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


def _on_one_row(boxes: Sequence[BaseGeometry]) -> bool:
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


def raw_boxes(image: Image.Image) -> list[Line]:
    """RapidOCR's boxes as they are."""
    from trocr.layout.rapid import text_boxes

    return [Line("", tuple((float(x), float(y)) for x, y in box)) for box in text_boxes(image)]


DETECTORS: Mapping[str, Detector] = {
    "raw": raw_boxes,
    "ours": lambda image: find_lines(image, detector="rapidocr"),
    "plain": lambda image: find_lines(image, detector="plain"),
}


def pages(folder: Path = PAGES) -> Iterator[tuple[str, str, Image.Image, list[BaseGeometry]]]:
    """(set, name, picture, true outlines) of each page."""
    for path in sorted(folder.glob("*.json")):
        lines = json.loads(path.read_text(encoding="utf-8"))["lines"]
        with Image.open(path.with_suffix(".jpg")) as picture:
            image = picture.convert("RGB")
        truth = [outline([tuple(point) for point in line["polygon"]]) for line in lines]
        yield path.name.split("__")[0], path.stem, image, truth


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pages", type=Path, default=PAGES)
    parser.add_argument("--set", action="append", help="only this set")
    parser.add_argument("--detector", action="append", choices=DETECTORS)
    arguments = parser.parse_args()
    names = arguments.detector or list(DETECTORS)
    counts: dict[tuple[str, str], Counts] = {}
    seconds = dict.fromkeys(names, 0.0)
    for set_name, _, image, truth in pages(arguments.pages):
        if arguments.set and set_name not in arguments.set:
            continue
        for name in names:
            start = time.process_time()
            lines = DETECTORS[name](image)
            seconds[name] += time.process_time() - start
            result = compare(truth, lines, [cut(image, line) for line in lines])
            for key in ((set_name, name), ("all", name)):
                counts[key] = counts.get(key, Counts()) + result
    print("set detector truth found | precision/recall: IoU, joined, crop")
    for (set_name, name), total in sorted(counts.items()):
        scores = list(total.scores().values())
        pairs = " ".join(
            f"{p:5.1f}/{r:5.1f}" for p, r in zip(scores[::2], scores[1::2], strict=True)
        )
        print(f"{set_name:20} {name:6} {total.truth:5} {total.found:5} | {pairs}")
    print({name: round(value, 1) for name, value in seconds.items()}, "s of CPU")


if __name__ == "__main__":
    main()
