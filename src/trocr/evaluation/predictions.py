"""What was read of labelled lines, by a model or by anything else, and the file that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..labelled_lines import LabelledLine
from ..line_sets.columns import PREDICTIONS
from ..writers.characters import one_row
from ..writers.files import write_atomically


@dataclass(frozen=True)
class Predictions:
    """The texts of labelled lines, in their order.

    Attributes:
        model: its name, or the file that the texts come from.
        confidences: 0-1, one a line; None where there are none.
        unreadable: lines whose picture could not be read; their text is empty, their confidence 0.
        lines_per_second: over decoding the pictures and reading them, the model loaded before;
            None, as what follows, for texts from a file.
        decoding: how the texts were searched for.
    """

    model: str
    texts: list[str]
    confidences: list[float] | None
    unreadable: int = 0
    lines_per_second: float | None = None
    decoding: str | None = None
    device: str | None = None
    dtype: str | None = None


def write_predictions(path: Path, lines: Sequence[LabelledLine], predictions: Predictions) -> None:
    """Write a table with ``line_sets.columns.PREDICTIONS``: UTF-8, tabs between, nothing quoted.

    Tabs and line breaks in a text become a space.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = ["\t".join(PREDICTIONS)]
    for number, (line, text) in enumerate(zip(lines, predictions.texts, strict=True)):
        sure = f"{predictions.confidences[number]:.9g}" if predictions.confidences else ""
        rows.append("\t".join((line.file, one_row(line.text), one_row(text), sure)))
    content = "".join(f"{row}\n" for row in rows)
    write_atomically(path, content.encode("utf-8", "surrogateescape"))


def read_predictions(path: Path, lines: Sequence[LabelledLine]) -> Predictions:
    """The texts of ``lines`` from a table with a header row: ``file``, ``prediction``, and
    ``confidence`` if every line has one. Other columns, and rows of other files, are passed over.

    Raises:
        DataError: no such file, a column or a line is missing, a file is there twice, or a
            confidence is not between 0 and 1.
    """
    rows: dict[str, tuple[str, str]] = {}
    for file, text, confidence in _rows(path):
        if file in rows:
            raise DataError(f"{path}: {file} is there twice.", "Give one row for each line.")
        rows[file] = (text, confidence)
    missing = [line.file for line in lines if line.file not in rows]
    if missing:
        raise DataError(
            f"{path} lacks {len(missing)} of {len(lines)} lines, {missing[0]} first.",
            "Give every line a row; a line that nothing was read in has an empty prediction.",
        )
    found = [rows[line.file] for line in lines]
    rated = all(confidence for _, confidence in found)
    return Predictions(
        model=str(path),
        texts=[text for text, _ in found],
        confidences=[_confidence(value, path) for _, value in found] if rated else None,
    )


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """File, prediction and confidence, which may be empty."""
    try:
        content = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from None
    header, *rows = content.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    names = header.split("\t")
    for name in ("file", "prediction"):
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}.",
                "Its first row names the columns, with tabs between: file, prediction.",
            )
    for row in filter(None, rows):
        cells = dict(zip(names, row.split("\t"), strict=False))
        yield cells["file"], cells.get("prediction", ""), cells.get("confidence", "")


def _confidence(value: str, path: Path) -> float:
    try:
        confidence = float(value)
    except ValueError:
        confidence = -1
    if not 0 <= confidence <= 1:
        raise DataError(f"{path}: {value!r} is no confidence.", "Give numbers from 0 to 1.")
    return confidence
