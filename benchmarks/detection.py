"""Where lines are: what a detector finds on the pages of `../shared`, against their outlines.

python benchmarks/detection.py                # a row for each set and detector
python benchmarks/detection.py --detector ours --set peraire
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from line_matching import Counts, compare, outline
from PIL import Image
from shapely.geometry.base import BaseGeometry

from trocr.document import Line
from trocr.layout import find_lines
from trocr.layout.crops import cut

PAGES = Path("/tmp/data/pages/pages")

Detector = Callable[[Image.Image], Sequence[Line]]


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
