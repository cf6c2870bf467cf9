"""One web page, complete in itself: pictures, text beside them, doubtful words marked."""

from __future__ import annotations

import base64
import hashlib
import io
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from PIL import Image

from .. import __version__
from ..document import Document, Line, Page, rectangle
from .characters import for_xml
from .grades import AT_LEAST, SURE, grade
from .markup import points
from .options import Options
from .pictures import picture_of
from .tsv import words_of

LONGEST_SIDE = 1800
JPEG_QUALITY = 80


def render(document: Document, options: Options) -> str:
    """The report of all pages, with their pictures as JPEG of at most 1,800 pixels a side.

    It loads nothing, and its content security policy lets nothing run or load but its own script
    and style. Text is only ever text.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value:.0%}"
    style, script = _part("report.css"), _part("report.js")
    return for_xml(
        environment.from_string(_part("report.html.j2")).render(
            document=document,
            version=__version__,
            pages=[_page(document, index, options) for index in range(len(document))],
            least=AT_LEAST,
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy wants it."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


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
        "picture": _jpeg(picture_of(document, index, options)),
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


def _jpeg(picture: Image.Image) -> str:
    """A data URL."""
    smaller = picture.copy()
    smaller.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    smaller.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
