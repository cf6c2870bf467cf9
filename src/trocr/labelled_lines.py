"""Labelled lines on disk: a folder or a tar archive with ``labels.tsv`` and pictures."""

from __future__ import annotations

import io
import re
import tarfile
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .errors import DataError

if TYPE_CHECKING:
    from PIL import Image

LABELS = "labels.tsv"


@dataclass(frozen=True)
class LabelledLine:
    """One line of a set.

    Attributes:
        file: its name in the set.
        image: the encoded picture.
        text: what it says.
        page: the page or document that it was cut from; empty where the set does not say.
    """

    file: str
    image: bytes
    text: str
    page: str = ""

    @classmethod
    def of(cls, name: str, picture: Image.Image, text: str) -> LabelledLine:
        """The line ``images/NAME.png`` of a picture."""
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        return cls(f"images/{name}.png", stream.getvalue(), text)


@dataclass(frozen=True)
class SkippedLine:
    """What could not be read of a set: ``where`` (a file, a row) and the ``reason``, a sentence."""

    where: str
    reason: str


@dataclass(frozen=True)
class LineSet:
    """Everything that a set holds, in its order.

    Attributes:
        format: how it is stored, in words: ``"labels.tsv"``, ``"pictures with .txt"``.
    """

    lines: list[LabelledLine]
    skipped: list[SkippedLine]
    format: str


def composed_line(text: str) -> str:
    """A label as tokenizers see it: composed (NFC), white space as single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def read_labelled_lines(path: str | Path) -> Iterator[LabelledLine]:
    """Every line of a set, in the order of ``labels.tsv``.

    Args:
        path: a folder, ``.tar`` or ``.tar.gz`` that holds ``labels.tsv`` (a header row, then
            ``file<TAB>text``, UTF-8, no quoting) and the pictures it names.

    Raises:
        DataError: no such set, no labels, a malformed row, or a picture that is missing.
    """
    path = Path(path)
    read = _folder_reader(path) if path.is_dir() else _tar_reader(path)
    for file, text in _rows(read(LABELS).decode("utf-8", errors="replace"), path):
        yield LabelledLine(file, read(file), text)


def _rows(labels: str, path: Path) -> Iterator[tuple[str, str]]:
    lines = labels.replace("\r\n", "\n").split("\n")
    for number, row in enumerate(lines[1:], start=2):
        if not row:
            continue
        file, tab, text = row.partition("\t")
        if not tab:
            raise DataError(
                f"{path}: {LABELS} line {number} has no tab: {row[:60]!r}.",
                "Each row is file<TAB>text, after one header row.",
            )
        yield file, text


def _folder_reader(path: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        try:
            return (path / name).read_bytes()
        except OSError:
            raise _missing(path, name) from None

    return read


def _tar_reader(path: Path) -> Callable[[str], bytes]:
    try:
        with tarfile.open(path) as archive:
            members = {
                member.name.removeprefix("./"): stream.read()
                for member in archive
                if (stream := archive.extractfile(member)) is not None
            }
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"Cannot read {path}: {error}.",
            f"A set is a folder, .tar or .tar.gz with {LABELS} and pictures.",
        ) from None

    def read(name: str) -> bytes:
        if name not in members:
            raise _missing(path, name)
        return members[name]

    return read


def _missing(path: Path, name: str) -> DataError:
    return DataError(
        f"{path} has no {name}.", f"A set holds {LABELS} and every picture that it names."
    )


def write_labelled_lines(lines: Iterable[LabelledLine], folder: str | Path) -> None:
    """Write a set as a folder that ``read_labelled_lines`` reads; pictures are not held.

    Raises:
        DataError: a name or a text with a tab or line break, or a name that leads elsewhere.
    """
    folder = Path(folder)
    rows = []
    for line in lines:
        _check_writable(line)
        target = folder / line.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(line.image)
        rows.append(f"{line.file}\t{line.text}\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LABELS).write_text("file\ttext\n" + "".join(rows), encoding="utf-8")


def _check_writable(line: LabelledLine) -> None:
    if re.search(r"[\t\r\n]", line.file + line.text):
        raise DataError(
            f"{line.file!r} or its label {line.text[:60]!r} holds a tab or line break.",
            f"{LABELS} has one row for each line.",
        )
    path = PurePosixPath(line.file)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{line.file!r} leads out of the set.", "Give a name that is relative.")
