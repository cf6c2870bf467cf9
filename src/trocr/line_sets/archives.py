"""Sets in archives: members are read in memory, nothing is written to disk."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import DataError
from ..image import reason
from ..labelled_lines import SkippedLine
from .sources import FILE_LIMIT, Source, bad_name, is_hidden

ARCHIVE_LIMIT = 8 << 30  # bytes of all members together

_TAR_ERRORS = (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error)
_ZIP_ERRORS = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
_UNPACK = "Unpack it and give the folder."
_TWICE = "It is in the archive twice; the last one counts."


def open_tar(path: Path) -> Source:
    """The members of a tar, compressed or not; of a damaged one, those before the damage.

    Raises:
        DataError: nothing can be read, or it unpacks to more than `ARCHIVE_LIMIT`.
    """
    members: dict[str, bytes] = {}
    refused: list[SkippedLine] = []
    total = 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                total += member.size
                _check_total(path, total)
                if member.isdir() or is_hidden(name):
                    continue
                trouble = _bad_member(member, name)
                stream = None if trouble else archive.extractfile(member)
                if stream is None:
                    refused.append(SkippedLine(name, trouble))
                    continue
                if name in members:
                    refused.append(SkippedLine(name, _TWICE))
                members[name] = stream.read()
    except (*_TAR_ERRORS, lzma.LZMAError) as error:
        if isinstance(error, DataError):
            raise
        if not members:
            why = reason(error).partition(":\n")[0]  # what follows is every compression tried
            raise DataError(f"{path} cannot be read: {why}.", "Copy it again.") from error
        trouble = f"It is damaged after {next(reversed(members))}: {reason(error)}."
        refused.append(SkippedLine(path.name, trouble))
    return Source(path, lambda: sorted(members), lambda name: io.BytesIO(members[name]), refused)


def _bad_member(member: tarfile.TarInfo, name: str) -> str:
    if member.issym() or member.islnk():
        return "It is a link, and links in archives are not followed."
    if not member.isfile():
        return "It is no regular file."
    return bad_name(name) or _too_large(member.size)


def _too_large(size: int) -> str:
    return f"It is larger than {FILE_LIMIT >> 20} MB." if size > FILE_LIMIT else ""


def _check_total(path: Path, total: int) -> None:
    if total > ARCHIVE_LIMIT:
        raise DataError(f"{path} unpacks to more than {ARCHIVE_LIMIT >> 30} GB.", _UNPACK)


@contextmanager
def open_zip(path: Path) -> Iterator[Source]:
    """The members of a zip, each read when it is asked for.

    Raises:
        DataError: it cannot be read, or unpacks to more than `ARCHIVE_LIMIT`.
    """
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_ERRORS as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.", "Copy it again.") from error
    with archive:
        _check_total(path, sum(member.file_size for member in archive.infolist()))
        members: dict[str, zipfile.ZipInfo] = {}
        refused: list[SkippedLine] = []
        for member in archive.infolist():
            name = member.filename.replace("\\", "/").removeprefix("./")
            if name.endswith("/") or is_hidden(name):
                continue
            if trouble := _bad_zip_member(member, name):
                refused.append(SkippedLine(name, trouble))
                continue
            if name in members:
                refused.append(SkippedLine(name, _TWICE))
            members[name] = member

        def opened(name: str) -> IO[bytes]:
            try:
                return io.BytesIO(archive.read(members[name]))
            except _ZIP_ERRORS as error:
                raise DataError(f"{name} cannot be unpacked: {reason(error)}.") from error

        yield Source(path, lambda: sorted(members), opened, refused)


def _bad_zip_member(member: zipfile.ZipInfo, name: str) -> str:
    if (member.external_attr >> 28) == 0o12:  # the type of a Unix file: S_IFLNK
        return "It is a link, and links in archives are not followed."
    if member.flag_bits & 1:
        return "It is encrypted."
    return bad_name(name) or _too_large(member.file_size)
