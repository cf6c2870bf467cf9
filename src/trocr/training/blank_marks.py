"""Marks on a page that are no letters, drawn on a grey picture in place."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point = tuple[float, float]


def rule(picture: Image.Image, generator: np.random.Generator) -> None:
    """Lines from edge to edge: rules, a box's side, the shadow of a fold."""
    width, height = picture.size
    pen, ink = ImageDraw.Draw(picture), _ink(generator)
    upright = generator.random() < 0.3
    tilt = generator.normal(0, 0.01) * (height if upright else width)
    for _ in range(int(generator.integers(1, 4))):
        thickness = int(generator.integers(1, 5))
        if upright:
            x = generator.uniform(0, width)
            pen.line((x, -1, x + tilt, height), ink, thickness)
        else:
            y = generator.uniform(0, height)
            pen.line((-1, y, width, y + tilt), ink, thickness)


def hatching(picture: Image.Image, generator: np.random.Generator) -> None:
    width, height = picture.size
    pen, ink = ImageDraw.Draw(picture), _ink(generator)
    lean = generator.uniform(-1.5, 1.5) * height
    spacing, thickness = generator.uniform(3, 12), int(generator.integers(1, 3))
    crossed = generator.random() < 0.4
    for x in np.arange(-2 * height, width + 2 * height, spacing):
        shaken = x + generator.normal(0, 0.1 * spacing)
        pen.line((shaken, height, shaken + lean, 0), ink, thickness)
        if crossed:
            pen.line((shaken, 0, shaken + lean, height), ink, thickness)


def box_corner(picture: Image.Image, generator: np.random.Generator) -> None:
    """A corner of a frame, or a whole empty frame, larger than any letter."""
    width, height = picture.size
    inset = generator.uniform(0, 0.3, 4) * height
    beyond = [2.0 * width if generator.random() < 0.5 else 0.0 for _ in range(4)]
    box = (
        inset[0] - beyond[0],
        inset[1] - beyond[1],
        max(inset[0] + 1, width - inset[2]) + beyond[2],
        max(inset[1] + 1, height - inset[3]) + beyond[3],
    )
    ImageDraw.Draw(picture).rectangle(
        box, outline=_ink(generator), width=int(generator.integers(1, 4))
    )


def table_grid(picture: Image.Image, generator: np.random.Generator) -> None:
    width, height = picture.size
    pen, ink = ImageDraw.Draw(picture), _ink(generator)
    thickness = int(generator.integers(1, 3))
    row, column = generator.uniform(0.3, 1.2) * height, generator.uniform(0.5, 4) * height
    for y in np.arange(generator.uniform(0, row), height, row):
        pen.line((0, y, width, y), ink, thickness)
    for x in np.arange(generator.uniform(0, column), width, column):
        pen.line((x, 0, x, height), ink, thickness)


def stain(picture: Image.Image, generator: np.random.Generator) -> None:
    """Spots with soft edges, some of them rings."""
    width, height = picture.size
    dark = Image.new("L", picture.size)
    pen = ImageDraw.Draw(dark)
    for _ in range(int(generator.integers(1, 5))):
        x, y = generator.uniform((0, 0), (width, height))
        across, along = generator.uniform(0.1, 0.9, 2) * height
        box = (x - across, y - along, x + across, y + along)
        depth = int(generator.integers(20, 130))
        if generator.random() < 0.4:
            pen.ellipse(box, outline=depth, width=int(generator.integers(2, 6)))
        else:
            pen.ellipse(box, fill=depth)
    soft = dark.filter(ImageFilter.GaussianBlur(generator.uniform(0.8, 4)))
    picture.paste(ImageChops.subtract(picture, soft))


def staple(picture: Image.Image, generator: np.random.Generator) -> None:
    """A bright wire longer than any dash, and its shadow."""
    width, height = picture.size
    x, y = generator.uniform((0, 0.2 * height), (width, 0.8 * height))
    length, angle = generator.uniform(1.2, 2.5) * height, generator.normal(0, 0.5)
    end = (x + length * np.cos(angle), y + length * np.sin(angle))
    pen = ImageDraw.Draw(picture)
    pen.line((x + 2, y + 2, end[0] + 2, end[1] + 2), 70, 2)
    pen.line((x, y, *end), int(generator.integers(120, 230)), 3)


def punch_hole(picture: Image.Image, generator: np.random.Generator) -> None:
    """A disc too large for a full stop, partly outside now and then."""
    width, height = picture.size
    x, y = generator.uniform((0, 0), (width, height))
    radius = generator.uniform(0.3, 0.8) * height
    fill = int(generator.choice([generator.integers(0, 60), generator.integers(200, 256)]))
    ImageDraw.Draw(picture).ellipse(
        (x - radius, y - radius, x + radius, y + radius), fill, outline=_ink(generator)
    )


def page_edge(picture: Image.Image, generator: np.random.Generator) -> None:
    """Beyond a slanted, perhaps torn edge there is the desk, or the scanner's lid."""
    width, height = picture.size
    count = int(generator.integers(2, 12))
    torn = generator.normal(0, 0.04 * height, count)
    if generator.random() < 0.5:
        start, end = generator.uniform(0.1, 0.9, 2) * height
        ys = np.linspace(start, end, count) + torn
        edge: list[Point] = list(zip(np.linspace(-1, width, count), ys, strict=True))
        far = height + 1 if generator.random() < 0.5 else -1
        corners: list[Point] = [(width, far), (-1, far)]
    else:
        x = generator.uniform(0, width)
        xs = x + np.linspace(0, generator.normal(0, 0.2) * height, count) + torn
        edge = list(zip(xs, np.linspace(-1, height, count), strict=True))
        far = width + 1 if generator.random() < 0.5 else -1
        corners = [(far, height), (far, -1)]
    desk = int(generator.integers(0, 256))
    ImageDraw.Draw(picture).polygon(edge + corners, desk, int(generator.integers(0, 150)))


def scribble(picture: Image.Image, generator: np.random.Generator) -> None:
    """A pen going to and fro too often for any letter."""
    width, height = picture.size
    turns = int(generator.integers(14, 50))
    start, reach = generator.uniform(0, 0.7 * width), generator.uniform(0.6, 3) * height
    steps = np.linspace(0, generator.uniform(0.2, 1) * reach, turns)
    xs = start + steps + generator.normal(0, 0.25 * height, turns)
    middle, swing = generator.uniform(0.3, 0.7) * height, generator.uniform(0.2, 0.6) * height
    ys = middle + swing * np.where(np.arange(turns) % 2, 1, -1) * generator.uniform(0.3, 1, turns)
    points = list(zip(xs.tolist(), ys.tolist(), strict=True))
    ImageDraw.Draw(picture).line(
        points, _ink(generator), int(generator.integers(1, 4)), joint="curve"
    )


def barcode(picture: Image.Image, generator: np.random.Generator) -> None:
    """Bars from above the crop to below it."""
    width, height = picture.size
    module = generator.uniform(1.0, 3.0)
    widths = generator.integers(1, 5, int(width / (2.5 * module)) + 2) * module
    edges = np.cumsum(widths)
    quiet = generator.uniform(0, 0.2) * width
    pen, ink = ImageDraw.Draw(picture), int(generator.integers(0, 80))
    for left, right in zip(edges[::2], edges[1::2], strict=False):
        if quiet < left < width - quiet:
            pen.rectangle((left, -1, max(left, right - 1), height), ink)


def matrix_code(picture: Image.Image, generator: np.random.Generator) -> None:
    """Black and white modules in a grid, over a part of the crop."""
    width, height = picture.size
    module = generator.uniform(2, 8)
    columns = max(2, round(min(width, generator.uniform(1, 3) * height) / module))
    rows = max(2, round(height / module) + 1)
    cells = generator.random((rows, columns)) < 0.5
    ink, ground = generator.integers(0, 80), generator.integers(190, 256)
    code = Image.fromarray(np.where(cells, ink, ground).astype(np.uint8))
    size = (max(1, round(columns * module)), max(1, round(rows * module)))
    left = int(generator.integers(0, max(1, width - size[0])))
    picture.paste(code.resize(size, Image.Resampling.NEAREST), (left, 0))


MARKS = (
    rule,
    rule,
    hatching,
    box_corner,
    table_grid,
    stain,
    staple,
    punch_hole,
    page_edge,
    scribble,
    barcode,
    matrix_code,
)


def _ink(generator: np.random.Generator) -> int:
    return int(generator.integers(0, 150))
