"""Real labelled lines, split into training and validation by page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..errors import DataError
from ..labelled_lines import LabelledLine, read_labelled_lines
from .config import LineSetSection


def group_of(file: str, pattern: str) -> str:
    """The page or receipt a line was cut from: what ``pattern`` captures of its file name.

    Raises:
        DataError: the pattern does not match, or captures nothing.
    """
    try:
        match = re.match(pattern, PurePosixPath(file).stem)
        group = match and match.group(1)
    except (re.error, IndexError) as error:
        raise DataError(
            f"group_pattern {pattern!r}: {error}.", "Write it as in '(.*)_[^_]*$'."
        ) from None
    if not group:
        raise DataError(
            f"{file}: its name does not match {pattern!r}.",
            "Give the set a group_pattern that captures the page's name.",
        )
    return group


def split_by_group(
    lines: Sequence[LabelledLine], section: LineSetSection
) -> tuple[list[LabelledLine], list[LabelledLine]]:
    """Training and validation lines; a group's side depends on its name alone."""
    joined = {name: names[0] for names in section.same_group for name in names}
    sides: tuple[list[LabelledLine], list[LabelledLine]] = ([], [])
    for line in lines:
        group = group_of(line.file, section.group_pattern)
        if group in section.exclude:
            continue
        digest = hashlib.sha256(joined.get(group, group).encode()).digest()
        share = int.from_bytes(digest[:4], "big") / 2**32
        sides[share < section.validation_fraction].append(line)
    return sides


def read_split(
    section: LineSetSection, folder: Path
) -> tuple[list[LabelledLine], list[LabelledLine]]:
    """Training and validation lines of a set; ``folder`` is where its path starts from.

    Raises:
        DataError: the set cannot be read, or one side would be empty.
    """
    marks = str.maketrans("", "", section.remove)
    lines = [
        replace(line, text=" ".join(line.text.translate(marks).split()))
        for line in read_labelled_lines(folder / section.path)
    ]
    train, validation = split_by_group(lines, section)
    if not train or (section.validation_fraction > 0 and not validation):
        raise DataError(
            f"{section.path}: {len(train)} lines to train on and {len(validation)} to validate on.",
            "Give more groups, or another validation_fraction.",
        )
    return train, validation
