"""The faces that lines are rendered with, read from an index that ``scripts/fetch-fonts`` wrote."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError, UsageError

INDEX = "faces.json"
_UNTIL = {"train": 90, "validation": 95, "test": 100}  # per cent of the families, cumulative
PARTS = tuple(_UNTIL)
KINDS = ("print", "hand")


@dataclass(frozen=True)
class Face:
    """One font file.

    Attributes:
        path: a TrueType or OpenType file that Pillow opens.
        family: the id that all weights and styles of one design share.
        kind: ``"print"`` or ``"hand"``.
        caps_only: small letters look like capitals, so its labels are to be upper-cased.
        characters: what the face draws: a space, and each character with a visible glyph.
    """

    path: Path
    family: str
    kind: str
    caps_only: bool
    characters: frozenset[str]


def read_faces(folder: Path, kind: str | None, part: str) -> tuple[Face, ...]:
    """The faces of one part, in the order of the index.

    Args:
        folder: what ``scripts/fetch-fonts`` wrote; holds ``faces.json``.
        kind: ``"print"``, ``"hand"``, or None for both.
        part: ``"train"``, ``"validation"`` or ``"test"``; they share no family, and the part of a
            family is a property of its name, whatever else is installed.

    Raises:
        UsageError: an unknown kind or part.
        DataError: no index, or no such face in it.
    """
    if part not in PARTS or kind not in (None, *KINDS):
        raise UsageError(
            f"No part {part!r} of kind {kind!r}.", f"Parts: {PARTS}; kinds: {KINDS} or None."
        )
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"Cannot read {folder / INDEX}: {error}.", "Run scripts/fetch-fonts FOLDER first."
        ) from None
    characters = [frozenset(text) for text in index["characters"]]
    faces = tuple(
        Face(
            path=folder / row["file"],
            family=row["family"],
            kind=row["kind"],
            caps_only=row["caps_only"],
            characters=characters[row["characters"]],
        )
        for row in index["faces"]
        if kind in (None, row["kind"]) and part_of(row["family"]) == part
    )
    if not faces:
        raise DataError(
            f"{folder} has no {part} face of kind {kind}.", "Run scripts/fetch-fonts again."
        )
    return faces


def part_of(family: str) -> str:
    """Which part a family belongs to: 90 % train, 5 % validation, 5 % test, by a hash."""
    percent = zlib.crc32(family.encode()) % 100
    return next(part for part, until in _UNTIL.items() if percent < until)
