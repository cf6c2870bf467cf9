"""What a batch run reads: entries, and what was found to be none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..pages.inputs import SUFFIXES

PARQUET = ".parquet"
# A packed tar is a single stream: whatever stands in it is reached through all that is before it.
_TAR = re.compile(r"(?i)\.(tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz)$")
FOUND = re.compile(rf"{SUFFIXES.pattern}|\.(tar|tgz|tbz2?|txz|gz|bz2|xz|parquet)")


@dataclass(frozen=True)
class Entry:
    """A picture, TIFF or PDF.

    Attributes:
        name: of no other entry: the absolute path or URL of a file; of what is in an archive,
            that of the archive, ``/``, and the name (or the number of the row) in it.
        where: the file that holds it; a prefix of `name`.
        place: None for the file itself; in a tar the offset of the bytes, in Parquet the row.
        size: bytes; 0 for a row of Parquet, where only reading would tell.
        stamp: another one says that the bytes may be others: time of change, or an entity tag.
    """

    name: str
    where: str
    place: int | None
    size: int
    stamp: str


@dataclass(frozen=True)
class Fault:
    """What holds no entries that can be read: its name, and a reason as a sentence."""

    name: str
    stamp: str
    reason: str


@dataclass(frozen=True)
class Container:
    """Says that all entries of an archive were given, or if it is damaged, those before that."""

    name: str
    stamp: str
    whole: bool


def is_tar(name: str) -> bool:
    """Whether a file of that name is a tar."""
    return _TAR.search(name) is not None


def is_container(name: str) -> bool:
    """Whether a file of that name is one that holds entries."""
    return is_tar(name) or name.lower().endswith(PARQUET)
