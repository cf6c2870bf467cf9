"""A path to the files of its set: a folder, an archive, or a file of labels in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import DataError
from ..labelled_lines import SkippedLine
from .archives import open_tar, open_zip
from .sources import Source, bad_name, is_hidden


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """The files of a folder, of an archive, or of the folder that holds a file of labels.

    Raises:
        DataError: there is nothing, it may not be read, or it is a damaged archive.
    """
    try:
        if path.is_dir():
            yield _folder(path, path)
            return
        with path.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError:
        raise DataError(f"There is no {path}.", "Check the path.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with open_zip(path) as source:
            yield source
    elif _is_tar(path, head):
        yield open_tar(path)
    else:
        yield _around(path)


def _is_tar(path: Path, head: bytes) -> bool:
    packed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
    return packed or head[257:262] == b"ustar" or ".tar" in path.suffixes


def _around(path: Path) -> Source:
    """A file of labels with all that lies beside it, pages also with what lies above."""
    folder = path.parent
    if path.suffix.lower() == ".xml" and folder.absolute().name.lower() in ("page", "alto"):
        folder = folder.absolute().parent
    only = path.absolute().relative_to(folder.absolute()).as_posix()
    return _folder(folder, path, only)


def _folder(folder: Path, path: Path, only: str | None = None) -> Source:
    refused: list[SkippedLine] = []

    def listing() -> list[str]:
        names = []
        for name, trouble in _walk(folder):
            if trouble:
                refused.append(SkippedLine(name, trouble))
            else:
                names.append(name)
        return sorted(names)

    def opened(name: str) -> IO[bytes]:
        return (folder / name).open("rb")

    return Source(path, listing, opened, refused, only, folder.absolute())


def _walk(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, why it is not read or ``""``) of the files in a folder, hidden ones left out."""
    root = folder.resolve()
    denied: list[OSError] = []
    for here, folders, files in os.walk(root, onerror=denied.append, followlinks=True):
        inside = Path(here).relative_to(root)
        looping = {one for one in folders if _loops(Path(here, one), root)}
        for one in sorted(looping):
            yield (inside / one).as_posix(), "It is a link to a folder that is read already."
        folders[:] = [one for one in folders if one not in looping and not is_hidden(one)]
        for file in files:
            name = (inside / file).as_posix()
            if not is_hidden(file):
                yield name, bad_name(name) or _bad_file(Path(here, file))
    for error in denied:
        yield str(error.filename), f"The folder cannot be read: {error.strerror}."


def _loops(folder: Path, root: Path) -> bool:
    """Is it a link to what is read under its own name, or to a folder that holds the link?"""
    if not folder.is_symlink():
        return False
    target = folder.resolve()
    above = folder.parent.resolve()
    return target.is_relative_to(root) or any(
        other.is_relative_to(target) for other in (root, above)
    )


def _bad_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
    return "" if stat.S_ISREG(mode) else "It is no regular file."
