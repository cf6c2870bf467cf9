"""Made-up lines as a labelled set and on a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
from PIL import Image, ImageDraw, ImageFont

from ...labelled_lines import LabelledLine
from .lines import SyntheticLines

LINES_AT_ONCE = 64  # that a process is given
COLUMNS, CELL_WIDTH, LINE_HEIGHT, CAPTION = 3, 560, 56, 18  # of a contact sheet, in pixels


def labelled_lines(source: SyntheticLines, count: int, processes: int) -> Iterator[LabelledLine]:
    """Lines 0 to ``count`` - 1 as PNG, in order; they do not depend on ``processes``."""
    if processes == 1:
        _start(source)
        yield from map(_labelled_line, range(count))
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (source,)) as pool:
        yield from pool.map(_labelled_line, range(count), chunksize=LINES_AT_ONCE)


_source: SyntheticLines  # of this process


def _start(source: SyntheticLines) -> None:
    global _source
    cv2.setNumThreads(0)
    _source = source


def _labelled_line(index: int) -> LabelledLine:
    grey, text = _source.line(index)
    return LabelledLine.of(f"{index:07}", grey, text)


def contact_sheet(lines: Sequence[tuple[Image.Image, str]], caption_font: Path) -> Image.Image:
    """Pictures in columns, each with its label beneath."""
    font = ImageFont.truetype(caption_font, CAPTION - 5)
    rows = -(-len(lines) // COLUMNS)
    cell_height = LINE_HEIGHT + CAPTION + 6
    sheet = Image.new("RGB", (COLUMNS * CELL_WIDTH, rows * cell_height), "#707070")
    pen = ImageDraw.Draw(sheet)
    for index, (grey, text) in enumerate(lines):
        left, top = index % COLUMNS * CELL_WIDTH + 4, index // COLUMNS * cell_height + 4
        small = grey.copy()
        small.thumbnail((CELL_WIDTH - 8, LINE_HEIGHT))
        sheet.paste(small, (left, top))
        pen.text((left, top + small.height + 1), text or "(blank)", "white", font)
    return sheet
