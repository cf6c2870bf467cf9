"""Which of the lines found are fit for training, and why the others are not."""

from __future__ import annotations

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from ..errors import DataError, ImageError
from ..image import load_image
from ..labelled_lines import LabelledLine, SkippedLine
from . import labels
from .found import Candidate, shortened

_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "eval"}


def checked(
    found: Iterable[Candidate | SkippedLine], *, scoring: bool = False
) -> tuple[list[LabelledLine], list[SkippedLine]]:
    """The good lines in their order, with clean labels and their pages; and all others.

    A label must be one line of text, a picture one that `load_image` loads, and neither a name
    nor the bytes of a picture may stand for two different labels. Of the same line twice the
    first is kept.

    Args:
        scoring: labels may also be empty, and pictures are not looked at: to leave out what is
            not readable, or a copy of another, would change the scores of a set.
    """
    skipped: list[SkippedLine] = []
    candidates = _with_clean_labels(found, skipped, empty=scoring)
    candidates = _unique(candidates, lambda one: one.file, "The same picture", skipped)
    if not scoring:
        candidates = [one for one in candidates if _loads(one, skipped)]
        candidates = _unique(candidates, _digest, "A copy of the same picture", skipped)
    pages = _folders_as_pages([one.file for one in candidates if one.page is None])
    lines = [
        LabelledLine(
            one.file, one.image, one.text, pages[one.file] if one.page is None else one.page
        )
        for one in candidates
    ]
    return lines, skipped


def _with_clean_labels(
    found: Iterable[Candidate | SkippedLine], skipped: list[SkippedLine], *, empty: bool
) -> list[Candidate]:
    candidates = []
    for one in found:
        if isinstance(one, SkippedLine):
            skipped.append(one)
            continue
        try:
            candidates.append(replace(one, text=labels.clean(one.text, empty=empty)))
        except DataError as error:
            skipped.append(SkippedLine(one.where, error.message))
    return candidates


def _digest(candidate: Candidate) -> bytes:
    return hashlib.sha256(candidate.image).digest()


def _loads(candidate: Candidate, skipped: list[SkippedLine]) -> bool:
    try:
        load_image(candidate.image, name=f"The picture {candidate.file}")
    except ImageError as error:
        skipped.append(SkippedLine(candidate.where, error.message))
        return False
    return True


def _unique(
    candidates: Sequence[Candidate],
    key: Callable[[Candidate], Hashable],
    what: str,
    skipped: list[SkippedLine],
) -> list[Candidate]:
    """One candidate for each key, none where its labels differ."""
    groups = defaultdict(list)
    for one in candidates:
        groups[key(one)].append(one)
    kept = []
    for group in groups.values():
        first, others = group[0], group[1:]
        different = next((one for one in others if one.text != first.text), None)
        if different is None:
            kept.append(first)
            skipped += [
                SkippedLine(one.where, f"{what} has the same label in {first.where}.")
                for one in others
            ]
            continue
        for one in group:
            other = different if one.text == first.text else first
            reason = f"{what} has another label in {other.where}: {shortened(other.text)}."
            skipped.append(SkippedLine(one.where, reason))
    return kept


def _folders_as_pages(files: Sequence[str]) -> dict[str, str]:
    """For each file, the folder that tells it from others; ``""`` where all are in one.

    Folders that are called as parts of a data set are, ``train`` or ``test``, are no pages.
    """
    folders = {file: posixpath.dirname(file).split("/") for file in files}
    common = posixpath.commonpath([posixpath.dirname(file) for file in files]) if files else ""
    depth = len(common.split("/")) if common else 0
    return {
        file: "/".join(part for part in parts[depth:] if part.lower() not in _SPLITS)
        for file, parts in folders.items()
    }
