"""What documents can be answered as, and what files are called."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

_UTF8 = "; charset=utf-8"
MEDIA_TYPES = {
    "txt": f"text/plain{_UTF8}",
    "md": f"text/markdown{_UTF8}",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "tsv": f"text/tab-separated-values{_UTF8}",
    "hocr": f"text/html{_UTF8}",
    "alto": "application/xml",
    "page": "application/xml",
    "pdf": "application/pdf",
    "overlay": "image/png",
    "html": f"text/html{_UTF8}",
}
ZIP = "application/zip"
TRAINING_SET = "training-set"

_UNFIT = re.compile(r'[<>:"|?*]')  # in names of files, on one system or another
_LONGEST = 120  # characters, with the ending


def clean_name(name: str, fallback: str = "upload") -> str:
    """A file name from wherever: no folders, nothing invisible, fit for any system and archive."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(each if unicodedata.category(each)[0] not in "CZ" else " " for each in last)
    plain = " ".join(_UNFIT.sub(" ", shown).split()).strip(". ")
    path = PurePath(plain)
    suffix = path.suffix if len(path.suffix) < 12 else ""
    stem = plain.removesuffix(suffix)[: _LONGEST - len(suffix)].strip(". ")
    return f"{stem}{suffix}" if stem else fallback


def stem_of(name: str) -> str:
    """The name without its ending."""
    return PurePath(name).stem or name
