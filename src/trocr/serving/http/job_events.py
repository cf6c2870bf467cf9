"""What a worker says about a document, as the events of a job that clients get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...document import Line, Page
from ..messages import Event, LineRead, PageFailed, PageRead, PageStarted

Json = Mapping[str, Any]


def described(event: Event) -> tuple[str, Json] | None:
    """Name and data of an event; None for those that clients do not get as they are."""
    if isinstance(event, PageStarted):
        size = {"width": event.width, "height": event.height, "lines": event.lines}
        return "page-started", {"page": event.number, **size}
    if isinstance(event, LineRead):
        return "line", {"page": event.page, "index": event.index, "line": _line(event.line)}
    if isinstance(event, PageRead):
        return "page", _page(event.page)
    if isinstance(event, PageFailed):
        return "page-failed", {"page": event.number, "detail": event.message, "hint": event.hint}
    return None


def _page(page: Page) -> Json:
    lines = [{**_line(line), "words": _words(line)} for line in page.lines]
    return {"page": page.number, "width": page.width, "height": page.height, "lines": lines}


def _line(line: Line) -> Json:
    return {
        "text": line.text,
        "confidence": line.confidence,
        "finish_reason": line.finish_reason,
        "polygon": line.polygon,
        "baseline": line.baseline,
    }


def _words(line: Line) -> list[Json]:
    return [
        {"text": word.text, "confidence": word.confidence, "box": word.box} for word in line.words
    ]
