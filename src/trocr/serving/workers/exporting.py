"""Documents as files: in any format, several in an archive, corrected."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from ...corrections import apply_corrections, read_corrections
from ...document import Document
from ...errors import DataError, RefusedError, UsageError
from ...image import load_image
from ...readers import read_document
from ...writers import FORMATS, Options, files_of, render
from ..folders import DOCUMENT, ORIGINAL, find_page
from ..formats import MEDIA_TYPES, TRAINING_SET, ZIP, stem_of
from ..messages import Export, Output

MOST = 512 << 20  # bytes of one output


def rendered(document: Document, format: str, options: Options) -> Output:
    """A document as one file; of a format of single pages, several in an archive.

    Raises:
        UsageError: a format that is not in `MEDIA_TYPES`.
        RefusedError: more than `MOST`.
        TrOCRError: as of ``writers.render``.
    """
    if format not in MEDIA_TYPES:
        raise UsageError(f"There is no format {format!r}.", f"Choose: {', '.join(MEDIA_TYPES)}.")
    stem = stem_of(document.source)
    name = f"{stem}{FORMATS[format].suffix}"
    files = files_of(document, name, format)
    if len(files) > 1:
        content = _zipped((path.name, _bytes(part, format, options)) for path, part in files)
        return Output(content, ZIP, f"{stem}.{format}.zip")
    content = _bytes(document, format, options)
    _check(len(content))
    return Output(content, MEDIA_TYPES[format], name)


def export(task: Export) -> Output:
    """A document that was kept in a folder, corrected.

    Raises:
        DataError: the folder holds no document; a training set without a line.
        TrOCRError: as of `rendered`.
    """
    with TemporaryDirectory(prefix="trocr-") as name:
        scratch = Path(name)
        if task.format == TRAINING_SET:
            return _training_set(task, scratch)
        path = task.folder / DOCUMENT
        if task.corrections:
            _apply(task, scratch, documents=scratch / "corrected")
            path = scratch / "corrected" / DOCUMENT
        options = Options(
            pages=None if task.format == "pdf" else lambda number: _picture(task.folder, number),
            original=task.folder / ORIGINAL,
            password=task.password,
        )
        return rendered(read_document(path), task.format, options)


def _training_set(task: Export, scratch: Path) -> Output:
    folder = scratch / "set"
    _apply(task, scratch, out=folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not any(path.suffix == ".png" for path in files):
        raise DataError("No line was corrected or confirmed.", "Look through some lines first.")
    content = _zipped((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)
    stem = stem_of(read_document(task.folder / DOCUMENT).source)
    return Output(content, ZIP, f"{stem}.{TRAINING_SET}.zip")


def _apply(
    task: Export, scratch: Path, *, out: Path | None = None, documents: Path | None = None
) -> None:
    table = scratch / "corrections.tsv"
    table.write_text(task.corrections, encoding="utf-8")
    corrections = read_corrections(table)[0] if task.corrections else []
    apply_corrections(
        task.folder / DOCUMENT,
        corrections,
        out=out,
        documents=documents,
        images=lambda number: _picture(task.folder, number),
    )


def _picture(folder: Path, number: int) -> Image.Image:
    path = find_page(folder, number)
    if path is None:
        raise DataError(f"The picture of page {number} is gone.", "Read the document again.")
    return load_image(path)


def _bytes(document: Document, format: str, options: Options) -> bytes:
    content = render(document, format, options)
    return content if isinstance(content, bytes) else content.encode("utf-8")


def _zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
            _check(stream.tell())
    return stream.getvalue()


def _check(size: int) -> None:
    if size > MOST:
        raise RefusedError(
            f"The output has more than {MOST >> 20} MiB.", "Ask for fewer pages at a time."
        )
