"""Ink of a line, boxes around it, and where prepared pixels lie on a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from trocr.align.boxes import character_boxes, find_ink
from trocr.image_processor import DeiTImageProcessor, ViTImageProcessor
from trocr.line_image import LineImageProcessor, Placement, straightened

GLYPHS = [(10, 10, 20, 30), (24, 10, 40, 30), (60, 10, 80, 36), (84, 16, 100, 30)]
WORDS = [0, 0, 1, 1]


def drawing(*boxes, size=(120, 44)) -> Image.Image:
    picture = Image.new("L", size, 230)
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), fill=20)
    return picture


def whole(picture: Image.Image) -> Placement:
    return Placement(picture.width, 0, picture.width, 0, picture.height)


def boxes_of(picture: Image.Image, middles=(15, 32, 70, 92), words=WORDS):
    return character_boxes(find_ink(picture, whole(picture)), np.array(middles, float), words)


def test_boxes_are_those_of_the_ink():
    assert boxes_of(drawing(*GLYPHS)) == GLYPHS


@pytest.mark.parametrize("shift", [-4, 4])
def test_middles_may_be_off(shift):
    middles = np.array((15, 32, 70, 92)) + shift
    assert boxes_of(drawing(*GLYPHS), middles) == GLYPHS


def test_a_dot_above_belongs_to_its_letter():
    found = boxes_of(drawing(*GLYPHS, (88, 9, 92, 13)))
    assert found[3] == (84, 9, 100, 30)


def test_ink_of_other_lines_is_left_out():
    others = [(30, 0, 34, 5), (70, 41, 78, 44)]
    assert boxes_of(drawing(*GLYPHS, *others)) == GLYPHS


def test_rules_and_specks_are_left_out():
    assert boxes_of(drawing(*GLYPHS, (2, 38, 118, 40), (50, 20, 51, 21))) == GLYPHS


def test_touching_letters_are_cut_where_the_ink_is_thin():
    found = boxes_of(drawing(*GLYPHS, (18, 27, 26, 30)))
    assert found[0][2] == found[1][0]
    assert 20 <= found[0][2] <= 24


def test_joined_words_are_cut_as_well():
    found = boxes_of(drawing(*GLYPHS, (38, 27, 62, 30)))
    assert 32 < found[1][2] <= found[2][0] < 70


def test_a_character_without_ink_stays_between_its_neighbours():
    found = boxes_of(drawing(*GLYPHS), (15, 32, 50, 70, 92), [0, 0, 1, 2, 2])
    assert [found[i] for i in (0, 1, 3, 4)] == GLYPHS
    left, top, right, bottom = found[2]
    assert 40 <= left < right <= 60
    assert top < bottom


@pytest.mark.parametrize("count", [1, 40])
def test_a_picture_without_ink_gives_boxes_inside(count):
    picture = Image.new("L", (30, 20), 255)
    found = boxes_of(picture, np.linspace(0, 30, count), [0] * count)
    for left, top, right, bottom in found:
        assert 0 <= left < right <= 30
        assert 0 <= top < bottom <= 20


def test_tall_pictures_are_reduced_and_boxes_are_not():
    scale = 5
    large = drawing(*(tuple(scale * side for side in box) for box in GLYPHS), size=(603, 223))
    found = boxes_of(large, np.array((15, 32, 70, 92)) * scale)
    expected = np.array(GLYPHS) * scale
    assert np.abs(np.array(found) - expected).max() <= 3


def test_the_placement_of_a_straightened_line_finds_the_rows_that_were_kept():
    """A mark drawn on a rising line is found again in the prepared picture, where it should be."""
    width, height, rise = 600, 90, 30
    picture = Image.new("L", (width, height), 220)
    draw = ImageDraw.Draw(picture)
    for x in range(20, width - 20, 16):
        y = 60 - rise * x // width
        draw.rectangle((x, y - 14, x + 8, y), fill=30)
    placement = LineImageProcessor(32, straighten=True).placement(picture)
    assert placement.slope == pytest.approx(-rise / width, rel=0.2)
    level = straightened(picture)
    assert level.height == placement.bottom - placement.top
    for x in (24, 312, 568):
        column = 255 - np.asarray(level, float)[:, x]
        row = (column * (column > 100) * np.arange(level.height)).sum() / (
            column * (column > 100)
        ).sum()
        original = 255 - np.asarray(picture, float)[:, x]
        expected = (original * (original > 100) * np.arange(height)).sum() / (
            original * (original > 100)
        ).sum()
        back = row + placement.top + placement.slope * (x + 0.5 - width / 2)
        assert back == pytest.approx(expected, abs=1)


def test_the_prepared_width_is_the_placements():
    for straighten in (False, True):
        processor = LineImageProcessor(32, 512, straighten)
        for size in ((300, 50), (3000, 40), (20, 70)):
            picture = drawing((5, 5, 12, 12), size=size)
            assert processor.placement(picture).width == processor.preprocess(picture).shape[1]


def test_a_centred_crop_shows_the_middle():
    picture = Image.new("RGB", (400, 200))
    size, crop = {"height": 100, "width": 100}, {"height": 80, "width": 50}
    placement = DeiTImageProcessor(size=size, crop_size=crop).placement(picture)
    assert (placement.left, placement.right) == (100, 300)
    assert (placement.top, placement.bottom, placement.width) == (20, 180, 50)
    placement = ViTImageProcessor(size=size).placement(picture)
    assert (placement.left, placement.right, placement.bottom) == (0, 400, 200)
