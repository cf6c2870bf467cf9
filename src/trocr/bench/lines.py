"""Lines to read where none are given: drawn, of 9 to 90 characters."""

from __future__ import annotations

from itertools import cycle, islice

from PIL import Image, ImageDraw, ImageFont

SHORTEST, LONGEST = 9, 90
SIZE, MARGIN = 28, 6  # pixels
PAPER, INK = 245, 20
TEXT = (
    "Invoice 20417 of 12 March: three boxes of paper at 4.50 each, one stapler at 12.90, postage "
    "and packing 3.25, in all 29.65, to be paid within 30 days. Goods stay ours until then; "
    "complaints reach us at Mill Lane 7, Tuesday to Friday."
)


def drawn_lines(count: int) -> list[Image.Image]:
    """Lines whose lengths are evenly spread from ``SHORTEST`` to ``LONGEST`` characters."""
    steps = max(1, count - 1)
    lengths = [SHORTEST + (LONGEST - SHORTEST) * row // steps for row in range(count)]
    return [drawn_line(text_of(length, first=row)) for row, length in enumerate(lengths)]


def text_of(length: int, first: int = 0) -> str:
    """Exactly so many characters, none of them a space at an end; begins with another word."""
    words = TEXT.split()
    start = first % len(words)
    # As many words as characters are wanted are more than enough.
    text = " ".join(islice(cycle(words), start, start + length))[:length]
    return text if not text.endswith(" ") else f"{text[:-1]}."


def drawn_line(text: str) -> Image.Image:
    """A text in Pillow's own font, dark on light."""
    font = ImageFont.load_default(SIZE)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    picture = Image.new("L", (right - left + 2 * MARGIN, bottom - top + 2 * MARGIN), PAPER)
    ImageDraw.Draw(picture).text((MARGIN - left, MARGIN - top), text, INK, font)
    return picture
