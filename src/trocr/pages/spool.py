"""Streams that cannot seek, kept: in memory while small, in a temporary file beyond."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from typing import IO, Any

from ..errors import ImageError
from ..image import reason

_IN_MEMORY = 16 << 20
_CHUNK = 1 << 16


def spool(read: Callable[[int], bytes], name: str, limit: int) -> IO[bytes]:
    """All that `read` gives, as a stream that can seek, at its start; the caller closes it.

    Raises:
        ImageError: more than `limit` bytes, or no room to keep them.
    """
    stream: IO[bytes] = io.BytesIO()
    try:
        while chunk := read(_CHUNK):
            if not isinstance(chunk, bytes):
                raise ImageError(f"{name} is not binary.", 'Open the file with mode "rb".')
            size = stream.tell() + len(chunk)
            if size > limit:
                raise too_long(name, limit)
            if isinstance(stream, io.BytesIO) and size > _IN_MEMORY:
                chunk, stream = stream.getvalue() + chunk, _temporary_file(name)
            _try(stream.write, chunk, name)
        _try(stream.seek, 0, name)
    except BaseException:
        stream.close()
        raise
    return stream


def too_long(name: str, limit: int) -> ImageError:
    """The error for more bytes than allowed."""
    return ImageError(
        f"{name} is longer than {limit:,} bytes, the limit for what is streamed.",
        "Save it as a file, and read that.",
    )


def _temporary_file(name: str) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _no_room(name, error) from error


def _try(action: Callable[[Any], object], argument: Any, name: str) -> None:
    try:
        action(argument)
    except OSError as error:
        raise _no_room(name, error) from error


def _no_room(name: str, error: OSError) -> ImageError:
    return ImageError(
        f"{name} cannot be kept in {tempfile.gettempdir()}: {reason(error)}.",
        "Free space there, or name another folder in TMPDIR.",
    )
