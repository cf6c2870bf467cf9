"""One web page, complete in itself: pictures, text beside them, doubtful words marked."""

from __future__ import annotations

from .. import __version__
from ..document import Document, Line, Page, rectangle
from .grades import AT_LEAST, SURE, grade
from .markup import points
from .options import Options
from .pictures import picture_of
from .tsv import words_of
from .web_page import data_url
from .web_page import render as rendered

LONGEST_SIDE = 1800


def render(document: Document, options: Options) -> str:
    """The report of all pages, with their pictures as JPEG of at most 1,800 pixels a side.

    It loads nothing, and its content security policy lets nothing run or load but its own script
    and style. Text is only ever text.
    """
    return rendered(
        __package__,
        "report.html.j2",
        style="report.css",
        script="report.js",
        document=document,
        version=__version__,
        pages=[_page(document, index, options) for index in range(len(document))],
        least=AT_LEAST,
    )


def _page(document: Document, index: int, options: Options) -> dict[str, object]:
    page = document.pages[index]
    numbers = iter(range(1, sum(1 for _ in page.lines) + 1))
    regions = [
        {
            "kind": region.kind,
            "lines": [_line(page, line, f"{index + 1}-{next(numbers)}") for line in region.lines],
        }
        for region in page.regions
    ]
    grades = [grade(line.confidence) for line in page.lines]
    return {
        "page": page,
        "picture": data_url(picture_of(document, index, options), (LONGEST_SIDE, LONGEST_SIDE)),
        "regions": regions,
        "doubtful": sum(found not in (SURE, "unknown") for found in grades),
        "lines": len(grades),
    }


def _line(page: Page, line: Line, name: str) -> dict[str, object]:
    polygon = line.polygon or (rectangle(line.box) if line.box else ())
    return {
        "name": name,
        "grade": grade(line.confidence),
        "confidence": line.confidence,
        "notes": [*([line.finish_reason] if line.finish_reason != "eos" else []), *line.flags],
        "points": points(polygon),
        "words": [
            {"text": word.text, "grade": grade(word.confidence), "confidence": word.confidence}
            for word in words_of(line)
        ],
    }
