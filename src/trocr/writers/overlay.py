"""The page's picture with what was found drawn over it."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from ..document import Document, Line, Page, Polygon, rectangle
from .grades import AT_LEAST, CHECK, COLOURS, DOUBTFUL, SURE, grade
from .options import Options
from .pictures import picture_of

_PALE = 0.35  # how far the picture fades, so that colours stand out


def render(document: Document, options: Options) -> bytes:
    """PNG of one page: lines outlined and numbered in reading order, words boxed.

    Colours tell the confidence; a strip below says how, with the number of lines of each grade.
    """
    [page] = document.pages
    picture = picture_of(document, 0, options)
    canvas = Image.blend(picture, Image.new("RGB", picture.size, "white"), _PALE)
    size = max(10, round(min(max(canvas.size) / 80, 2 * min(canvas.size) / 25)))
    draw = ImageDraw.Draw(canvas, "RGBA")
    for region in page.regions:
        if region.polygon:
            _outline(draw, region.polygon, "#6b7280", max(1, size // 10))
    for line in page.lines:
        _line(draw, line, max(1, size // 7))
    # Labels last: nothing covers them.
    for number, line in enumerate(page.lines, start=1):
        _label(draw, line, str(number), size)
    out = io.BytesIO()
    _with_legend(canvas, page, size).save(out, "PNG")
    return out.getvalue()


def _line(draw: ImageDraw.ImageDraw, line: Line, width: int) -> None:
    for word in line.words:
        if word.box:
            colour = COLOURS[grade(word.confidence)]
            draw.polygon(_flat(rectangle(word.box)), fill=f"{colour}2a")
            _outline(draw, rectangle(word.box), f"{colour}b0", max(1, width // 2))
    if polygon := _polygon(line):
        _outline(draw, polygon, COLOURS[grade(line.confidence)], width)


def _polygon(line: Line) -> Polygon:
    return line.polygon or (rectangle(line.box) if line.box else ())


def _outline(draw: ImageDraw.ImageDraw, polygon: Polygon, colour: str, width: int) -> None:
    draw.line(_flat((*polygon, polygon[0])), fill=colour, width=width, joint="curve")


def _flat(polygon: Polygon) -> Sequence[float]:
    return [coordinate for point in polygon for coordinate in point]


def _label(draw: ImageDraw.ImageDraw, line: Line, text: str, size: int) -> None:
    """The line's number at its start, outside it where the page has room."""
    if line.box is None:
        return
    font = ImageFont.load_default(size)
    width = round(draw.textlength(text, font)) + size // 2
    start = line.baseline[0] if line.baseline else (line.box[0], line.box[3])
    left = max(0, min(round(start[0]) - width - size // 4, draw.im.size[0] - width))
    bottom = min(max(round(start[1]), size), draw.im.size[1])
    top = bottom - round(1.15 * size)
    colour = COLOURS[grade(line.confidence)]
    draw.rounded_rectangle((left, top, left + width, bottom), size // 5, fill=colour)
    middle = (left + width / 2, (top + bottom) / 2)
    draw.text(middle, text, fill="white", font=font, anchor="mm")


def _with_legend(canvas: Image.Image, page: Page, size: int) -> Image.Image:
    found = [grade(line.confidence) for line in page.lines]
    entries = {
        SURE: f"{AT_LEAST[SURE]:.0%} and more",
        CHECK: f"{AT_LEAST[CHECK]:.0%} to {AT_LEAST[SURE]:.0%}",
        DOUBTFUL: f"less than {AT_LEAST[CHECK]:.0%}",
        "unknown": "unknown",
    }
    texts = [(name, f"{text}: {found.count(name)}") for name, text in entries.items()]
    strip = Image.new("RGB", (canvas.width, 2 * size), "white")
    draw = ImageDraw.Draw(strip)
    room = canvas.width / len(texts)
    longest = max(draw.textlength(text, ImageFont.load_default(100)) / 100 for _, text in texts)
    fitting = min(size, max(6, (room - 2 * size) / longest))
    for index, (name, text) in enumerate(texts):
        left = round(index * room) + size // 2
        draw.rectangle((left, size // 2, left + size, size + size // 2), fill=COLOURS[name])
        place = (left + 1.4 * size, size)
        font = ImageFont.load_default(fitting)
        draw.text(place, text, fill="black", font=font, anchor="lm")
    whole = Image.new("RGB", (canvas.width, canvas.height + strip.height))
    whole.paste(canvas, (0, 0))
    whole.paste(strip, (0, canvas.height))
    return whole
