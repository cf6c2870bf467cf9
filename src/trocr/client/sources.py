"""What is to be read, and how, as a request says it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ..errors import ImageError

OCTETS = "application/octet-stream"  # servers look at what is inside


class ReadOptions(TypedDict, total=False):
    """How to read; what is missing, the server decides.

    ``model``: one of `Client.models`; ``seconds``: until the server gives up; the others as for
    ``trocr.read``.
    """

    model: str
    pages: str
    password: str
    dpi: float
    keep_text: bool
    words: bool
    num_beams: int
    n_best: int
    allow: str
    regex: str
    lexicon: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class Source:
    """A file's name and content, or a URL that the server is to read."""

    name: str
    content: bytes = b""
    url: str | None = None

    def body(self, field: str) -> dict[str, Any]:
        """Arguments of a request that sends it."""
        if self.url is not None:
            return {"json": {"url": self.url}}
        return {"files": [self.part(field)]}

    def part(self, field: str) -> tuple[str, tuple[str, bytes, str]]:
        """A part of a multipart body."""
        return field, (self.name, self.content, OCTETS)


def source_of(given: Any, number: int = 1) -> Source:
    """Anything that ``trocr.read`` takes, folders and patterns excepted.

    Args:
        given: a path, a URL, bytes, a binary file, a PIL image, an array or a tensor.
        number: names what has no name of its own.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(given, str) and given.lower().startswith(("http://", "https://")):
        return Source(given, url=given)
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        try:
            return Source(path.name, path.read_bytes())
        except OSError as error:
            raise ImageError(
                f"{path} cannot be read: {error.strerror}.", "Check its name."
            ) from error
    if isinstance(given, (bytes, bytearray, memoryview)):
        return Source(f"file-{number}", bytes(given))
    if hasattr(given, "read"):
        name = getattr(given, "name", None)
        return Source(Path(name).name if isinstance(name, str) else f"file-{number}", given.read())
    from ..image import load_image

    picture = io.BytesIO()
    load_image(given).save(picture, "PNG")
    return Source(f"picture-{number}.png", picture.getvalue())


def query_and_headers(options: ReadOptions) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Options as a server takes them; the password is kept out of the URL."""
    query: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    password = query.pop("password", None)
    return query, {} if password is None else password_header(password)


def password_header(password: str) -> dict[str, bytes]:
    """Where a password travels: not in a URL, which may be logged."""
    return {"X-Document-Password": password.encode()}
