"""Labelled sets, as the verbs that measure models take them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..labelled_lines import LabelledLine, LineSet

SHOWN = 10  # of what is skipped


def load_line_set(data: Path, limit: int | None = None) -> LineSet:
    """A set; what it holds and cannot be scored is named on standard error.

    Raises:
        DataError: the set cannot be read, or holds no lines.
    """
    from ..evaluation.runner import load_line_set

    found = load_line_set(data, limit)
    for one in found.skipped[:SHOWN]:
        print(f"trocr: {one.where}: skipped: {one.reason}", file=sys.stderr)
    if len(found.skipped) > SHOWN:
        print(f"trocr: {len(found.skipped) - SHOWN} more skipped", file=sys.stderr)
    return found


def load_lines(data: Path, limit: int | None = None) -> list[LabelledLine]:
    """The lines of `load_line_set`."""
    return load_line_set(data, limit).lines
