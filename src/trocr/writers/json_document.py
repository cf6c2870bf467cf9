"""JSON, as ``docs/document.schema.json`` describes it."""

from __future__ import annotations

import json
import re

from ..document import Document, as_dict
from .characters import encodable
from .options import Options

# Arrays of nothing but numbers. No string can look so: line ends in strings are escaped.
_NUMBERS = re.compile(r"\[\n[-+.,\de\s\[\]]*\]")


def render(document: Document, options: Options) -> str:
    """One object, indented, each box and polygon on one row."""
    text = json.dumps(as_dict(document), ensure_ascii=False, indent=1)
    return encodable(_NUMBERS.sub(_on_one_row, text)) + "\n"


def _on_one_row(numbers: re.Match[str]) -> str:
    return re.sub(r"\s+", "", numbers[0]).replace(",", ", ")
