"""Pages of bars instead of text, and stand-ins that find and read them, in no time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trocr.document import Line, Word, rectangle
from trocr.line_result import LineResult

LEFT, BAR, PITCH = 40, 20, 60


def bar_page(*widths: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """A page with a bar for each line, of a width that is a multiple of ten.

    Bars are striped: as in text, most of a line is paper, and no stroke is long.
    """
    page = np.full((size[1], size[0]), 255, np.uint8)
    for row, width in enumerate(widths, start=1):
        top = row * PITCH
        for right, height in ((width, BAR), (BAR, BAR + 4)):  # the bar, and its foot
            bar = page[top : top + height, LEFT : LEFT + right]
            bar[:, 0::5] = bar[:, 4::5] = 0
    return Image.fromarray(page).convert("RGB")


def pdf_of(pages: Sequence[Image.Image], path: Path | None = None) -> bytes:
    """A PDF with a picture a page, whose pixels come out as they are."""
    stream = io.BytesIO()
    pages[0].save(
        stream, "PDF", save_all=True, append_images=list(pages[1:]), resolution=72, quality=95
    )
    if path:
        path.write_bytes(stream.getvalue())
    return stream.getvalue()


def find_bars(image: Image.Image, *, detector: str = "auto") -> tuple[Line, ...]:
    """Rows of dark pixels, as ``find_lines`` gives lines."""
    dark = np.asarray(image.convert("L")) < 128
    lines = []
    for is_dark, rows in groupby(enumerate(dark.any(axis=1)), key=lambda row: bool(row[1])):
        if is_dark:
            numbers = [number for number, _ in rows]
            columns = np.flatnonzero(dark[numbers].any(axis=0))
            box = (int(columns[0]), numbers[0], int(columns[-1]) + 1, numbers[-1] + 1)
            lines.append(Line("", rectangle(box), ((box[0], box[3]), (box[2], box[3]))))
    return tuple(lines)


class BarReader:
    """Reads a bar as its width in tens; sure of it if its foot is where it should be."""

    name = "bars"

    def __init__(self) -> None:
        self.calls: list[int] = []  # lines in each
        self.options: dict[str, Any] = {}

    def read_lines(self, images: Sequence[Image.Image], **options: Any) -> list[LineResult]:
        self.calls.append(len(images))
        self.options = options
        return [self._read(image) for image in images]

    def _read(self, image: Image.Image) -> LineResult:
        dark = np.asarray(image.convert("L")) < 128
        if not dark.any():
            return LineResult("", 1.0, "blank")
        rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        lowest = dark[rows[-1]]  # of an upright bar just its foot, on the left
        is_upright = lowest[columns[0]] and not lowest[columns[-1]]
        text = str(round((box[2] - box[0]) / 10) * 10)
        sure = 0.9 if is_upright else 0.1
        return LineResult(text, sure, "eos", words=(Word(text, box, sure),))
