"""One offline web page on which lines are corrected by keyboard."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from ..writers.characters import for_xml
from .lines import WorkLine

LARGEST = (1600, 200)  # pixels of a line's picture
JPEG_QUALITY = 80


def render(lines: Sequence[WorkLine], pictures: Mapping[str, str], folder: Path) -> str:
    """The page, its lines in their order.

    It loads nothing, and its content security policy lets nothing run or load but its own script
    and style. What was decided stays in the browser, and goes into a file to download.

    Args:
        pictures: data URLs by the ``file`` of their line.
        folder: of the documents; the browser remembers by it.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = _part("worklist.css"), _part("worklist.js")
    return for_xml(
        environment.from_string(_part("worklist.html.j2")).render(
            lines=lines,
            pictures=pictures,
            title=folder.resolve().name,
            key=hashlib.sha256(str(folder.resolve()).encode(errors="replace")).hexdigest()[:16],
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def data_url(picture: Image.Image) -> str:
    """A picture as JPEG of at most `LARGEST`."""
    smaller = picture.copy()
    smaller.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy wants it."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
