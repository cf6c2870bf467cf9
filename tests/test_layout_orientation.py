from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from trocr.document import Line, Polygon, rectangle
from trocr.layout.orientation import is_upside_down, quarter_turn, skew_of

PROSE = "Reading order is not a matter of taste but of columns, gaps and the habits of printers."


def sheet(width: int = 900, height: int = 1200) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), (235, 232, 224))
    return image, ImageDraw.Draw(image)


def prose() -> Image.Image:
    image, draw = sheet()
    for row in range(24):
        draw.text(
            (80, 90 + 40 * row), PROSE[row:] + PROSE[:row], "black", ImageFont.load_default(18)
        )
    return image


def receipt() -> Image.Image:
    image, draw = sheet(500, 1200)
    font = ImageFont.load_default(20)
    for row in range(18):
        draw.text((60, 120 + 44 * row), f"{row} ITEM {row**3}"[: 8 + row % 4], "black", font)
        draw.text((380, 120 + 44 * row), f"{row * 1.07:.2f}", "black", font)
    return image


def table() -> Image.Image:
    image, draw = sheet()
    font = ImageFont.load_default(18)
    for row in range(21):
        draw.line((70, 100 + 45 * row, 830, 100 + 45 * row), "black", 3)
    for column in range(6):
        draw.line((70 + 152 * column, 100, 70 + 152 * column, 1000), "black", 3)
        for row in range(20):
            draw.text(
                (85 + 152 * column, 112 + 45 * row), f"{row * 977 + column * 31}", "black", font
            )
    return image


def sparse() -> Image.Image:
    image, draw = sheet()
    for row, text in enumerate(("Minutes of the meeting", "held on the ninth of May", "in London")):
        draw.text((180 + 90 * row, 300 + 90 * row), text, "black", ImageFont.load_default(24))
    return image


PAGES = [prose, receipt, table, sparse]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("skew", [-3, 0, 3])
def test_rows_that_stand_are_told_from_rows_that_lie(
    page: Callable[[], Image.Image], skew: int
) -> None:
    image = page().rotate(skew, Image.Resampling.BILINEAR, fillcolor=(235, 232, 224))
    for turn in (0, 90, 180, 270):
        assert quarter_turn(image.rotate(turn, expand=True)) == turn % 180


def test_light_text_on_a_dark_page() -> None:
    image = Image.eval(prose(), lambda level: 255 - level)
    assert quarter_turn(image) == 0
    assert quarter_turn(image.rotate(90, expand=True)) == 90


@pytest.mark.parametrize("size", [(900, 1200), (1200, 900), (1, 1), (3, 900)])
def test_a_page_without_rows_stays_as_it_is(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size[::-1]).astype(np.uint8)
    assert quarter_turn(Image.fromarray(noise)) == 0
    assert quarter_turn(Image.new("RGB", size, "white")) == 0


def sloping(degrees: float, length: float, top: float) -> Polygon:
    rise = math.tan(math.radians(degrees)) * length
    return ((50, top), (50 + length, top + rise), (50 + length, top + rise + 20), (50, top + 20))


@pytest.mark.parametrize("degrees", [-5.0, -1.2, 0.0, 0.4, 3.0, 20.0])
def test_skew_from_outlines_and_from_baselines(degrees: float) -> None:
    outlines = [sloping(degrees, 700 - 30 * row, 100 + 40 * row) for row in range(9)]
    assert skew_of([Line("", outline) for outline in outlines]) == pytest.approx(degrees, abs=0.05)
    with_baselines = [
        Line("", rectangle((0, 0, 400, 20)), baseline=(outline[3], outline[2]))
        for outline in outlines
    ]
    assert skew_of(with_baselines) == pytest.approx(degrees, abs=1e-6)


def test_skew_is_that_of_most_of_the_text() -> None:
    lines = [Line("", sloping(2, 700, 100 + 40 * row)) for row in range(5)]
    stray = [Line("", sloping(-30, 100, 600 + 30 * row)) for row in range(8)]
    standing = [Line("", rectangle((900, 100, 920, 1000))) for _ in range(20)]
    stubs = [Line("", sloping(40, 15, 900)) for _ in range(50)]
    assert skew_of(lines + stray + standing + stubs) == pytest.approx(2, abs=0.05)


def test_skew_of_lines_that_tell_nothing_is_none() -> None:
    nowhere = Line("a")
    point = Line("b", ((5, 5), (5, 5), (5, 5)), baseline=((5, 5), (5, 5)))
    assert skew_of([]) == 0.0
    assert skew_of([nowhere, point, Line("c", rectangle((0, 0, 20, 20)))]) == 0.0


GOOD = [("Dear Mrs. Schmolka,", 0.93), ("10th August, 1938.", 0.98), ("decision.", 0.9)]
BAD = [("'eyIowyos •sjW Je0", 0.06), ("8861 'qsnany", 0.09), ("", 0.4)]


def test_clearly_better_readings_say_upside_down() -> None:
    assert is_upside_down(upright=BAD, turned=GOOD)
    assert not is_upside_down(upright=GOOD, turned=BAD)


def test_upright_where_readings_do_not_tell() -> None:
    assert not is_upside_down([], [])
    assert not is_upside_down(GOOD, GOOD)
    assert not is_upside_down([("", 0.0)], [("..", 0.9)])
    faint = [("ty tns fln aefo", 0.01)] * 5
    assert not is_upside_down(faint, [("wcks lageee", 0.015)] * 5)


def test_more_lines_need_less_evidence_each() -> None:
    upright, turned = [("some words", 0.2)], [("more words", 0.6)]
    assert not is_upside_down(upright, turned)
    assert is_upside_down(upright * 4, turned * 4)


def test_one_short_line_does_not_outvote_the_others() -> None:
    upright = [("a long line of text", 0.9)] * 3 + [("I", 0.01)]
    turned = [("7xa1 10 aun 6uo1 e", 0.3)] * 3 + [("I", 0.99)]
    assert not is_upside_down(upright, turned)
