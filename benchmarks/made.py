"""Lines that are made for the benchmark: rendered ones, and crops without text.

Fonts are of the test part, whose families no training and no validation sees.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from trocr.labelled_lines import LabelledLine
from trocr.training.blank import blank_crop
from trocr.training.config import SyntheticSection, TrainingConfig

if TYPE_CHECKING:
    from trocr.training.synthetic.fonts import Face
    from trocr.training.synthetic.texts import TextSource

LINES = 1000  # of each set
SEED = 20_260_101  # no training run may use it
PLAIN_TEXT = {"prose": 0.5, "words": 0.15, "fields": 0.35}
PLAIN_LANGUAGES = {"en": 0.6, "fr": 0.2, "de": 0.1, "es": 0.1}
PAGES = Path(__file__).parent.parent.parent / "shared/data/pages.tar.gz"
PAPER = Path(__file__).parent / "paper.tsv"  # page, left, top, width, height of crops of PAGES


def plain_lines(section: SyntheticSection, config: TrainingConfig) -> Iterator[LabelledLine]:
    """Clean renderings, as of a screenshot or a good scan, by no code that training uses."""
    from trocr.training.synthetic.fonts import read_faces
    from trocr.training.synthetic.texts import TextSource

    families: dict[str, list[Face]] = {}
    for face in read_faces(config.folder / section.fonts, section.kind, "test"):
        families.setdefault(face.family, []).append(face)
    texts = TextSource(
        config.folder / section.texts, PLAIN_TEXT, PLAIN_LANGUAGES, config.model.characters
    )
    for index in range(LINES):
        generator = np.random.default_rng((SEED, index))
        family = list(families.values())[index % len(families)]
        face = family[int(generator.integers(len(family)))]
        text = _text_for(face, texts, generator)
        yield LabelledLine.of(
            f"{face.family}_{index:06}", plain_line(text, face.path, generator), text
        )


def _text_for(face: Face, texts: TextSource, generator: np.random.Generator) -> str:
    while True:
        text = texts.draw(generator)
        text = text.upper() if face.caps_only else text
        if face.characters.issuperset(text):
            return text


def plain_line(text: str, font: Path, generator: np.random.Generator) -> Image.Image:
    """Dark text on light paper, with a slight blur and a little noise."""
    face = ImageFont.truetype(font, int(generator.integers(24, 45)))
    left, top, right, bottom = (round(side) for side in face.getbbox(text))
    margins = generator.integers(3, 11, 4)
    paper, ink = int(generator.integers(225, 256)), int(generator.integers(0, 70))
    size = (right - left + margins[0] + margins[1], bottom - top + margins[2] + margins[3])
    picture = Image.new("L", tuple(map(int, size)), paper)
    origin = (int(margins[0]) - left, int(margins[2]) - top)
    ImageDraw.Draw(picture).text(origin, text, fill=ink, font=face)
    picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0, 0.7)))
    noise = generator.normal(0, generator.uniform(0, 5), (picture.height, picture.width))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def worn_lines(
    section: SyntheticSection, config: TrainingConfig, part: str = "test"
) -> Iterator[LabelledLine]:
    """What training renders, texts, paper and wear alike, in faces that it does not have."""
    from trocr.training.synthetic.fonts import read_faces
    from trocr.training.synthetic.lines import SyntheticLines
    from trocr.training.synthetic.texts import TextSource

    source = SyntheticLines(
        read_faces(config.folder / section.fonts, section.kind, part),
        TextSource(
            config.folder / section.texts,
            section.mixture,
            section.languages,
            config.model.characters,
        ),
        SEED,
    )
    for index in range(LINES):
        grey, text = source.line(index)
        yield LabelledLine.of(f"{index:06}", grey, text)


def noise_crops(number: int) -> Iterator[LabelledLine]:
    """Paper, noise, smudges, rules and strokes as in training, from another seed."""
    for index in range(LINES):
        generator = np.random.default_rng((SEED, number, index))
        yield LabelledLine.of(f"noise_{index:06}", blank_crop((20, 81), generator), "")


def paper_crops() -> Iterator[LabelledLine]:
    """Margins, folds, grids, table edges and bar codes of real pages, chosen by eye."""
    rows = [row.split("\t") for row in PAPER.read_text(encoding="utf-8").splitlines()[1:]]
    boxes = {(page, int(x), int(y), int(x) + int(w), int(y) + int(h)) for page, x, y, w, h in rows}
    with tarfile.open(PAGES) as archive:
        for member in archive:
            page = PurePosixPath(member.name)
            of_page = sorted(box for box in boxes if page.name == f"{box[0]}.jpg")
            stream = archive.extractfile(member) if of_page else None
            if stream is None:
                continue
            picture = Image.open(stream).convert("L")
            for number, (name, *box) in enumerate(of_page):
                yield LabelledLine.of(f"{name}_{number}", picture.crop(tuple(box)), "")
