"""Crops of lines: level, whole, and with nothing of other lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from trocr.document import Line, Point, rectangle
from trocr.errors import UsageError
from trocr.layout.crops import Crop, cut

PAPER, RED, BLUE = (240, 238, 230), (200, 20, 20), (20, 20, 200)


def page(width: int = 400, height: int = 200) -> Image.Image:
    return Image.new("RGB", (width, height), PAPER)


def hatch(image: Image.Image, corners: Sequence[Point], colour: tuple[int, int, int]) -> None:
    """Fill an outline by a third: as in text, most of a line is paper."""
    mask = Image.new("1", image.size)
    ImageDraw.Draw(mask).polygon(list(corners), fill=1)
    y, x = np.indices((image.height, image.width)) // 3
    image.paste(colour, mask=Image.fromarray(np.asarray(mask) & ((x + y) % 3 == 0)))


def where(image: Image.Image, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns that are nearer to that colour than to the others."""
    pixels = np.asarray(image, int)
    distances = [np.abs(pixels - each).sum(axis=2) for each in (colour, PAPER, RED, BLUE)]
    return np.nonzero(distances[0] == np.min(distances, axis=0))


def assert_maps_back(crop: Crop, image: Image.Image, colour: tuple[int, int, int]) -> None:
    """What has the colour in the crop has it on the page, where the crop says that it is."""
    rows, columns = where(crop.image, colour)
    assert len(rows)
    for row, column in list(zip(rows.tolist(), columns.tolist(), strict=True))[::37]:
        x, y = crop.to_page(column + 0.5, row + 0.5)
        near = image.crop((int(x) - 1, int(y) - 1, int(x) + 2, int(y) + 2))
        assert len(where(near, colour)[0])


def bar(left: Point, length: float, height: float, degrees: float) -> tuple[Point, ...]:
    """Corners of a bar that falls to the right, clockwise from the top left."""
    angle = math.radians(degrees)
    along = length * math.cos(angle), length * math.sin(angle)
    down = -height * math.sin(angle), height * math.cos(angle)
    x, y = left
    return (
        (x, y),
        (x + along[0], y + along[1]),
        (x + along[0] + down[0], y + along[1] + down[1]),
        (x + down[0], y + down[1]),
    )


@pytest.mark.parametrize("degrees", [0, 12, -20, 90, 180, -90])
@pytest.mark.parametrize("has_baseline", [True, False])
def test_a_line_is_turned_until_it_is_level(degrees: float, has_baseline: bool) -> None:
    if not has_baseline and abs(degrees) > 45:
        pytest.skip("without a baseline nothing tells where such a line begins")
    image = page(500, 500)
    corners = bar((250, 250), 180, 24, degrees)
    hatch(image, corners, RED)
    start = bar((250, 250), 20, 24, degrees)
    hatch(image, start, BLUE)
    crop = cut(image, Line("", corners, corners[:1:-1] if has_baseline else ()))
    rows, columns = where(crop.image, RED)
    assert np.ptp(rows) == pytest.approx(23, abs=3)
    assert np.ptp(columns) == pytest.approx(159, abs=4)
    assert where(crop.image, BLUE)[1].max() <= columns.min() + 2
    assert crop.image.height == pytest.approx(24 * 1.16 + 2, abs=3)
    assert_maps_back(crop, image, RED)


def test_an_outline_without_baseline_may_begin_at_any_corner() -> None:
    image = page()
    hatch(image, rectangle((50, 80, 250, 100)), RED)
    corners = rectangle((50, 80, 251, 101))
    for first in range(4):
        crop = cut(image, Line("", corners[first:] + corners[:first]))
        assert crop.image.width > 200 > 40 > crop.image.height


def test_neighbours_are_painted_over_and_the_line_is_not() -> None:
    image = page()
    for top, colour in ((40, BLUE), (64, RED), (88, BLUE)):
        hatch(image, bar((30, top), 300, 20, 3), colour)
    corners = bar((30, 63), 300, 22, 3)
    crop = cut(image, Line("", corners, (corners[3], corners[2])))
    assert not len(where(crop.image, BLUE)[0])
    assert len(where(crop.image, RED)[0]) == pytest.approx(len(where(image, RED)[0]), rel=0.03)


def test_a_bent_line_is_cut_along_its_outline() -> None:
    image = page()
    x = np.arange(30, 371, 10)
    upper = 80 - 0.0012 * (x - 200.0) ** 2
    top, bottom = (
        [(float(a), float(b)) for a, b in zip(x, edge, strict=True)] for edge in (upper, upper + 20)
    )
    hatch(image, [*top, *bottom[::-1]], RED)
    hatch(image, rectangle((150, 30, 250, 62)), BLUE)  # of the line above, in the hollow
    hatch(image, rectangle((150, 110, 250, 130)), BLUE)
    crop = cut(image, Line("", (*top, *bottom[::-1]), tuple(bottom)))
    assert len(where(crop.image, RED)[0]) == pytest.approx(len(where(image, RED)[0]), rel=0.03)
    assert not len(where(crop.image, BLUE)[0])
    assert crop.to_page(0, 0)[1] - crop.to_page(crop.image.width, 0)[1] == pytest.approx(0, abs=2)


def test_a_line_at_the_edge_of_the_page_is_whole() -> None:
    image = page()
    hatch(image, rectangle((0, 0, 399, 19)), RED)
    crop = cut(image, Line("", rectangle((0, 0, 400, 20)), ((0, 16), (400, 16))))
    assert len(where(crop.image, RED)[0]) == len(where(image, RED)[0])
    assert_maps_back(crop, image, RED)


def test_of_an_outline_beyond_the_page_its_part_on_the_page_is_cut() -> None:
    image = page()
    hatch(image, rectangle((300, 150, 399, 199)), RED)
    crop = cut(image, Line("", rectangle((300, 150, 90_000, 60_000))))
    assert crop.image.width < 120
    assert crop.image.height < 70
    assert len(where(crop.image, RED)[0]) == len(where(image, RED)[0])
    nothing = cut(image, Line("", rectangle((900, 900, 990, 920))))
    assert min(nothing.image.size) >= 1


@pytest.mark.parametrize("box", [(40, 50, 41, 51), (40, 50, 240, 51), (40, 50, 41, 90)])
def test_a_line_of_one_pixel_has_a_crop(box: tuple[int, int, int, int]) -> None:
    image = page()
    image.paste(RED, box)
    crop = cut(image, Line("", rectangle(box)))
    assert min(crop.image.size) >= 3
    assert len(where(crop.image, RED)[0]) == (box[2] - box[0]) * (box[3] - box[1])


def test_a_line_whose_place_is_unknown_is_refused() -> None:
    with pytest.raises(UsageError, match="without a polygon"):
        cut(page(), Line(""))
