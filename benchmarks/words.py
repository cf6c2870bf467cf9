"""How well word and character boxes stand: lines are drawn word by word, so the truth is known.

python benchmarks/words.py --model printed --kind print
python benchmarks/words.py --model handwritten --kind hand --distorted --show /tmp/boxes
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import trocr
from trocr.document import Box, Character, Word, union
from trocr.line_result import LineResult
from trocr.recognizer import Recognizer

if TYPE_CHECKING:
    from trocr.training.synthetic.fonts import Face
    from trocr.training.synthetic.texts import TextSource

SEED = 20_260_301
INK = 96  # of 255: how dark a drawn pixel has to be to count
PLAIN_TEXT = {"prose": 0.5, "words": 0.15, "fields": 0.35}
LANGUAGES = {"en": 0.6, "fr": 0.2, "de": 0.1, "es": 0.1}
TEXTS = (
    "Total amount due 1,284.50 EUR",
    "The quick brown fox jumps over it.",
    "Invoice No. 2024/11-0037 of 22.11.2024",
    "He wrote to me again on Sunday night",
    "2 x Mineral water 0.75 l",
    "a 1111 000 --- I.II ll",
)


@dataclass(frozen=True)
class DrawnLine:
    """A picture and where its words and their characters are, in its pixels."""

    picture: Image.Image
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Scores:
    """Intersection over union of true boxes and those found, 0-1; ``*_good``: share above 0.5."""

    lines: int
    words: int
    word_iou: float
    word_iou_mean: float
    word_good: float
    character_iou: float
    character_good: float
    ms_a_line: float
    ms_a_line_without_words: float


def drawn_line(
    text: str, font: ImageFont.FreeTypeFont, generator: np.random.Generator, distorted: bool
) -> DrawnLine:
    """Words at known places; distorted: turned, slanted, blurred, noisy, on uneven paper."""
    words = text.split()
    placed = list(_places(words, font))
    cover, labels = _drawn(placed, font, generator)
    shape = Image.fromarray(cover)
    if distorted:
        matrix = _distortion(shape.size, generator)
        shape = shape.transform(
            shape.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
        ).filter(ImageFilter.GaussianBlur(generator.uniform(0, 0.03 * font.size)))
        turned = Image.fromarray(labels).transform(shape.size, Image.Transform.AFFINE, matrix)
        labels = np.asarray(turned)
    paper, ink = generator.uniform(200, 255), generator.uniform(0, 90)
    grey = paper + (ink - paper) * np.asarray(shape, np.float32) / 255
    noise = generator.normal(0, generator.uniform(0, 12 if distorted else 4), grey.shape)
    shade = np.linspace(0, generator.uniform(-40, 40) if distorted else 0, grey.shape[1])
    picture = Image.fromarray((grey + noise + shade).clip(0, 255).astype(np.uint8))
    boxes = [_label_box(labels == number + 1) for number in range(len(placed))]
    return DrawnLine(picture, _truth(words, placed, boxes))


def _drawn(
    placed: Sequence[tuple[int, str, float]],
    font: ImageFont.FreeTypeFont,
    generator: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(height, width) of each pixel how much ink it has, 0-255, and 1 + whose (0: no one's)."""
    ink_boxes = [font.getbbox(cell, anchor="ls") for _, cell, _ in placed]
    left = min(x + box[0] for (_, _, x), box in zip(placed, ink_boxes, strict=True))
    right = max(x + box[2] for (_, _, x), box in zip(placed, ink_boxes, strict=True))
    top, bottom = min(box[1] for box in ink_boxes), max(box[3] for box in ink_boxes)
    margins = [int(m) for m in generator.integers(4, 4 + int(font.size) // 3, 4)]
    size = (round(right - left) + sum(margins[:2]), round(bottom - top) + sum(margins[2:]))
    cover = np.zeros((size[1], size[0]), np.uint8)
    labels = np.zeros((size[1], size[0]), np.int32)
    for number, (_, cell, x) in enumerate(placed):
        mask = Image.new("L", size)
        place = (x - left + margins[0], margins[2] - top)
        ImageDraw.Draw(mask).text(place, cell, 255, font, "ls")
        drawn = np.asarray(mask)
        labels[drawn > INK] = number + 1
        cover = np.maximum(cover, drawn)
    return cover, labels


def _places(words: Sequence[str], font: ImageFont.FreeTypeFont) -> Iterator[tuple[int, str, float]]:
    """(number of the word, character, x of its pen) along a baseline."""
    start = 0.0
    for number, word in enumerate(words):
        for i, cell in enumerate(word):
            yield number, cell, start + font.getlength(word[: i + 1]) - font.getlength(cell)
        start += font.getlength(word + " ")


def _distortion(size: tuple[int, int], generator: np.random.Generator) -> tuple[float, ...]:
    """Output to input coordinates: up to 1.5 degrees or 0.2 line heights, a slant, a squeeze."""
    steepest = min(0.026, 0.2 * size[1] / size[0])
    fall, slant = generator.uniform(-steepest, steepest), generator.uniform(-0.25, 0.25)
    squeeze = generator.uniform(1, 1.15)
    x, y = size[0] / 2, size[1] / 2
    matrix = np.array([[squeeze, slant * squeeze], [fall * squeeze, 1.1]])
    offset = np.array([x, y]) - matrix @ np.array([x, y])
    return (*matrix[0], offset[0], *matrix[1], offset[1])


def _label_box(mask: NDArray[np.bool_]) -> Box | None:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _truth(
    words: Sequence[str], placed: Sequence[tuple[int, str, float]], boxes: Sequence[Box | None]
) -> tuple[Word, ...]:
    found = []
    for number, word in enumerate(words):
        cells = [
            Character(cell, box)
            for (owner, cell, _), box in zip(placed, boxes, strict=True)
            if owner == number
        ]
        found.append(Word(word, union(cell.box for cell in cells), None, tuple(cells)))
    return tuple(found)


def drawn_lines(
    count: int, kind: str, distorted: bool, synth: Path = Path("/tmp/synth")
) -> Iterator[DrawnLine]:
    """Lines in the test faces of ``synth``; without them, in Pillow's own font."""
    faces, texts = _sources(kind, synth)
    for index in range(count):
        generator = np.random.default_rng((SEED, index))
        size = int(generator.integers(24, 49))
        if texts is None:
            font = ImageFont.load_default(size)
            text = TEXTS[index % len(TEXTS)]
        else:
            face = faces[int(generator.integers(len(faces)))]
            font = ImageFont.truetype(face.path, size)
            text = texts.draw(generator)
            while not face.characters.issuperset(text):
                text = texts.draw(generator)
            text = text.upper() if face.caps_only else text
        assert isinstance(font, ImageFont.FreeTypeFont)
        yield drawn_line(text, font, generator, distorted)


def _sources(kind: str, synth: Path) -> tuple[Sequence[Face], TextSource | None]:
    if not (synth / "fonts/faces.json").is_file() or not (synth / "texts").is_dir():
        return (), None
    from trocr.training.synthetic.fonts import read_faces
    from trocr.training.synthetic.texts import VOCABULARY, TextSource

    faces = read_faces(synth / "fonts", kind, "test")
    return faces, TextSource(synth / "texts", PLAIN_TEXT, LANGUAGES, VOCABULARY)


def overlap(one: Box | None, other: Box | None) -> float:
    """Intersection over union of two boxes, 0-1; 0 where one is missing."""
    if one is None or other is None:
        return 0.0
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def score(lines: Sequence[DrawnLine], reader: Recognizer) -> Scores:
    """Read the lines with words; every true box against the best one of its kind.

    Characters are compared one to one where a line was read without a mistake, else not at all.
    """
    pictures = [line.picture for line in lines]
    reader.read_lines(pictures[:2], words=True)
    start = time.process_time()
    reader.read_lines(pictures)
    plain = time.process_time() - start
    start = time.process_time()
    results = reader.read_lines(pictures, words=True)
    whole = time.process_time() - start
    of_words, of_characters = [], []
    for line, result in zip(lines, results, strict=True):
        found = [word.box for word in result.words]
        of_words += [
            max((overlap(word.box, box) for box in found), default=0.0)
            for word in line.words
            if word.box
        ]
        if [word.text for word in line.words] == [word.text for word in result.words]:
            of_characters += [
                overlap(true.box, cell.box)
                for word, read in zip(line.words, result.words, strict=True)
                for true, cell in zip(word.characters, read.characters, strict=True)
                if true.box
            ]
    words, characters = np.array(of_words), np.array(of_characters)
    return Scores(
        lines=len(lines),
        words=len(words),
        word_iou=round(float(np.median(words)), 4),
        word_iou_mean=round(float(words.mean()), 4),
        word_good=round(float((words >= 0.5).mean()), 4),
        character_iou=round(float(np.median(characters)), 4) if len(characters) else 0.0,
        character_good=round(float((characters >= 0.5).mean()), 4) if len(characters) else 0.0,
        ms_a_line=round(whole / len(lines) * 1000, 2),
        ms_a_line_without_words=round(plain / len(lines) * 1000, 2),
    )


def with_boxes(picture: Image.Image, words: Sequence[Word], zoom: int = 2) -> Image.Image:
    """The picture with word boxes in red and character boxes in blue."""
    shown = picture.convert("RGB").resize((picture.width * zoom, picture.height * zoom))
    draw = ImageDraw.Draw(shown)
    for word in words:
        for cell, colour in [*((c, "dodgerblue") for c in word.characters), (word, "red")]:
            if cell.box is not None:
                left, top, right, bottom = (side * zoom for side in cell.box)
                draw.rectangle((left, top, right - 1, bottom - 1), outline=colour)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="printed")
    parser.add_argument("--kind", choices=("print", "hand"), default="print")
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--distorted", action="store_true")
    parser.add_argument("--synth", type=Path, default=Path("/tmp/synth"))
    parser.add_argument("--show", type=Path, help="a folder for pictures of the worst lines")
    options = parser.parse_args()
    reader = trocr.load(options.model, device="cpu")
    lines = list(drawn_lines(options.lines, options.kind, options.distorted, options.synth))
    print(json.dumps(vars(score(lines, reader)), indent=2))
    if options.show is not None:
        show_worst(lines, reader, options.show)


def show_worst(
    lines: Sequence[DrawnLine], reader: Recognizer, folder: Path, count: int = 12
) -> None:
    """Write pictures of the lines whose words overlap the least."""
    folder.mkdir(parents=True, exist_ok=True)
    results = reader.read_lines([line.picture for line in lines], words=True)

    def mean_overlap(pair: tuple[DrawnLine, LineResult]) -> float:
        line, result = pair
        best = [max((overlap(t.box, w.box) for w in result.words), default=0.0) for t in line.words]
        return float(np.mean(best))

    ranked = sorted(zip(lines, results, strict=True), key=mean_overlap)
    for number, (line, result) in enumerate(ranked[:count]):
        with_boxes(line.picture, result.words).save(folder / f"{number:02}.png")


if __name__ == "__main__":
    main()
