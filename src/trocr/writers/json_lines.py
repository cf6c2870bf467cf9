"""JSON Lines: a document of one page on each line."""

from __future__ import annotations

import json
from dataclasses import replace

from ..document import Document, as_dict
from .characters import encodable
from .options import Options


def render(document: Document, options: Options) -> str:
    """A line a page, each of the same form as the whole in JSON."""
    pages = (as_dict(replace(document, pages=(page,))) for page in document)
    return "".join(encodable(json.dumps(page, ensure_ascii=False)) + "\n" for page in pages)
