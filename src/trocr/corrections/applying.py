"""Corrections back to where they came from: a training set, and the documents."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..document import Line, Page, Word
from ..errors import OutputError
from ..labelled_lines import LabelledLine, SkippedLine, write_labelled_lines
from ..metrics import character_error_rate
from ..writers import Pictures, write
from .lines import WorkLine, document_files, find_lines, name_of, plain
from .marks import Correction, Mark
from .pictures import cut_lines


@dataclass
class Applied:
    """What became of corrections.

    Attributes:
        right: lines whose text was read without a mistake.
        corrected: lines whose text was changed.
        not_text: lines that are none.
        cer: of the text as read, percent, over right and corrected lines; None without any.
        written: lines in the training set.
        documents: files of corrected documents.
        skipped: corrections that were not made, and lines without a picture.
    """

    right: int = 0
    corrected: int = 0
    not_text: int = 0
    cer: float | None = None
    written: int = 0
    documents: list[Path] = field(default_factory=list)
    skipped: list[SkippedLine] = field(default_factory=list)


def apply_corrections(
    folder: Path,
    corrections: Sequence[Correction],
    *,
    out: Path | None = None,
    documents: Path | None = None,
    images: Path | Pictures | None = None,
) -> Applied:
    """Write what a person decided.

    Args:
        folder: of the documents, or one of them, as it was when the worklist was made.
        corrections: from ``read_corrections``; those that name no line of the folder, or one that
            reads otherwise now, are left out.
        out: a new folder for the lines that have text, as a labelled set.
        documents: a new folder for copies of the documents in their formats, corrected.
        images: where the pictures of pages are, as for ``cut_lines``.

    Raises:
        DataError: there are no documents.
        OutputError: something cannot be written.
    """
    lines, skipped = find_lines(folder)
    result = Applied(skipped=skipped)
    accepted = dict(_accepted(lines, corrections, result))
    texts = [c for c in accepted.values() if c.decision is Mark.ok]
    result.right = sum(c.text == c.read for c in texts)
    result.corrected = len(texts) - result.right
    result.not_text = len(accepted) - len(texts)
    if texts:
        result.cer = character_error_rate([c.read for c in texts], [c.text for c in texts])
    if out is not None:
        _write_set(lines, accepted, out, images, result)
    if documents is not None:
        _write_documents(folder, accepted, documents, result)
    return result


def _accepted(
    lines: Sequence[WorkLine], corrections: Sequence[Correction], result: Applied
) -> Iterator[tuple[str, Correction]]:
    known = {line.name: line for line in lines}
    for correction in corrections:
        line = known.get(correction.line)
        if line is None:
            result.skipped.append(SkippedLine(correction.line, "There is no such line."))
        elif line.text != correction.read:
            result.skipped.append(SkippedLine(correction.line, _changed(line.text)))
        else:
            yield correction.line, correction


def _changed(text: str) -> str:
    return f"It reads {text!r} now, and was corrected when it read otherwise."


def _write_set(
    lines: Sequence[WorkLine],
    accepted: Mapping[str, Correction],
    out: Path,
    images: Path | Pictures | None,
    result: Applied,
) -> None:
    def labelled() -> Iterator[LabelledLine]:
        for item in cut_lines(wanted, images):
            if isinstance(item, SkippedLine):
                result.skipped.append(item)
                continue
            line, picture = item
            stream = io.BytesIO()
            picture.save(stream, "PNG")
            result.written += 1
            text = accepted[line.name].text
            yield LabelledLine(line.file, stream.getvalue(), text, line.page)

    with_text = {name for name, each in accepted.items() if each.decision is Mark.ok}
    wanted = [line for line in lines if line.name in with_text]
    try:
        write_labelled_lines(labelled(), out)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written to: {error.strerror or error}.", "Name another folder."
        ) from None


def _write_documents(
    folder: Path, accepted: Mapping[str, Correction], target: Path, result: Applied
) -> None:
    for item in document_files(folder):
        if isinstance(item, SkippedLine):
            continue
        pages = tuple(
            _corrected_page(page, item.page_name(page), accepted, item.path, result)
            for page in item.document
        )
        document = replace(item.document, pages=pages)
        result.documents += write(document, target / item.name, item.format)


def _corrected_page(
    page: Page, name: str, accepted: Mapping[str, Correction], path: Path, result: Applied
) -> Page:
    numbers = iter(range(sum(1 for _ in page.lines)))

    def corrected(line: Line) -> Line | None:
        correction = accepted.get(name_of(name, next(numbers)))
        if correction is None:
            return line
        if plain(line.text) != correction.read:
            result.skipped.append(SkippedLine(f"{path}, {correction.line}", _changed(line.text)))
            return line
        return None if correction.decision is Mark.not_text else _with_text(line, correction.text)

    regions = (
        replace(region, lines=tuple(line for each in region.lines if (line := corrected(each))))
        for region in page.regions
    )
    return replace(page, regions=tuple(regions))


def _with_text(line: Line, text: str) -> Line:
    """A line that a person vouches for; words keep their boxes as long as their number is right."""
    words = text.split()
    kept = tuple(map(_word, line.words, words)) if len(line.words) == len(words) else ()
    return replace(line, text=text, confidence=1.0, words=kept, finish_reason="eos")


def _word(word: Word, text: str) -> Word:
    characters = word.characters if word.text == text else ()
    return replace(word, text=text, confidence=1.0, characters=characters)
