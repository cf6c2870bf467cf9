"""Sets of labelled lines in the formats that people have them in."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..labelled_lines import LineSet, SkippedLine
from . import arrow, page_files, sidecars, tables
from .checks import checked
from .found import Candidate, Reading, printable
from .opening import open_source
from .sources import Source

__all__ = ["read_line_set"]

# The first that finds a line is the format of a set: a page may have a text beside it as well.
FORMATS = (arrow.FORMAT, tables.FORMAT, page_files.FORMAT, sidecars.FORMAT)

_SHOWN = 3  # reasons in an error


def read_line_set(path: str | Path, *, scoring: bool = False) -> LineSet:
    """Read labelled lines in any known format, told apart by what is there; docs/line-sets.md.

    Labels come in NFC, without outer white space, every inner run of it one space. What cannot be
    trained on is named in `LineSet.skipped`: a missing or damaged picture, an empty label, one of
    several lines or in another encoding than UTF-8, a malformed row, two labels for one picture.

    Args:
        path: a folder, an archive (``.tar``, ``.tar.gz``, ``.zip``), or a file of labels, whose
            pictures are in its folder. Nothing is unpacked to disk.
        scoring: keep what has a label and cannot be trained on: an empty label, a damaged picture,
            a copy of another picture.

    Raises:
        DataError: there is nothing at `path`, or no line that can be read.
        UsageError: it is Parquet or Arrow, and the extra ``trocr[data]`` is not installed.
    """
    path = Path(path)
    with open_source(path) as source:
        reading = _reading(source)
        lines, skipped = checked(reading.found, scoring=scoring)
    skipped = [
        SkippedLine(printable(one.where), printable(one.reason))
        for one in (*source.refused, *skipped)
    ]
    if not lines:
        raise _nothing(path, skipped)
    return LineSet(lines, skipped, reading.format)


def _reading(source: Source) -> Reading:
    """What the first format that finds a line finds; where none does, why."""
    troubles: list[Candidate | SkippedLine] = []
    for known in FORMATS:
        reading = known.read(source)
        if any(isinstance(one, Candidate) for one in reading.found):
            return reading
        troubles += reading.found
    return Reading("", troubles)


def _nothing(path: Path, skipped: list[SkippedLine]) -> DataError:
    formats = "; ".join(known.description for known in FORMATS)
    reasons = [f"{one.where}: {one.reason}" for one in skipped[:_SHOWN]]
    more = [f"And {len(skipped) - _SHOWN} more."] if len(skipped) > _SHOWN else []
    message = " ".join([f"{path} holds no labelled line that can be read.", *reasons, *more])
    return DataError(message, f"A set is one of: {formats}.")
