"""Pictures on which a worker is tried before it is given anything to read."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

_TEXT = "trocr reads this line."
_PAGE = (1240, 1754)  # pixels of A4 at 150 DPI


def line_picture() -> Image.Image:
    """RGB, with a line of text."""
    picture = Image.new("RGB", (400, 48), "white")
    ImageDraw.Draw(picture).text((10, 8), _TEXT, "black", ImageFont.load_default(28))
    return picture


def page_picture() -> Image.Image:
    """RGB, with a few such lines."""
    page = Image.new("RGB", _PAGE, "white")
    for row in range(5):
        page.paste(line_picture(), (100, 150 + 100 * row))
    return page
