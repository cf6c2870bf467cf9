"""Documents that several test files write, read and compare."""

from __future__ import annotations

from trocr.document import Box, Character, Document, Line, Page, Region, Word, rectangle

HEBREW = "שלום עולם"
HOSTILE = "<b>&amp;</b> ]]> \"q\" 'a' <script>alert(1)</script>"
CONTROL = "a\x00b\x1b[31m\ufffe\ud800c\td"


def line_of(text: str, box: Box, *, confidence: float = 0.5, boxes: bool = True) -> Line:
    """A line in `box` whose words share its width by their number of characters."""
    left, top, right, bottom = box
    unit = (right - left) / max(1, len(text))
    words = []
    start = 0
    for part in text.split(" "):
        ends = [round(left + unit * end) for end in (start, start + len(part))]
        if HEBREW[0] in text:
            ends = [right + left - end for end in reversed(ends)]
        placed = (ends[0], top, ends[1], bottom) if boxes else None
        words.append(Word(part, placed, confidence))
        start += len(part) + 1
    baseline = ((left, bottom - 5), (right, bottom - 5))
    return Line(text, rectangle(box), baseline, confidence, tuple(words))


def page_of(*lines: Line, width: int = 600, height: int = 800) -> Document:
    """One page with one region."""
    return Document((Page(width, height, (Region(lines),)),), "page.png", "printed")


def full() -> Document:
    """A page that fills every field, with integer geometry and confidences of few digits."""
    letters = tuple(
        Character(letter, (20 + 10 * index, 20, 30 + 10 * index, 40), 0.75)
        for index, letter in enumerate("Total")
    )
    total = Line(
        "Total 12.00",
        ((20, 20), (300, 22), (300, 45), (20, 40)),
        ((20, 38), (160, 40), (300, 41)),
        0.875,
        (Word("Total", (20, 20, 70, 40), 0.9, letters), Word("12.00", (240, 22, 300, 45), 0.625)),
        "length",
        ("several_lines", "low_contrast"),
    )
    heading = line_of("A Heading", (20, 60, 200, 90), confidence=0.25)
    row = line_of("apples 3", (20, 120, 300, 140))
    regions = (
        Region((heading,), rectangle((20, 60, 200, 90)), "heading"),
        Region((total,), ((10, 10), (310, 12), (310, 50), (10, 50)), "text"),
        Region((row,), rectangle((10, 110, 310, 150)), "table"),
        Region((), rectangle((400, 10, 500, 90)), "marginalia"),
    )
    page = Page(600, 800, regions, 3, "scan.png", 270, -1.5, 200, "en", "0123456789abcdef" * 4)
    return Document((page,), "scan.png", "printed")


def thousand_lines() -> Document:
    lines = (
        line_of(f"line {n} of a thousand", (50, 20 * n, 550, 20 * n + 16)) for n in range(1000)
    )
    return page_of(*lines, height=20_100)


BOX = (50, 100, 550, 140)
EDGE_CASES = {
    "empty page": page_of(),
    "page without regions": Document((Page(600, 800),)),
    "full": full(),
    "right to left": page_of(line_of(HEBREW, BOX), line_of("abc " + HEBREW, (50, 200, 550, 240))),
    "hostile": page_of(line_of(HOSTILE, BOX)),
    "control characters": page_of(line_of(CONTROL, BOX), Line(CONTROL, rectangle(BOX))),
    "thousand lines": thousand_lines(),
    "words without boxes": page_of(line_of("no boxes here", BOX, boxes=False)),
    "lines without words": page_of(Line("no words here", rectangle(BOX)), Line("", rectangle(BOX))),
    "lines without geometry": page_of(Line("nowhere"), Line("on the page", confidence=1.0)),
    "beyond the BMP": page_of(line_of("𝔘 👩‍🚀 e\u0301 नमस्ते", BOX)),
    "outside the picture": page_of(line_of("beyond the edge", (-20, -10, 700, 30))),
}
