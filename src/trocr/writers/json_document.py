"""JSON, as ``docs/document.schema.json`` describes it."""

from __future__ import annotations

import json

from ..document import Document, as_dict
from .characters import encodable
from .options import Options


def render(document: Document, options: Options) -> str:
    """One object, readable by people."""
    return encodable(json.dumps(as_dict(document), ensure_ascii=False, indent=1)) + "\n"
