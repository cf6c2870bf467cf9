"""What our web pages have in common: each is one file, and loads and runs nothing but its own."""

from __future__ import annotations

import base64
import hashlib
import io
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image
from rapidfuzz.distance import Levenshtein

from .characters import for_xml

JPEG_QUALITY = 80


def render(package: str, template: str, *, style: str, script: str = "", **values: Any) -> str:
    """A Jinja template of a package as a page. Text is only ever text.

    Args:
        style, script: names of files beside the template. It gets their content under these names,
            and as ``policy`` a content security policy that allows only them and embedded pictures.
        values: for the template.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value:.0%}"
    parts = {"style": _part(package, style), "script": _part(package, script) if script else ""}
    page = environment.from_string(_part(package, template))
    safe = {name: Markup(content) for name, content in parts.items()}
    return for_xml(page.render(policy=_policy(**parts), **safe, **values))


def _part(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> Markup:
    allowed = {"img-src": "data:", "style-src": _hash(style)}
    allowed |= {"script-src": _hash(script)} if script else {}
    rules = ["default-src 'none'", *(f"{name} {value}" for name, value in allowed.items())]
    return Markup("; ".join([*rules, "base-uri 'none'", "form-action 'none'"]))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def data_url(picture: Image.Image, largest: tuple[int, int]) -> str:
    """A picture as JPEG, shrunk to fit into (width, height) pixels."""
    smaller = picture.copy()
    smaller.thumbnail(largest, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def marked_text(truth: str, text: str) -> Markup:
    """HTML of a text, with what it lacks in ``<del>`` and what it has too much of in ``<ins>``."""
    parts = []
    for block in Levenshtein.opcodes(truth, text):
        lost = escape(truth[block.src_start : block.src_end])
        read = escape(text[block.dest_start : block.dest_end])
        equal = block.tag == "equal"
        parts.append(read if equal else _tagged("del", lost) + _tagged("ins", read))
    return Markup("").join(parts)


def _tagged(tag: str, text: Markup) -> Markup:
    return Markup(f"<{tag}>{text}</{tag}>") if text else text
