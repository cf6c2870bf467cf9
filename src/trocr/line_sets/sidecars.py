"""Pictures with a text file beside each: ``.gt.txt`` of ocropus and kraken, or ``.txt``."""

from __future__ import annotations

from ..errors import DataError
from ..labelled_lines import SkippedLine
from .found import Candidate, Format, Reading
from .labels import decoded
from .sources import Source

_TRUTH, _TEXT = ".gt.txt", ".txt"
_VERSIONS = (".bin", ".nrm", ".dew")  # as ocropus and kraken name what they made of a picture


def read(source: Source) -> Reading:
    """Every picture with its text; where any has a ``.gt.txt``, ``.txt`` is what OCR wrote."""
    texts = _texts(source)
    suffix = next((end for end in (_TRUTH, _TEXT) if _with_pictures(source, texts[end])), _TEXT)
    found: list[Candidate | SkippedLine] = []
    used: dict[str, str] = {}
    # Of several versions the original, whose name is the shortest.
    for picture in sorted(source.pictures, key=lambda name: (_base(name), len(name))):
        base = _base(picture)
        if base in used:
            found.append(SkippedLine(picture, f"Its label goes with {used[base]}."))
        elif base in texts[suffix]:
            used[base] = picture
            found.append(_candidate(source, picture, texts[suffix][base]))
        elif source.only is None:
            found.append(SkippedLine(picture, f"It has no label: no {suffix} is beside it."))
    found += [
        SkippedLine(text, "There is no picture beside it.")
        for base, text in texts[suffix].items()
        if base not in used
    ]
    return Reading(f"pictures with {suffix}", found)


FORMAT = Format("pictures with a .gt.txt or .txt beside each", read)


def label_files(source: Source) -> list[str]:
    """The text files that stand beside pictures."""
    texts = _texts(source)
    return [text for found in texts.values() for text in _with_pictures(source, found)]


def _candidate(source: Source, picture: str, text: str) -> Candidate | SkippedLine:
    try:
        return Candidate(text, picture, source.read(picture), decoded(source.read(text)))
    except DataError as error:
        return SkippedLine(text, error.message)


def _texts(source: Source) -> dict[str, dict[str, str]]:
    """By suffix, the names of text files by their names without it."""
    texts: dict[str, dict[str, str]] = {_TRUTH: {}, _TEXT: {}}
    for name in source.ending(_TEXT):
        suffix = _TRUTH if name.lower().endswith(_TRUTH) else _TEXT
        texts[suffix][name[: -len(suffix)]] = name
    return texts


def _with_pictures(source: Source, texts: dict[str, str]) -> list[str]:
    bases = {_base(picture) for picture in source.pictures}
    return [text for base, text in texts.items() if base in bases]


def _base(picture: str) -> str:
    """The picture's name as that of its text begins."""
    stem = picture.rpartition(".")[0]
    version = next((end for end in _VERSIONS if stem.lower().endswith(end)), "")
    return stem[: len(stem) - len(version)]
