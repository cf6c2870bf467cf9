"""What to read: one input after another out of paths, folders, patterns, URLs and objects."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import unquote

from PIL import Image

from ..errors import ImageError
from ..image import reason
from .page import PageFailure

STDIN = "-"
# What is picked up from folders; what is named, or matched by a pattern, may be called anything.
SUFFIXES = re.compile(
    r"(?i)\.(avif|bmp|gif|hei[cf]|j2k|jfif|jp2|jpe|jpe?g|p[bgnp]m|pdf|png|tiff?|webp)"
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Input:
    """One thing that holds pages.

    Attributes:
        item: a path, a URL, ``-`` for standard input, or an object in memory.
        name: what messages and documents call it.
        relative: its path below the folder or pattern in which it was found, else its file name.
    """

    item: Any
    name: str
    relative: PurePath


def find_inputs(source: Any, suffixes: re.Pattern[str] = SUFFIXES) -> Iterator[Input | PageFailure]:
    """The inputs that `source` stands for, found as they are asked for.

    Args:
        source: a path; a folder (files with one of ``SUFFIXES`` in it and in its folders, in
            natural order: ``page 2`` before ``page 10``; hidden ones skipped); a pattern with
            ``*``, ``?``, ``[…]`` or ``**``; a URL; ``-`` for standard input; bytes, a binary file,
            a PIL image, an array or tensor; or a list of all these.
        suffixes: of files that are picked up from folders.
    """
    if isinstance(source, (list, tuple)):
        for each in source:
            yield from find_inputs(each, suffixes)
    elif isinstance(source, str) and source == STDIN:
        yield Input(source, "stdin", PurePath("stdin"))
    elif is_url(source):
        yield Input(source, source, _name_in_url(source))
    elif isinstance(source, (str, os.PathLike)):
        yield from _find_files(Path(source), suffixes)
    else:
        name = _name_of(source)
        yield Input(source, name, PurePath(PurePath(name).name or "page"))


def is_url(source: Any) -> bool:
    """Whether it is a string with a scheme, allowed or not."""
    return isinstance(source, str) and _URL.match(source) is not None


def _name_in_url(url: str) -> PurePath:
    host, _, path = re.split("[?#]", url.partition("://")[2])[0].partition("/")
    name = PurePosixPath(unquote(path)).name
    return PurePath(name if name not in ("", "..") else host or "page")


def _name_of(source: Any) -> str:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or "image")
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else type(source).__name__


def _find_files(path: Path, suffixes: re.Pattern[str]) -> Iterator[Input | PageFailure]:
    if path.is_dir():
        found = False
        for each in _walk(path, suffixes):
            found = True
            yield each if isinstance(each, PageFailure) else _below(path, each)
        if not found:
            yield _failed(path, "holds no pictures and no PDF", "Name the files themselves.")
    elif glob.has_magic(str(path)) and not path.exists():
        yield from _match(path)
    else:
        yield Input(path, str(path), PurePath(path.name))


def _walk(folder: Path, suffixes: re.Pattern[str]) -> Iterator[Path | PageFailure]:
    """Files below a folder; links to folders are not followed, so that no circle is endless."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: _natural(entry.name))
    except OSError as error:
        yield _failed(folder, f"cannot be listed: {reason(error)}", "Check its permissions.")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), suffixes)
        elif suffixes.fullmatch(Path(entry.name).suffix) and not entry.is_dir():
            yield Path(entry.path)


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sorts numbers inside names by value, and small and capital letters alike."""
    pieces = _DIGITS.split(name.casefold())
    return [int(piece) if at % 2 else piece for at, piece in enumerate(pieces)], name


def _match(pattern: Path) -> Iterator[Input | PageFailure]:
    root = Path(*_fixed_parts(pattern))
    found = [Path(each) for each in glob.iglob(str(pattern), recursive=True)]
    files = [each for each in found if not each.is_dir()]
    files.sort(key=lambda file: [_natural(part) for part in file.parts])
    for file in files:
        yield _below(root, file)
    if not files:
        yield _failed(pattern, "matches no file", "Check the pattern; ** goes into folders.")


def _fixed_parts(pattern: Path) -> Iterator[str]:
    for part in pattern.parts:
        if glob.has_magic(part):
            return
        yield part


def _below(root: Path, file: Path) -> Input:
    return Input(file, str(file), file.relative_to(root))


def _failed(path: Path, what: str, hint: str) -> PageFailure:
    return PageFailure(str(path), None, ImageError(f"{path} {what}.", hint))
