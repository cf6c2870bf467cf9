"""Which format an answer has: by name, or by the media types that a client accepts."""

from __future__ import annotations

from ...errors import UsageError
from ..formats import MEDIA_TYPES
from .problems import Problem

DEFAULT = "json"
FORMATS = tuple(MEDIA_TYPES)
ACCEPTED = {
    "*/*": DEFAULT,
    "application/*": DEFAULT,
    "application/json": "json",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "text/*": "txt",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/tab-separated-values": "tsv",
    "text/html": "html",
    "text/vnd.hocr+html": "hocr",
    "text/xml": "alto",
    "application/xml": "alto",
    "application/alto+xml": "alto",
    "application/vnd.prima.page+xml": "page",
    "application/pdf": "pdf",
    "image/*": "overlay",
    "image/png": "overlay",
}


def chosen_format(name: str | None, accept: str) -> str:
    """The format that is named, else the one that the client likes best.

    Raises:
        UsageError: there is no format of that name.
        Problem: the client accepts none.
    """
    if name is not None:
        if name not in FORMATS:
            raise UsageError(f"There is no format {name!r}.", f"Choose among {', '.join(FORMATS)}.")
        return name
    liked = _by_liking(accept) if accept.strip() else ["*/*"]
    for media_type in liked:
        if media_type in ACCEPTED:
            return ACCEPTED[media_type]
    raise Problem(
        406,
        "format",
        "None of the media types that the request accepts can be written.",
        f"Name a format: ?format=, one of {', '.join(FORMATS)}.",
    )


def _by_liking(accept: str) -> list[str]:
    """The media types of an Accept header, best first, without those of no quality."""
    rated: list[tuple[float, int, str]] = []
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if quality := _quality(parameters):
            rated.append((-quality, len(rated), media_type))
    return [media_type for _, _, media_type in sorted(rated)]


def _quality(parameters: list[str]) -> float:
    """0 to 1; NaN and nonsense are 0."""
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return max(0.0, min(float(parameter[2:]), 1.0))
            except ValueError:
                return 0.0
    return 1.0
