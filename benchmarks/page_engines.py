"""Readers of whole pages with one thread each, behind one signature."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from engines import (
    present,
    rapidocr_label,
    single_threaded_rapidocr,
    tesseract_label,
    tesseract_output,
)
from PIL import Image

import trocr
from trocr.document import Line, Page, rectangle
from trocr.pipeline import read_each

Read = Callable[[bytes, str], list[Line]]  # an encoded page, the language as Tesseract names it
LINE, WORD = "4", "5"  # Tesseract's levels


@dataclass(frozen=True)
class PageEngine:
    """``label`` has name and version; ``read`` gives lines with text and outline, in order."""

    label: str
    model: str
    read: Read


def trocr_pages(label: str, name: str, folder: str) -> PageEngine:
    """Our pipeline with one of our models, on the CPU; ``folder`` may also be a bundled name."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the detector's
    torch.set_num_threads(1)
    reader = trocr.load(folder, device="cpu")

    def read(picture: bytes, language: str) -> list[Line]:
        pages = [page for page in read_each(picture, model=reader) if isinstance(page, Page)]
        return [line for page in pages for line in page.lines if line.text]

    return PageEngine(label, name, read)


def rapidocr_pages() -> PageEngine:
    """RapidOCR as ``RapidOCR()`` reads a page: detector, classifier of turns, recogniser."""
    engine = single_threaded_rapidocr()

    def read(picture: bytes, language: str) -> list[Line]:
        output = engine(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[..., ::-1])
        if not output.txts:
            return []
        boxes = np.asarray(output.boxes, float)
        return [
            Line(text, tuple((float(x), float(y)) for x, y in box))
            for text, box in zip(output.txts, boxes, strict=True)
        ]

    return PageEngine(rapidocr_label(), "PP-OCRv6 small", read)


def tesseract_pages() -> PageEngine:
    """The ``tesseract`` binary, ``--psm 3``, a process for each page; a crash reads nothing."""

    def read(picture: bytes, language: str) -> list[Line]:
        with tempfile.NamedTemporaryFile() as file:
            file.write(picture)
            file.flush()
            try:
                table = tesseract_output(file.name, "-", "--psm", "3", "-l", language, "tsv")
            except subprocess.CalledProcessError:
                return []
        return tesseract_lines(table)

    return PageEngine(tesseract_label(), "eng, fra", read)


def tesseract_lines(table: str) -> list[Line]:
    """The lines with text of Tesseract's TSV."""
    rows = csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
    cells = [row for row in rows if row["level"] in (LINE, WORD)]
    numbers = ("page_num", "block_num", "par_num", "line_num")
    lines = []
    for _, group in groupby(cells, key=lambda row: [row[number] for number in numbers]):
        line, *words = group
        text = " ".join(" ".join(word["text"] for word in words).split())
        if text:
            lines.append(Line(text, rectangle(_box(line))))
    return lines


def _box(row: Mapping[str, str]) -> tuple[int, int, int, int]:
    left, top, width, height = (int(row[name]) for name in ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def page_peers() -> list[PageEngine]:
    """Those of pages that are present."""
    return present(rapidocr_pages, tesseract_pages)
