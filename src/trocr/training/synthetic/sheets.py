"""Made-up lines on disk and on a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
from PIL import Image, ImageDraw, ImageFont

from ...labelled_lines import LabelledLine
from .fonts import read_faces
from .lines import SyntheticLines
from .texts import TextSource

LINES_AT_ONCE = 64
COLUMNS, CELL_WIDTH, LINE_HEIGHT, CAPTION = 3, 560, 56, 18  # of a contact sheet, in pixels


@dataclass(frozen=True)
class Recipe:
    """What decides every line of a set: see ``SyntheticLines``, ``read_faces``, ``TextSource``."""

    fonts: Path
    texts: Path
    kind: str | None = None
    part: str = "train"
    seed: int = 0
    blank_share: float = 0.0

    def caption_font(self) -> Path:
        """A printed face with many characters, where there is one."""
        faces = read_faces(self.fonts, None, self.part)
        return max(faces, key=lambda face: (face.kind == "print", len(face.characters))).path

    def lines(self) -> SyntheticLines:
        faces = read_faces(self.fonts, self.kind, self.part)
        return SyntheticLines(faces, TextSource(self.texts), self.seed, self.blank_share)


def labelled_lines(recipe: Recipe, count: int, processes: int) -> Iterator[LabelledLine]:
    """Lines 0 to ``count`` - 1 as PNG, in order; they do not depend on ``processes``."""
    if processes == 1:
        _start(recipe)
        yield from map(_labelled_line, range(count))
        return
    recipe.lines()  # what is wrong with it is better said here than in a pool
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (recipe,)) as pool:
        yield from pool.map(_labelled_line, range(count), chunksize=LINES_AT_ONCE)


_made: SyntheticLines  # of this process


def _start(recipe: Recipe) -> None:
    global _made
    cv2.setNumThreads(0)
    _made = recipe.lines()


def _labelled_line(index: int) -> LabelledLine:
    grey, text = _made.line(index)
    stream = io.BytesIO()
    grey.save(stream, "PNG")
    return LabelledLine(f"images/{index:07}.png", stream.getvalue(), text)


def contact_sheet(lines: Sequence[tuple[Image.Image, str]], caption_font: Path) -> Image.Image:
    """Pictures in columns, each with its label beneath."""
    font = ImageFont.truetype(caption_font, CAPTION - 5)
    rows = -(-len(lines) // COLUMNS)
    cell_height = LINE_HEIGHT + CAPTION + 6
    sheet = Image.new("RGB", (COLUMNS * CELL_WIDTH, max(1, rows) * cell_height), "#707070")
    pen = ImageDraw.Draw(sheet)
    for index, (grey, text) in enumerate(lines):
        left, top = index % COLUMNS * CELL_WIDTH + 4, index // COLUMNS * cell_height + 4
        grey.thumbnail((CELL_WIDTH - 8, LINE_HEIGHT))
        sheet.paste(grey, (left, top))
        pen.text((left, top + grey.height + 1), text or "(blank)", "white", font)
    return sheet
