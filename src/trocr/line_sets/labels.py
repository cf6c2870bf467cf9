"""What is written as a label to the text that a model can be trained on."""

from __future__ import annotations

import codecs
import re
import unicodedata

from ..errors import DataError
from .found import CONTROL, shortened

_LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # as surrogateescape decodes it
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(data: bytes) -> str:
    """A text file's contents without its byte order mark; other bytes as lone surrogates.

    Raises:
        DataError: it is UTF-16.
    """
    if data.startswith(_UTF16):
        raise DataError("It is UTF-16; save it as UTF-8.")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def clean(text: str, *, empty: bool = False) -> str:
    """The label in NFC, without outer white space, every inner run of it one space.

    Args:
        empty: whether it may be.

    Raises:
        DataError: it is empty, more than one line, not UTF-8, or holds control characters.
    """
    if found := _NOT_UTF8.search(text):
        byte = ord(found[0]) - 0xDC00
        raise DataError(
            f"Its label is not UTF-8: byte 0x{byte:02X} after {shortened(text[: found.start()])}."
        )
    text = unicodedata.normalize("NFC", text).strip()
    if not empty and all(unicodedata.category(character) == "Cf" for character in text):
        raise DataError("Its label is empty.")
    if rows := len(_LINE_BREAK.findall(text)):
        raise DataError(f"Its label is more than one line: it has {rows + 1}.")
    if found := CONTROL.search(text):
        raise DataError(f"Its label holds the control character U+{ord(found[0]):04X}.")
    return " ".join(text.split())
