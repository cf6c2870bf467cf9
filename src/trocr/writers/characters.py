"""Recognised text made fit for a format: no character that the format forbids."""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# The complement of Char in XML 1.0, section 2.2.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def for_xml(text: str) -> str:
    """Characters that XML 1.0 forbids become U+FFFD."""
    return _NOT_XML.sub(REPLACEMENT, text)


def encodable(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, become U+FFFD."""
    return _SURROGATES.sub(REPLACEMENT, text)


def one_row(text: str) -> str:
    """Fit for one row: tabs and line breaks become a space, other control characters U+FFFD."""
    return _CONTROLS.sub(REPLACEMENT, _BREAKS.sub(" ", text))
