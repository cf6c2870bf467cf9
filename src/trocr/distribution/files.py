"""Files on this machine and in object stores, by one name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from glob import has_magic
from pathlib import Path
from typing import IO, Any

from ..errors import OutputError, UsageError
from ..image import reason
from ..pages.inputs import is_url
from ..writers.files import write_atomically

_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("mtime", "LastModified", "last_modified", "created")


def store_of(url: str) -> tuple[Any, str]:
    """The ``fsspec`` file system of a URL, and the path in it.

    Raises:
        UsageError: fsspec, or what it needs for this store, is not installed.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise UsageError(
            f"{url}: object stores need fsspec, which is not installed.",
            'Run pip install "trocr[batch]".',
        ) from None
    try:
        found: tuple[Any, str] = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url} cannot be opened: {reason(error)}.", "Install it.") from error
    return found


def local_path(name: str) -> str | None:
    """The path of a file on this machine, ``file://`` or not; None for an object store."""
    if not is_url(name):
        return name
    if name.lower().startswith(("file://", "local://")):
        return name.partition("://")[2]
    return None


def absolute(path: str) -> str:
    """The path without links to folders; a link to a file keeps its name."""
    folder, name = os.path.split(path)
    return os.path.join(_real(folder), name)


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def local_stamp(path: str) -> tuple[int, str]:
    """Size and time of change.

    Raises:
        OSError: it is not there.
    """
    about = os.stat(path)
    return about.st_size, str(about.st_mtime_ns)


def stamp_of(info: dict[str, Any]) -> str:
    """What an object store says about the version of an object."""
    return str(next((info[key] for key in (*_TAGS, *_TIMES) if info.get(key)), ""))


def find_objects(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a URL, a folder or a pattern: its URL, and what the store says about it.

    Folder by folder, each in the order of its names.

    Raises:
        UsageError: as `store_of`.
        OSError, and what the store raises: it cannot be listed.
    """
    store, path = store_of(url)
    if has_magic(path) and not store.exists(path):
        found = store.glob(path, detail=True)
        for name in sorted(found):
            if found[name]["type"] != "directory":
                yield store.unstrip_protocol(name), found[name]
    else:
        info = store.info(path)
        if info["type"] == "directory":
            yield from _walk(store, path)
        else:
            yield store.unstrip_protocol(path), info


def _walk(store: Any, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for info in sorted(store.ls(folder, detail=True), key=lambda info: str(info["name"])):
        if info["type"] == "directory":
            if info["name"].rstrip("/") != folder.rstrip("/"):
                yield from _walk(store, info["name"])
        else:
            yield store.unstrip_protocol(info["name"]), info


def open_binary(where: str) -> IO[bytes]:
    """A stream that can seek.

    Raises:
        OSError, and what the store raises: it cannot be opened.
    """
    path = local_path(where)
    if path is not None:
        return open(path, "rb")
    store, path = store_of(where)
    stream: IO[bytes] = store.open(path, "rb")
    return stream


class Folder:
    """Where results go: a folder of this machine, or of an object store.

    Raises:
        UsageError: as `store_of`.
    """

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") or "/"
        self.local = local_path(self.place)

    def path(self, name: str) -> str:
        """Of the file of a relative name."""
        return f"{self.local or self.place}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Replace a file in one step: an object appears when all of it was sent.

        Raises:
            OutputError: it cannot be written.
        """
        if self.local is not None:
            write_atomically(Path(self.path(name)), content)
            return
        store, path = store_of(self.path(name))
        try:
            store.pipe_file(path, content)
        except Exception as error:  # every store has errors of its own
            raise OutputError(
                f"{self.path(name)} cannot be written: {reason(error)}.",
                "Check the address, and that you may write there.",
            ) from error

    def remove(self, name: str) -> None:
        """Remove a file if it is there.

        Raises:
            OutputError: that is refused.
        """
        try:
            if self.local is not None:
                Path(self.path(name)).unlink(missing_ok=True)
            else:
                store, path = store_of(self.path(name))
                if store.exists(path):
                    store.rm_file(path)
        except Exception as error:  # as above
            raise OutputError(f"{self.path(name)} cannot be removed: {reason(error)}.") from error
