"""Documents that were written before, by trocr or others, back to `Document`."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree.ElementTree import ParseError

from ..document import Document, from_dict
from ..errors import DataError
from . import alto, page
from .elements import parse

__all__ = ["read_document"]

_HINT = "It reads ALTO 2 to 4, PAGE from 2013 on, and the JSON that trocr writes."


def read_document(source: str | Path | bytes, *, dpi: float | None = None) -> Document:
    """Read ALTO, PAGE or our JSON, told apart by what they hold.

    Geometry without text is read as well. What a format cannot say is as `Document` has it by
    default; a confidence that is not there is None.

    Args:
        source: a path, or the bytes of a file.
        dpi: pixels per inch of the pictures, for ALTO files that measure in millimetres or inches.

    Raises:
        DataError: it cannot be read, or is none of these.
    """
    name = "The document" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.", "Check its name.") from error
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return from_dict(_json(data, name))
    try:
        root = parse(data)
        if root.tag == "alto":
            return alto.read(root, dpi)
        if root.tag == "PcGts":
            return page.read(root)
    except (ParseError, LookupError, UnicodeError) as error:
        raise DataError(f"{name} is no XML: {error}.", _HINT) from error
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} has a wrong value: {error}.", "Validate it.") from error
    raise DataError(f"{name} is neither ALTO nor PAGE: <{root.tag}>.", _HINT)


def _json(data: bytes, name: str) -> dict[str, object]:
    try:
        parsed: dict[str, object] = json.loads(data)
    except ValueError as error:
        raise DataError(f"{name} is no JSON: {error}.", _HINT) from error
    return parsed
