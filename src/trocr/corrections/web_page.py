"""One offline web page on which lines are corrected by keyboard."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..writers.web_page import render as rendered
from .lines import WorkLine


def render(lines: Sequence[WorkLine], pictures: Mapping[str, str], folder: Path) -> str:
    """The page, its lines in their order.

    It loads nothing, and its content security policy lets nothing run or load but its own script
    and style. What was decided stays in the browser, and goes into a file to download.

    Args:
        pictures: data URLs by the ``name`` of their line.
        folder: of the documents; the browser remembers by it.
    """
    whole = folder.resolve()
    return rendered(
        __package__,
        "worklist.html.j2",
        style="worklist.css",
        script="worklist.js",
        lines=lines,
        pictures=pictures,
        title=whole.name,
        key=hashlib.sha256(str(whole).encode(errors="replace")).hexdigest()[:16],
    )
