"""Lines found on drawn pages by the detector that needs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from trocr.document import Box, Line
from trocr.layout import find_lines
from trocr.layout.boxes import text_box
from trocr.layout.orientation import quarter_turn, skew_of
from trocr.layout.page_ink import ink_of
from trocr.layout.tall import single_lines

EXAMPLE = Path(__file__).parents[1] / "examples" / "receipt-line.png"
PROSE = "Reading order is a matter of columns, gaps and habits of printers"
PAPER = (236, 233, 226)


class Sheet:
    """A page and the boxes of the ink of the lines drawn on it."""

    def __init__(self, width: int = 800, height: int = 600) -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.boxes: list[Box] = []

    def text(self, left: int, top: int, text: str, size: float = 20) -> Box:
        font = ImageFont.load_default(size)
        self.draw.text((left, top), text, (30, 30, 40), font)
        box = tuple(round(edge) for edge in self.draw.textbbox((left, top), text, font))
        self.boxes.append(box)
        return box


def found_on(image: Image.Image) -> tuple[Line, ...]:
    return find_lines(image, detector="plain")


def box_of(line: Line) -> Box:
    assert line.box is not None
    return line.box


def iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def assert_found(lines: Sequence[Line], boxes: Sequence[Box], least: float = 0.6) -> None:
    """Each box by one line of its own, and no other lines."""
    assert len(lines) == len(boxes)
    for box in boxes:
        assert max(iou(box_of(line), box) for line in lines) >= least, box


def paragraph(sheet: Sheet, left: int, rows: int, letters: int = 60, top: int = 60) -> None:
    for row in range(rows):
        sheet.text(left, top + 34 * row, (PROSE[row:] + " " + PROSE)[:letters].strip())


def test_words_are_joined_into_lines_from_top_to_bottom() -> None:
    sheet = Sheet()
    paragraph(sheet, 60, 8)
    lines = found_on(sheet.image)
    assert_found(lines, sheet.boxes)
    for line, box in zip(lines, sheet.boxes, strict=True):
        assert iou(box_of(line), box) > 0.6
        feet = np.mean([y for _, y in line.baseline])
        assert box[3] - 9 <= feet <= box[3] + 2  # the box reaches to the descenders


def test_two_columns_are_not_joined_across_their_gutter() -> None:
    sheet = Sheet(1000, 700)
    for left in (60, 540):
        paragraph(sheet, left, 12, letters=40)
    assert_found(found_on(sheet.image), sheet.boxes)


def test_an_item_and_its_price_are_one_line() -> None:
    sheet = Sheet(500, 700)
    rows: list[Box] = []
    for row, item in enumerate(("COFFEE BEANS", "MILK", "BROWN SUGAR", "RICE 5 KG", "TOTAL")):
        item_box = sheet.text(40, 80 + 44 * row, item, 22)
        price = sheet.text(380, 80 + 44 * row, f"{row * 7 + 3.05:.2f}", 22)
        tops, bottoms = zip(item_box[1::2], price[1::2], strict=True)
        rows.append((item_box[0], min(tops), price[2], max(bottoms)))
    assert_found(found_on(sheet.image), rows)


def test_ruled_paper_gives_no_lines_of_its_own() -> None:
    sheet = Sheet(800, 700)
    for y in range(50, 700, 34):
        sheet.draw.line((0, y, 800, y), (150, 170, 210), 2)
    sheet.draw.line((50, 0, 50, 700), (220, 120, 120), 2)
    paragraph(sheet, 80, 9)
    assert_found(found_on(sheet.image), sheet.boxes, 0.55)


def test_a_table_gives_a_line_for_each_of_its_rows() -> None:
    sheet = Sheet(900, 500)
    rows: list[Box] = []
    for row in range(7):
        top = 60 + 50 * row
        cells = [sheet.text(75 + 200 * at, top + 12, f"cell {row}{at} holds") for at in range(4)]
        rows.append((cells[0][0], min(c[1] for c in cells), cells[-1][2], max(c[3] for c in cells)))
        sheet.draw.rectangle((60, top, 860, top + 50), outline="black", width=2)
    for x in (260, 460, 660):
        sheet.draw.line((x, 60, x, 410), "black", 2)
    assert_found(found_on(sheet.image), rows)


@pytest.mark.parametrize("degrees", [-5, 3])
def test_lines_of_a_skewed_photo_are_followed(degrees: float) -> None:
    sheet = Sheet()
    paragraph(sheet, 90, 9, letters=56, top=120)
    photo = sheet.image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=PAPER)
    lines = found_on(photo)
    assert len(lines) == 9
    assert skew_of(lines) == pytest.approx(degrees, abs=0.5)
    centre = np.array(photo.size) / 2
    turn = math.radians(degrees)
    back = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    for line, box in zip(lines, sheet.boxes, strict=True):
        level = (np.array(line.polygon) - centre) @ back + centre
        edges = (*level.min(0), *level.max(0))
        assert iou(tuple(round(edge) for edge in edges), box) > 0.55


@pytest.mark.parametrize("turn", [90, 270])
def test_a_page_whose_rows_stand_is_found_once_it_is_turned(turn: int) -> None:
    sheet = Sheet()
    paragraph(sheet, 60, 9)
    lying = sheet.image.rotate(turn, expand=True)
    assert quarter_turn(lying) == 90
    # What stays unknown is up and down, which only reading tells.
    upright = lying.rotate(-turn, expand=True)
    assert quarter_turn(upright) == 0
    assert_found(found_on(upright), sheet.boxes)


def test_a_blank_page_has_no_lines() -> None:
    assert found_on(Image.new("RGB", (600, 800), PAPER)) == ()
    assert found_on(Image.new("RGB", (1, 1))) == ()


@pytest.mark.parametrize("spread", [8, 60])
def test_noise_has_hardly_any_lines(spread: float) -> None:
    noise = np.random.default_rng(3).normal(200, spread, (600, 500, 1)).clip(0, 255)
    page = Image.fromarray(np.repeat(noise, 3, axis=2).astype(np.uint8))
    assert found_on(page) == ()


def test_tight_lines_do_not_reach_into_each_other() -> None:
    sheet = Sheet(700, 400)
    for row in range(9):
        sheet.text(50, 60 + 23 * row, (PROSE[row:] + " jgpqy")[:50], 20)
    lines = found_on(sheet.image)
    assert len(lines) == 9
    for upper, lower in pairwise(lines):
        overlap = box_of(upper)[3] - box_of(lower)[1]
        assert overlap <= 4, "a fifth of the letters' height"


def test_boxes_of_several_lines_are_split_and_others_are_not() -> None:
    sheet = Sheet(500, 300)
    for row in range(3):
        sheet.text(60, 80 + 30 * row, "Sphinx of black quartz", 22)
    ink = ink_of(sheet.image).letters
    left, top, right, bottom = sheet.boxes[0][0], sheet.boxes[0][1], *sheet.boxes[2][2:]

    def parts(top: float, bottom: float) -> list[tuple[float, float]]:
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
        found = single_lines(text_box(corners), ink)
        return [(box.left[1] - box.height / 2, box.left[1] + box.height / 2) for box in found]

    assert len(parts(top, sheet.boxes[1][3])) == 2
    for (upper, lower), box in zip(parts(top, bottom), sheet.boxes, strict=True):
        assert upper == pytest.approx(box[1], abs=8)
        assert lower == pytest.approx(box[3], abs=8)
    assert parts(top, sheet.boxes[0][3]) == [(top, sheet.boxes[0][3])]


def test_a_picture_of_one_line_is_one_line_that_covers_its_text() -> None:
    with Image.open(EXAMPLE) as picture:
        image = picture.convert("RGB")
    (line,) = found_on(image)
    columns = np.flatnonzero(ink_of(image).mask.any(0))
    left, _, right, _ = box_of(line)
    assert left <= columns[0] + 4
    assert right >= columns[-1] - 4


def test_a_picture_of_a_few_lines_is_as_many_lines() -> None:
    sheet = Sheet(620, 110)
    for row in range(3):
        sheet.text(10, 8 + 32 * row, PROSE[row * 4 :][:48], 24)
    assert_found(found_on(sheet.image), sheet.boxes, 0.55)


def test_rapidocr_finds_the_same_lines() -> None:
    pytest.importorskip("rapidocr")
    pytest.importorskip("onnxruntime")
    sheet = Sheet(620, 320)
    paragraph(sheet, 40, 6, letters=45)
    assert_found(find_lines(sheet.image, detector="rapidocr"), sheet.boxes, 0.55)
