"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` in one step, after its folder was made and all bytes are on the disk.

    Raises:
        OutputError: the system refuses; nothing of the attempt remains.
    """
    # Not tempfile: its files are private, and what people asked for should not be.
    attempt = path.with_name(f".trocr-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with attempt.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(attempt, path)
        except BaseException:
            with suppress(OSError):
                attempt.unlink()
            raise
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Choose a folder that you may write to, with room for it.",
        ) from error
